/* Who waits for a turn, and when it is whose. */
#include "pace_state.h"

#include "clock.h"

#include <stdlib.h>

static void join_queue(struct pace_budget *budget, struct pace_waiter *waiter)
{
	if (budget->last)
		budget->last->next = waiter;
	else
		budget->first = waiter;
	budget->last = waiter;
	budget->waiting++;
}

static void leave_queue(struct pace_budget *budget, const struct pace_waiter *waiter)
{
	struct pace_waiter *before = NULL;

	for (struct pace_waiter *at = budget->first; at != waiter; at = at->next)
		before = at;
	if (before)
		before->next = waiter->next;
	else
		budget->first = waiter->next;
	if (budget->last == waiter)
		budget->last = before;
	budget->waiting--;
}

/* When one who comes now would have its turn. */
static long long plan(struct pace_budget *budget, long long now)
{
	const struct pace *pace = budget->pace;
	struct window_rates rates = pace_rates(budget, now);
	long long from = now > budget->not_before ? now : budget->not_before, left;

	/* Of a shared budget, what the others leave; but never less than an equal share. */
	if (pace->mode == PACE_SHARED) {
		left = rates.per_minute - budget->others;
		if (left < rates.per_minute / pace->share_of)
			left = rates.per_minute / pace->share_of;
		if (rates.per_minute < WINDOW_UNLIMITED)
			rates.per_second =
				(rates.per_second * left + rates.per_minute - 1) / rates.per_minute;
		rates.per_minute = left;
		if (budget->shared_ready > from)
			from = budget->shared_ready;
	}
	return window_plan(&budget->window, &rates, pace_weight(pace), budget->waiting, from);
}

/* The moment at which the first who waits may go, or should ask whether it may. */
static long long ready(struct pace_budget *budget, long long now)
{
	const struct window_rates rates = pace_rates(budget, now);
	const long long from = now > budget->not_before ? now : budget->not_before;

	if (budget->pace->mode == PACE_SHARED)
		return budget->shared_ready > from ? budget->shared_ready : from;
	return window_ready(&budget->window, &rates, pace_weight(budget->pace), from);
}

/* The first who waits has its turn. */
static void grant(struct pace_budget *budget, unsigned long long number, long long weight)
{
	struct pace_waiter *waiter = budget->first;

	leave_queue(budget, waiter);
	waiter->turn->budget = budget;
	waiter->turn->number = number;
	waiter->turn->weight = weight;
	waiter->granted = true;
	window_begin(&budget->window, weight);
	pthread_cond_signal(&waiter->look);
}

/* A turn that this filter gives by itself; if Redis is coming back, it is to count there at once. */
static void grant_own(struct pace_budget *budget)
{
	struct pace *pace = budget->pace;

	grant(budget, ++pace->last_number, pace_weight(pace));
	pace_record(budget, pace->last_number, clock_now() + REDIS_TAKEN);
}

/*
 * Asks Redis for turns for those who wait. With the lock held, but not meanwhile: only the first who
 * waits does this, so nobody else becomes the first.
 */
static void ask_for_turns(struct pace_budget *budget, const struct window_rates *rates)
{
	const long long asked = clock_now();
	struct pace *pace = budget->pace;
	const size_t most =
		budget->waiting < REDIS_TURNS_MAXIMUM ? budget->waiting : REDIS_TURNS_MAXIMUM;
	const unsigned long long number = pace->last_number + 1;
	size_t granted = 0;
	long long wait = 0;
	bool there;

	pace->last_number += most;
	pthread_mutex_unlock(&pace->lock);
	there = redis_store_take(pace->store, &budget->shared, number, most, rates->per_second,
				 rates->per_minute, &granted, &wait);
	pthread_mutex_lock(&pace->lock);
	if (!there) {
		/* It may have given them, and its answer is lost. */
		pace_record_unused(budget, number, most);
		pace_lost(pace);
	}
	for (size_t i = 0; i < granted; i++) {
		if (budget->first)
			grant(budget, number + i, 1);
		else /* somebody gave up */
			pace_record_unused(budget, number + i, 1);
	}
	/* A rate that rises may make it sooner. */
	if (budget->slowed)
		wait = pace_lower_of(wait, PACE_LEVEL_INTERVAL);
	budget->shared_ready = asked + wait;
}

/* Gives turns to all whose moment it is, from the first on: they wake up side by side. */
static void serve(struct pace_budget *budget, long long now)
{
	const struct window_rates rates = pace_rates(budget, now);
	struct pace *pace = budget->pace;

	if (pace->mode == PACE_SHARED)
		ask_for_turns(budget, &rates);
	else
		while (budget->first &&
		       window_ready(&budget->window, &rates, pace_weight(pace), now) <= now)
			grant_own(budget);
	pace_signal_first(budget);
}

/* Looks whether one who waits still wants to. With the lock held, but not meanwhile. */
static bool still_wanted(struct pace *pace, const struct pace_wait *wait)
{
	bool wanted;

	if (!wait->go_on)
		return true;
	pthread_mutex_unlock(&pace->lock);
	wanted = wait->go_on(wait->context);
	pthread_mutex_lock(&pace->lock);
	return wanted;
}

/* Waits in the queue until it has its turn. Else it still is in the queue. With the lock held. */
static enum pace_answer wait_for_turn(struct pace_budget *budget, struct pace_waiter *waiter,
				      const struct pace_wait *wait)
{
	struct pace *pace = budget->pace;
	long long next_look = clock_now() + wait->interval;

	while (!waiter->granted) {
		long long now = clock_now(), until = WINDOW_NEVER;

		if (now > wait->last_start || budget->not_before > wait->last_start)
			return PACE_TOO_LATE;
		if (now >= next_look || waiter->wakes != pace->wakes) {
			next_look = now + wait->interval;
			waiter->wakes = pace->wakes;
			if (!still_wanted(pace, wait) && !waiter->granted)
				return PACE_GIVEN_UP;
			continue;
		}
		if (budget->first == waiter)
			until = ready(budget, now);
		if (until <= now) {
			serve(budget, now);
			continue;
		}
		/* A rate that rises may make it sooner. */
		if (budget->slowed)
			until = pace_lower_of(until, now + PACE_LEVEL_INTERVAL);
		until = pace_lower_of(pace_lower_of(until, next_look), wait->last_start + 1);
		clock_wait(&waiter->look, &pace->lock, until);
	}
	return PACE_GO;
}

static void say_too_late(const struct pace_budget *budget, struct problem *why)
{
	char second[24], minute[24];

	problem_set(
		why,
		"the rate limit lets no call to Cronofy begin within the deadline: %zu messages "
		"wait for account %.100s, which may make %s requests a second and %s a minute%s",
		budget->waiting, budget->names, pace_show_rate(budget->rates.per_second, second),
		pace_show_rate(budget->rates.per_minute, minute),
		budget->slowed ? ", and fewer for now, because Cronofy said 429" : "");
}

enum pace_answer pace_take(struct pace *pace, const struct account *account,
			   const struct pace_wait *wait, struct pace_turn *turn,
			   struct problem *why)
{
	const long long begun = clock_now();
	enum pace_answer answer = PACE_TOO_LATE;
	char id[DIGEST_LENGTH + 1];
	const bool named = pace_name_budget(account, id);
	struct pace_waiter waiter = {.turn = turn};
	struct pace_budget *budget;

	*turn = (struct pace_turn){0};
	pthread_mutex_lock(&pace->lock);
	budget = named ? pace_find_budget(pace, account, id) : NULL;
	if (!budget) {
		problem_set(why, "no memory to wait for a turn");
	} else if (plan(budget, begun) <= wait->last_start) {
		clock_condition_init(&waiter.look);
		waiter.wakes = pace->wakes;
		join_queue(budget, &waiter);
		answer = wait_for_turn(budget, &waiter, wait);
		if (answer != PACE_GO) {
			leave_queue(budget, &waiter);
			pace_signal_first(budget);
		}
		pthread_cond_destroy(&waiter.look);
	}
	if (budget && answer == PACE_TOO_LATE)
		say_too_late(budget, why);
	pthread_mutex_unlock(&pace->lock);
	turn->waited = clock_now() - begun;
	return answer;
}
