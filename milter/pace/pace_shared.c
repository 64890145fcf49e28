/*
 * The budgets that are shared through Redis, and the thread that looks after them: it tells Redis when
 * turns were used, learns what the others use, and notices when Redis goes and comes.
 */
#include "pace_state.h"

#include "log.h"
#include "clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_INTERVAL 500  /* ms */
#define RETURN_TIME   2000 /* ms, in which all who share have noticed that Redis is back */

/* ---- Redis goes ---- */

/* What this filter itself has used in the second that ended so long before `looked`. */
static long long own_in_second(const struct pace_budget *budget, long long second)
{
	const long long end = budget->looked - second * 1000;
	long long count = 0;

	for (size_t i = budget->window.count; i > 0; i--) {
		const struct window_entry *entry = &budget->window.entries[i - 1];

		if (entry->moment <= end - 1000)
			break;
		/* The last one is open: what is just being sent is in it. */
		count += entry->number != 0 && (entry->moment <= end || second == 0);
	}
	return count;
}

/*
 * The most that the others may have used since Redis was last looked at: all that a second permits, as
 * far as the minute had room for it, less what this filter did.
 */
static long long unseen_of(const struct pace_budget *budget, long long now)
{
	const long long seconds = 1 + (now - budget->looked) / WINDOW_SECOND;
	long long second = pace_lower_of(budget->rates.per_second, budget->rates.per_minute);
	long long left = budget->rates.per_minute;

	if (budget->looked == 0 || budget->pace->share_of == 1)
		return 0; /* who has never seen them takes it that they keep to their shares */
	if (second < WINDOW_UNLIMITED)
		second *= pace_lower_of(seconds, REDIS_SECONDS);
	for (size_t i = budget->window.count; i > 0 && second > 0; i--, second--)
		if (budget->window.entries[i - 1].moment <= budget->looked)
			break;

	/* What is in its last second then makes room. */
	for (size_t i = 0; i < REDIS_SECONDS - 2; i++)
		left -= budget->used[i];
	if (left < 0)
		left = 0;
	return pace_lower_of(pace_lower_of(left, second), (long long)budget->window.capacity);
}

/*
 * What the others used counts here as if this filter had done it, at the latest moment it can have been;
 * and what they may have used since Redis was last looked at, now.
 */
static void remember_others(struct pace_budget *budget, long long now)
{
	const long long room = (long long)budget->window.capacity;
	const long long unseen = unseen_of(budget, now);
	long long others = 0;

	for (long long i = REDIS_SECONDS; i-- > 0;) {
		/* What is too little in one second was a moment later for Redis, in the next. */
		others += budget->used[i] - own_in_second(budget, i);
		if (others > room)
			others = room;
		for (; others > 0; others--)
			window_add(&budget->window, budget->looked - i * 1000, 0);
	}
	for (long long n = 0; n < unseen; n++)
		window_add(&budget->window, now, 0);
	memset(budget->used, 0, sizeof(budget->used));
	budget->others = 0;
	budget->shared_ready = 0;
}

void pace_lost(struct pace *pace)
{
	const long long now = clock_now();
	struct problem why;

	if (!pace_tells_redis(pace))
		return;
	if (pace->mode == PACE_SHARED) {
		redis_store_reason(pace->store, &why);
		for (struct pace_budget *budget = pace->budgets; budget; budget = budget->next)
			remember_others(budget, now);
		log_write(
			LOG_LEVEL_WARNING,
			"pace: Redis cannot be used (%s): until it can, this filter keeps to 1/%lld "
			"of each account's requests",
			why.text, pace->share_of);
	}
	pace->mode = PACE_ALONE;
	pace_signal_all(pace);
}

/* ---- Redis comes ---- */

/* Tells Redis what this filter used in the last minute. False: it went again. Without the lock. */
static bool tell_all(struct pace *pace, struct pace_budget *budget)
{
	unsigned long long told = 0; /* entries up to this number */
	size_t count;

	/* By rising numbers, as new ones come in while we talk. */
	do {
		struct redis_turn turns[REDIS_TURNS_MAXIMUM];
		const long long now = clock_now();

		count = 0;
		pthread_mutex_lock(&pace->lock);
		for (size_t i = 0; i < budget->window.count; i++) {
			const struct window_entry *entry = &budget->window.entries[i];
			size_t at = count;

			if (entry->number <= told || entry->moment <= now - WINDOW_MINUTE)
				continue;
			while (at > 0 && turns[at - 1].number > entry->number)
				at--;
			if (at == REDIS_TURNS_MAXIMUM ||
			    (at > 0 && turns[at - 1].number == entry->number))
				continue;
			if (count < REDIS_TURNS_MAXIMUM)
				count++;
			memmove(turns + at + 1, turns + at, (count - 1 - at) * sizeof(*turns));
			turns[at] = (struct redis_turn){entry->number, now - entry->moment};
		}
		pthread_mutex_unlock(&pace->lock);
		if (count > 0 && !redis_store_record(pace->store, &budget->shared, turns, count))
			return false;
		if (count > 0)
			told = turns[count - 1].number;
	} while (count == REDIS_TURNS_MAXIMUM);
	return true;
}

/* With the lock held, but not meanwhile. */
static void try_to_return(struct pace *pace)
{
	struct pace_budget *budget;
	struct problem why;
	bool good;

	pthread_mutex_unlock(&pace->lock);
	good = redis_store_connect(pace->store, &why);
	pthread_mutex_lock(&pace->lock);
	if (!good)
		return;
	pace->mode = PACE_RETURNING; /* from now on, what is used is told */
	pace->shared_from = clock_now() + RETURN_TIME;
	budget = pace->budgets;
	pthread_mutex_unlock(&pace->lock);
	for (; budget && good; budget = budget->next)
		good = tell_all(pace, budget);
	pthread_mutex_lock(&pace->lock);
	if (!good)
		pace_lost(pace);
}

/* All who share have told Redis what they did: its word counts again. */
static void end_return(struct pace *pace)
{
	for (struct pace_budget *budget = pace->budgets; budget; budget = budget->next)
		window_keep_own(&budget->window);
	pace->mode = PACE_SHARED;
	log_write(LOG_LEVEL_INFO, "pace: Redis is back: each account's requests are shared again");
	pace_signal_all(pace);
}

/* ---- the thread ---- */

/* Sends what is to be told, all of one budget's at a time. With the lock held, but not meanwhile. */
static void flush(struct pace *pace)
{
	while (pace->record_count > 0 && pace_tells_redis(pace)) {
		struct pace_budget *budget = pace->records[0].budget;
		struct redis_turn turns[REDIS_TURNS_MAXIMUM];
		const long long now = clock_now();
		size_t count = 0, left = 0;
		bool good;

		for (size_t i = 0; i < pace->record_count; i++) {
			const struct pace_record *record = &pace->records[i];

			if (record->budget == budget && count < REDIS_TURNS_MAXIMUM)
				turns[count++] = (struct redis_turn){record->turn.number,
								     now - record->turn.age};
			else
				pace->records[left++] = *record;
		}
		pace->record_count = left;
		pthread_mutex_unlock(&pace->lock);
		good = redis_store_record(pace->store, &budget->shared, turns, count);
		pthread_mutex_lock(&pace->lock);
		if (!good)
			pace_lost(pace);
	}
}

/* Learns what all use of each budget. With the lock held, but not meanwhile. */
static void look_at_others(struct pace *pace)
{
	for (struct pace_budget *budget = pace->budgets; budget && pace_tells_redis(pace);
	     budget = budget->next) {
		const long long now = clock_now();
		long long used[REDIS_SECONDS], all = 0, own = 0;
		bool good;

		pthread_mutex_unlock(&pace->lock);
		good = redis_store_usage(pace->store, &budget->shared, used);
		pthread_mutex_lock(&pace->lock);
		if (!good) {
			pace_lost(pace);
			return;
		}
		memcpy(budget->used, used, sizeof(used));
		budget->looked = now;
		for (size_t i = 0; i < REDIS_SECONDS - 1; i++)
			all += used[i];
		for (size_t i = budget->window.count; i > 0; i--)
			own += budget->window.entries[i - 1].moment > now - WINDOW_MINUTE;
		own += budget->window.pending;
		budget->others = all > own ? all - own : 0;
	}
}

static void look(struct pace *pace)
{
	if (pace->mode == PACE_ALONE)
		try_to_return(pace);
	look_at_others(pace);
	if (pace->mode == PACE_RETURNING && clock_now() >= pace->shared_from)
		end_return(pace);
}

static void *keep(void *context)
{
	struct pace *pace = context;
	long long next_look = 0;

	pthread_mutex_lock(&pace->lock);
	while (!pace->stopping) {
		flush(pace);
		if (clock_now() >= next_look) {
			look(pace);
			next_look = clock_now() + LOOK_INTERVAL;
		}
		if (pace->record_count == 0 && !pace->stopping)
			clock_wait(&pace->keeper_wake, &pace->lock, next_look);
	}
	pthread_mutex_unlock(&pace->lock);
	return NULL;
}

bool pace_share(struct pace *pace, struct redis_store *store, struct problem *why)
{
	struct problem away;
	sigset_t all, before;
	int result;

	pace->store = store;
	pace->records = calloc(PACE_RECORDS_MAXIMUM, sizeof(*pace->records));
	if (!pace->records) {
		problem_set(why, "no memory for Redis");
		return false;
	}
	pace->mode = PACE_SHARED;
	if (!redis_store_connect(store, &away))
		pace_lost(pace);
	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&pace->keeper, NULL, keep, pace);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		return true;
	problem_set(why, "no thread for Redis: %s", strerror(result));
	free(pace->records);
	pace->records = NULL; /* and so pace_free() knows that there is no thread */
	return false;
}

void pace_stop_keeper(struct pace *pace)
{
	if (!pace->records)
		return;
	pthread_mutex_lock(&pace->lock);
	pace->stopping = true;
	pthread_cond_signal(&pace->keeper_wake);
	pthread_mutex_unlock(&pace->lock);
	pthread_join(pace->keeper, NULL);
}
