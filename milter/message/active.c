/* active: the number of active messages, and its bound. */
#include "active.h"

#include "metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An account that has been active: its name stays here, for there are few. */
struct holder {
	char *account;
	size_t held;
};

struct active {
	pthread_mutex_t lock;
	size_t taken;
	struct holder *holders;
	size_t holder_count;
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
	for (size_t i = 0; i < active->holder_count; i++)
		free(active->holders[i].account);
	free(active->holders);
	pthread_mutex_destroy(&active->lock);
	free(active);
}

/* NULL if the account has never been active. */
static struct holder *find_holder(const struct active *active, const char *account)
{
	for (size_t i = 0; i < active->holder_count; i++)
		if (strcmp(active->holders[i].account, account) == 0)
			return &active->holders[i];
	return NULL;
}

/* NULL if there is no memory. */
static struct holder *add_holder(struct active *active, const char *account)
{
	struct holder *holders =
		realloc(active->holders, (active->holder_count + 1) * sizeof(*holders));
	char *name = strdup(account);

	if (holders)
		active->holders = holders;
	if (!holders || !name) {
		free(name);
		return NULL;
	}
	holders[active->holder_count] = (struct holder){.account = name};
	return &holders[active->holder_count++];
}

/* May somebody who holds so many have one more? */
static enum active_place judge(const struct active *active, size_t held,
			       const struct active_limits *limits)
{
	size_t free_places;

	if (active->closed)
		return ACTIVE_CLOSED;
	if (active->taken >= limits->most)
		return ACTIVE_FULL;
	free_places = limits->most - active->taken;
	if (limits->accounts > 1 && held > 0 && held >= ACTIVE_SHARE * (free_places - 1))
		return ACTIVE_SHARED;
	return ACTIVE_FREE;
}

enum active_place active_take(struct active *active, const char *account,
			      const struct active_limits *limits)
{
	struct holder *holder;
	enum active_place place;

	pthread_mutex_lock(&active->lock);
	holder = find_holder(active, account);
	place = judge(active, holder ? holder->held : 0, limits);
	if (place == ACTIVE_FREE && !holder)
		holder = add_holder(active, account);
	if (place == ACTIVE_FREE && !holder)
		place = ACTIVE_FULL;
	if (place == ACTIVE_FREE) {
		holder->held++;
		active->taken++;
	}
	pthread_mutex_unlock(&active->lock);
	return place;
}

enum active_place active_look(struct active *active, const char *account,
			      const struct active_limits *limits)
{
	const struct holder *holder;
	enum active_place place;

	pthread_mutex_lock(&active->lock);
	holder = find_holder(active, account);
	place = judge(active, holder ? holder->held : 0, limits);
	pthread_mutex_unlock(&active->lock);
	return place;
}

void active_close(struct active *active)
{
	pthread_mutex_lock(&active->lock);
	active->closed = true;
	pthread_mutex_unlock(&active->lock);
}

size_t active_taken(struct active *active)
{
	size_t taken;

	pthread_mutex_lock(&active->lock);
	taken = active->taken;
	pthread_mutex_unlock(&active->lock);
	return taken;
}

void active_leave(struct active *active, const char *account)
{
	pthread_mutex_lock(&active->lock);
	find_holder(active, account)->held--;
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
