#include "places.h"

#include "metrics.h"
#include "monotonic.h"

#include <pthread.h>
#include <stdlib.h>

struct places {
	pthread_mutex_t lock;
	pthread_cond_t left;
	size_t taken, waiting;
	bool closed;
};

struct places *places_new(void)
{
	struct places *places = calloc(1, sizeof(*places));

	if (!places)
		return NULL;
	pthread_mutex_init(&places->lock, NULL);
	monotonic_condition_init(&places->left);
	return places;
}

void places_free(struct places *places)
{
	if (!places)
		return;
	pthread_cond_destroy(&places->left);
	pthread_mutex_destroy(&places->lock);
	free(places);
}

/* Waits until at most `most` places are taken. With the lock held. */
static bool wait_for(struct places *places, size_t most, long long until)
{
	const bool closed = places->closed; /* what wakes those who wait for a place */

	while (places->taken > most && places->closed == closed && monotonic_now() < until)
		monotonic_wait(&places->left, &places->lock, until);
	return places->taken <= most;
}

bool places_take(struct places *places, size_t most, long long until)
{
	bool free_one;

	pthread_mutex_lock(&places->lock);
	places->waiting++;
	free_one = wait_for(places, most - 1, until) && !places->closed;
	places->waiting--;
	if (free_one)
		places->taken++;
	pthread_mutex_unlock(&places->lock);
	return free_one;
}

void places_close(struct places *places)
{
	pthread_mutex_lock(&places->lock);
	places->closed = true;
	pthread_cond_broadcast(&places->left);
	pthread_mutex_unlock(&places->lock);
}

bool places_are_closed(struct places *places)
{
	bool closed;

	pthread_mutex_lock(&places->lock);
	closed = places->closed;
	pthread_mutex_unlock(&places->lock);
	return closed;
}

void places_leave(struct places *places)
{
	pthread_mutex_lock(&places->lock);
	places->taken--;
	pthread_cond_broadcast(&places->left);
	pthread_mutex_unlock(&places->lock);
}

bool places_wait_empty(struct places *places, long long until)
{
	bool empty;

	pthread_mutex_lock(&places->lock);
	empty = wait_for(places, 0, until);
	pthread_mutex_unlock(&places->lock);
	return empty;
}

void places_write_metrics(void *context, struct buffer *page)
{
	struct places *places = context;
	size_t taken, waiting;

	pthread_mutex_lock(&places->lock);
	taken = places->taken;
	waiting = places->waiting;
	pthread_mutex_unlock(&places->lock);
	metrics_write_single(page, "cancel_invite_messages_active", METRICS_GAUGE,
			     "Messages at work with Cronofy.", (double)taken);
	metrics_write_single(page, "cancel_invite_messages_waiting", METRICS_GAUGE,
			     "Messages that wait because max_active are at work.", (double)waiting);
}
