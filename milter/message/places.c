#include "places.h"

#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>

struct places {
	pthread_mutex_t lock;
	size_t taken;
	bool closed;
};

struct places *places_new(void)
{
	struct places *places = calloc(1, sizeof(*places));

	if (!places)
		return NULL;
	pthread_mutex_init(&places->lock, NULL);
	return places;
}

void places_free(struct places *places)
{
	if (!places)
		return;
	pthread_mutex_destroy(&places->lock);
	free(places);
}

bool places_take(struct places *places, size_t most)
{
	bool free_one;

	pthread_mutex_lock(&places->lock);
	free_one = places->taken < most && !places->closed;
	if (free_one)
		places->taken++;
	pthread_mutex_unlock(&places->lock);
	return free_one;
}

bool places_are_free(struct places *places, size_t most)
{
	bool free_one;

	pthread_mutex_lock(&places->lock);
	free_one = places->taken < most && !places->closed;
	pthread_mutex_unlock(&places->lock);
	return free_one;
}

void places_close(struct places *places)
{
	pthread_mutex_lock(&places->lock);
	places->closed = true;
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

size_t places_taken(struct places *places)
{
	size_t taken;

	pthread_mutex_lock(&places->lock);
	taken = places->taken;
	pthread_mutex_unlock(&places->lock);
	return taken;
}

void places_leave(struct places *places)
{
	pthread_mutex_lock(&places->lock);
	places->taken--;
	pthread_mutex_unlock(&places->lock);
}

void places_write_metrics(void *context, struct buffer *page)
{
	struct places *places = context;

	metrics_write_single(page, "cancel_invite_messages_active", METRICS_GAUGE,
			     "Messages at work with Cronofy, or waiting for their turn.",
			     (double)places_taken(places));
}
