#include "places.h"

#include "monotonic.h"

#include <pthread.h>
#include <stdlib.h>

struct places {
	pthread_mutex_t lock;
	pthread_cond_t left;
	size_t taken;
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
	while (places->taken > 0 && monotonic_now() < until)
		monotonic_wait(&places->left, &places->lock, until);
	empty = places->taken == 0;
	pthread_mutex_unlock(&places->lock);
	return empty;
}
