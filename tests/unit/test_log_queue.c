/* Lines of the log that wait: who waits for whom, what is dropped. */
#include "log_queue.h"

#include "clock.h"
#include "testing.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* The reader of the log: takes lines, or does not. */
static struct {
	pthread_mutex_t lock;
	atomic_bool held;
	char text[4096]; /* of the short ones */
	atomic_size_t lines;
} reader = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void take(const char *text)
{
	pthread_mutex_lock(&reader.lock);
	if (strlen(text) < 100 && strlen(reader.text) + 102 < sizeof(reader.text)) {
		strcat(reader.text, text);
		strcat(reader.text, "\n");
	}
	reader.lines++;
	pthread_mutex_unlock(&reader.lock);
}

static void write_when_let(enum log_level level, const char *text)
{
	char line[8192];

	while (reader.held)
		poll(NULL, 0, 1);
	snprintf(line, sizeof(line), "%d %s", (int)level, text);
	take(line);
}

static void write_dropped(unsigned long long lines)
{
	char line[64];

	snprintf(line, sizeof(line), "dropped %llu", lines);
	take(line);
}

/* One for all tests: a queue ends with its process. */
static struct log_queue *queue_with(bool held)
{
	static const struct log_queue_writer writer = {write_when_let, write_dropped};
	static struct log_queue *queue;

	if (!queue)
		queue = log_queue_start(&writer);
	assert_non_null(queue);
	reader.held = false;
	assert_true(log_queue_flush(queue, 10000));
	reader.text[0] = '\0';
	reader.lines = 0;
	reader.held = held;
	return queue;
}

static void lines_keep_their_order(void **state)
{
	struct log_queue *queue = queue_with(true);

	(void)state;
	log_queue_add(queue, LOG_LEVEL_INFO, "one");
	log_queue_add(queue, LOG_LEVEL_ERROR, "two");
	log_queue_add(queue, LOG_LEVEL_WARNING, "");
	reader.held = false;
	assert_true(log_queue_flush(queue, 10000));
	assert_string_equal(reader.text, "2 one\n0 two\n1 \n");
}

static void who_does_not_read_holds_up_nobody(void **state)
{
	struct log_queue *queue = queue_with(true);
	const long long begun = clock_now();
	struct log_queue_state state_now;

	(void)state;
	for (int i = 0; i < 1000; i++)
		log_queue_add(queue, LOG_LEVEL_INFO, "line");
	assert_false(log_queue_flush(queue, 100));
	assert_in_range(clock_now() - begun, 100, 3000);
	state_now = log_queue_look(queue);
	assert_false(state_now.stuck); /* not yet */
	while (!log_queue_look(queue).stuck && clock_now() < begun + 20000)
		poll(NULL, 0, 20);
	assert_in_range(clock_now() - begun, LOG_QUEUE_STUCK, LOG_QUEUE_STUCK + 3000);
	reader.held = false;
	assert_true(log_queue_flush(queue, 10000));
	assert_false(log_queue_look(queue).stuck);
	assert_int_equal(reader.lines, 1000);
}

static void what_is_too_much_is_dropped_and_counted_in_its_place(void **state)
{
	struct log_queue *queue = queue_with(true);
	const unsigned long long before = log_queue_look(queue).dropped;
	char *large = text_of_length(4000, 'x'), expected[64];
	unsigned long long dropped;

	(void)state;
	for (int i = 0; i < 1000; i++)
		log_queue_add(queue, LOG_LEVEL_INFO, large);
	dropped = log_queue_look(queue).dropped - before;
	assert_in_range(dropped, 700, 760); /* of 4 MB all but 1 MiB */
	reader.held = false;
	assert_true(log_queue_flush(queue, 10000));
	assert_int_equal(reader.lines, 1000 - dropped + 1);
	/* Again, with something that comes behind what was dropped. */
	queue_with(true);
	for (int i = 0; i < 1000; i++)
		log_queue_add(queue, LOG_LEVEL_INFO, large);
	reader.held = false;
	while (reader.lines < 10)
		poll(NULL, 0, 1);
	log_queue_add(queue, LOG_LEVEL_INFO, "behind");
	assert_true(log_queue_flush(queue, 10000));
	dropped = log_queue_look(queue).dropped - before - dropped;
	snprintf(expected, sizeof(expected), "dropped %llu\n2 behind\n", dropped);
	assert_string_equal(reader.text, expected);
	free(large);
}

static void *write_some(void *context)
{
	for (int i = 0; i < 500; i++)
		log_queue_add(context, LOG_LEVEL_INFO, "line");
	return NULL;
}

static void lines_of_many_threads_all_come(void **state)
{
	struct log_queue *queue = queue_with(false);
	pthread_t threads[8];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_some, queue), 0);
	for (size_t i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_true(log_queue_flush(queue, 10000));
	assert_int_equal(reader.lines, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_keep_their_order),
		cmocka_unit_test(who_does_not_read_holds_up_nobody),
		cmocka_unit_test(what_is_too_much_is_dropped_and_counted_in_its_place),
		cmocka_unit_test(lines_of_many_threads_all_come),
	};

	return cmocka_run_group_tests_name("log_queue", tests, NULL, NULL);
}
