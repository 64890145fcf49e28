/* The log's queue: a list of lines, and a thread that takes them one by one. */
#include "log_queue.h"

#include "clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct entry *next;
	enum log_level level;
	unsigned long long dropped; /* lines that would have come before this one */
	size_t size;
	char text[];
};

struct log_queue {
	struct log_queue_writer writer;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct entry *first, **end;
	size_t size;
	unsigned long long dropped, untold; /* in all; and since the last line that was taken */
	long long writing_since;            /* the moment; 0: nothing is being written */
};

/* Is there nothing left to be written? With the lock held. */
static bool is_empty(const struct log_queue *queue)
{
	return !queue->first && queue->untold == 0 && queue->writing_since == 0;
}

/* The next one; NULL if there is none. With the lock held. */
static struct entry *take(struct log_queue *queue)
{
	struct entry *entry = queue->first;

	if (!entry)
		return NULL;
	queue->first = entry->next;
	if (!queue->first)
		queue->end = &queue->first;
	queue->size -= entry->size;
	return entry;
}

/* With the lock held, but for the writing. `entry` is NULL: only that lines were dropped. */
static void write_entry(struct log_queue *queue, struct entry *entry, unsigned long long dropped)
{
	queue->writing_since = clock_now();
	pthread_mutex_unlock(&queue->lock);
	if (dropped > 0)
		queue->writer.tell_dropped(dropped);
	if (entry)
		queue->writer.write(entry->level, entry->text);
	free(entry);
	pthread_mutex_lock(&queue->lock);
	queue->writing_since = 0;
	pthread_cond_broadcast(&queue->changed);
}

static void *run(void *context)
{
	struct log_queue *queue = context;

	pthread_mutex_lock(&queue->lock);
	while (true) {
		struct entry *entry = take(queue);

		if (entry) {
			write_entry(queue, entry, entry->dropped);
		} else if (queue->untold > 0) {
			const unsigned long long dropped = queue->untold;

			queue->untold = 0;
			write_entry(queue, NULL, dropped);
		} else {
			pthread_cond_wait(&queue->changed, &queue->lock);
		}
	}
	return NULL;
}

struct log_queue *log_queue_start(const struct log_queue_writer *writer)
{
	struct log_queue *queue = calloc(1, sizeof(*queue));
	pthread_t thread;

	if (!queue)
		return NULL;
	queue->writer = *writer;
	queue->end = &queue->first;
	pthread_mutex_init(&queue->lock, NULL);
	clock_condition_init(&queue->changed);
	if (pthread_create(&thread, NULL, run, queue) == 0) {
		pthread_detach(thread);
		return queue;
	}
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
	return NULL;
}

void log_queue_add(struct log_queue *queue, enum log_level level, const char *text)
{
	const size_t length = strlen(text), size = sizeof(struct entry) + length + 1;
	struct entry *entry = malloc(size);

	pthread_mutex_lock(&queue->lock);
	if (entry && queue->size + size <= LOG_QUEUE_MAXIMUM) {
		*entry = (struct entry){.level = level, .dropped = queue->untold, .size = size};
		memcpy(entry->text, text, length + 1);
		*queue->end = entry;
		queue->end = &entry->next;
		queue->size += size;
		queue->untold = 0;
		entry = NULL;
	} else {
		queue->dropped++;
		queue->untold++;
	}
	pthread_cond_broadcast(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	free(entry);
}

struct log_queue_state log_queue_look(struct log_queue *queue)
{
	struct log_queue_state state;

	pthread_mutex_lock(&queue->lock);
	state.dropped = queue->dropped;
	state.stuck =
		queue->writing_since > 0 && clock_now() - queue->writing_since >= LOG_QUEUE_STUCK;
	pthread_mutex_unlock(&queue->lock);
	return state;
}

bool log_queue_flush(struct log_queue *queue, long long longest)
{
	const long long until = clock_now() + longest;
	bool empty;

	pthread_mutex_lock(&queue->lock);
	while (!is_empty(queue) && clock_now() < until)
		clock_wait(&queue->changed, &queue->lock, until);
	empty = is_empty(queue);
	pthread_mutex_unlock(&queue->lock);
	return empty;
}
