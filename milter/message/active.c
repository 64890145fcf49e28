/* active: the number of active messages, and its bound. */
#include "active.h"

#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>

struct active {
	pthread_mutex_t lock;
	size_t taken;
	bool closed;
};

struct active *active_new(void)
{
	struct active *active = calloc(1, sizeof(*active));

	if (!active)
		return NULL;
	pthread_mutex_init(&active->lock, NULL);
	return active;
}

void active_free(struct active *active)
{
	if (!active)
		return;
	pthread_mutex_destroy(&active->lock);
	free(active);
}

bool active_take(struct active *active, size_t most)
{
	bool free_one;

	pthread_mutex_lock(&active->lock);
	free_one = active->taken < most && !active->closed;
	if (free_one)
		active->taken++;
	pthread_mutex_unlock(&active->lock);
	return free_one;
}

bool active_has_room(struct active *active, size_t most)
{
	bool free_one;

	pthread_mutex_lock(&active->lock);
	free_one = active->taken < most && !active->closed;
	pthread_mutex_unlock(&active->lock);
	return free_one;
}

void active_close(struct active *active)
{
	pthread_mutex_lock(&active->lock);
	active->closed = true;
	pthread_mutex_unlock(&active->lock);
}

bool active_is_closed(struct active *active)
{
	bool closed;

	pthread_mutex_lock(&active->lock);
	closed = active->closed;
	pthread_mutex_unlock(&active->lock);
	return closed;
}

size_t active_taken(struct active *active)
{
	size_t taken;

	pthread_mutex_lock(&active->lock);
	taken = active->taken;
	pthread_mutex_unlock(&active->lock);
	return taken;
}

void active_leave(struct active *active)
{
	pthread_mutex_lock(&active->lock);
	active->taken--;
	pthread_mutex_unlock(&active->lock);
}

void active_write_metrics(void *context, struct buffer *page)
{
	struct active *active = context;

	metrics_write_single(page, "cancel_invite_messages_active", METRICS_GAUGE,
			     "Messages that are being cancelled, or wait for their turn.",
			     (double)active_taken(active));
}
