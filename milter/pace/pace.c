#include "pace_state.h"

#include "log.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_AFTER_429 1000 /* ms, if Cronofy asks for nothing else */

/* ---- budgets ---- */

struct pace *pace_new(void)
{
	struct pace *pace = calloc(1, sizeof(*pace));

	if (!pace)
		return NULL;
	pthread_mutex_init(&pace->lock, NULL);
	clock_condition_init(&pace->keeper_look);
	pace->share_of = 1;
	return pace;
}

void pace_free(struct pace *pace)
{
	struct pace_budget *next;

	if (!pace)
		return;
	pace_stop_keeper(pace);
	for (struct pace_budget *budget = pace->budgets; budget; budget = next) {
		next = budget->next;
		window_free(&budget->window);
		free(budget);
	}
	free(pace->records);
	redis_store_free(pace->store);
	pthread_cond_destroy(&pace->keeper_look);
	pthread_mutex_destroy(&pace->lock);
	free(pace);
}

bool pace_name_budget(const struct account *account, char id[DIGEST_LENGTH + 1])
{
	const struct span fields[] = {
		{account->endpoint, strlen(account->endpoint)},
		{account->api_key, strlen(account->api_key)},
	};

	return digest_of(fields, 2, id);
}

static struct window_rates rates_of(const struct account *account)
{
	return (struct window_rates){account->requests_per_second, account->requests_per_minute};
}

struct pace_budget *pace_find_budget(struct pace *pace, const struct account *account,
				     const char *id)
{
	const struct window_rates rates = rates_of(account);
	struct pace_budget *budget = pace->budgets;

	while (budget && strcmp(budget->id, id) != 0)
		budget = budget->next;
	if (budget)
		return budget;
	budget = calloc(1, sizeof(*budget));
	if (!budget || !window_make_room(&budget->window, &rates)) {
		free(budget);
		return NULL;
	}
	budget->pace = pace;
	budget->rates = rates;
	snprintf(budget->id, sizeof(budget->id), "%s", id);
	snprintf(budget->names, sizeof(budget->names), "%s", account->name);
	budget->next = pace->budgets;
	pace->budgets = budget;
	return budget;
}

/* With the lock held. */
static bool configure_account(struct pace *pace, const struct account *account)
{
	struct window_rates rates = rates_of(account);
	char id[DIGEST_LENGTH + 1];
	struct pace_budget *budget;
	size_t used;

	budget = pace_name_budget(account, id) ? pace_find_budget(pace, account, id) : NULL;
	if (!budget)
		return false;
	used = strlen(budget->names);
	if (budget->configured == pace->configurations) {
		rates.per_second = pace_lower_of(rates.per_second, budget->rates.per_second);
		rates.per_minute = pace_lower_of(rates.per_minute, budget->rates.per_minute);
		snprintf(budget->names + used, sizeof(budget->names) - used, ", %s", account->name);
	} else {
		snprintf(budget->names, sizeof(budget->names), "%s", account->name);
	}
	if (!window_make_room(&budget->window, &rates))
		return false;
	budget->configured = pace->configurations;
	budget->rates = rates;
	budget->shared_ready = 0;
	return true;
}

bool pace_configure(struct pace *pace, const struct config *config)
{
	bool good = true;

	pthread_mutex_lock(&pace->lock);
	pace->configurations++;
	pace->share_of = config->share_of;
	for (size_t i = 0; i < config->account_count; i++)
		good &= configure_account(pace, &config->accounts[i]);
	pace_signal_all(pace);
	pthread_mutex_unlock(&pace->lock);
	return good;
}

/* ---- rates ---- */

/* How much of the rates may be used now; tells when that is all of them again. */
static long long level_of(struct pace_budget *budget, long long now)
{
	long long level = budget->level;

	if (!budget->slowed)
		return PACE_FULL_LEVEL;
	if (now > budget->not_before)
		level += (now - budget->not_before) / PACE_LEVEL_INTERVAL;
	if (level < PACE_FULL_LEVEL)
		return level;
	budget->slowed = false;
	budget->not_before = 0;
	log_write(LOG_LEVEL_INFO, "pace: account %s has recovered: %lld requests a second again",
		  budget->names, budget->rates.per_second);
	return PACE_FULL_LEVEL;
}

long long pace_weight(const struct pace *pace)
{
	return pace->mode == PACE_ALONE || pace->mode == PACE_RETURNING ? pace->share_of : 1;
}

struct window_rates pace_rates(struct pace_budget *budget, long long now)
{
	const long long level = level_of(budget, now), least = pace_weight(budget->pace);
	struct window_rates rates = {
		.per_second = budget->rates.per_second * level / PACE_FULL_LEVEL,
		.per_minute = budget->rates.per_minute * level / PACE_FULL_LEVEL,
	};

	/* However slow, it goes on. */
	if (rates.per_second < least)
		rates.per_second = least;
	if (rates.per_minute < least)
		rates.per_minute = least;
	return rates;
}

/* A 429: nothing for a while, then half of it. With the lock held. */
static void slow_down(struct pace_budget *budget, unsigned long long number, long long pause)
{
	const long long now = clock_now(), level = level_of(budget, now);
	char time[CLOCK_SHOWN];

	if (now + pause >= budget->not_before)
		budget->not_before = now + pause + 1; /* moments are rounded down */
	if (number > budget->slowed_at) {
		budget->level = level > 1 ? level / 2 : 1;
		budget->slowed = true;
		budget->slowed_at = budget->pace->last_number;
		log_write(
			LOG_LEVEL_WARNING,
			"pace: account %s is over Cronofy's limit (429) at %lld requests a second: "
			"nothing before %s, then %lld%% of that",
			budget->names, budget->rates.per_second,
			clock_show(budget->not_before, time),
			budget->level * 100 / PACE_FULL_LEVEL);
	}
	pace_signal_all(budget->pace);
}

/* ---- waking ---- */

void pace_signal_first(struct pace_budget *budget)
{
	if (budget->first)
		pthread_cond_signal(&budget->first->look);
}

void pace_signal_all(struct pace *pace)
{
	for (struct pace_budget *budget = pace->budgets; budget; budget = budget->next)
		for (struct pace_waiter *at = budget->first; at; at = at->next)
			pthread_cond_signal(&at->look);
}

void pace_wake(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->wakes++;
	pace_signal_all(pace);
	pthread_mutex_unlock(&pace->lock);
}

/* ---- what became of a turn ---- */

void pace_return(struct pace_turn *turn)
{
	struct pace *pace = turn->budget->pace;

	pthread_mutex_lock(&pace->lock);
	window_take_back(&turn->budget->window, turn->weight);
	pace_record(turn->budget, turn->number, clock_now() - REDIS_UNUSED);
	pace_signal_first(turn->budget);
	pthread_mutex_unlock(&pace->lock);
}

void pace_done(struct pace_turn *turn, long long ended, bool limited, long long retry_after)
{
	struct pace_budget *budget = turn->budget;
	struct pace *pace = budget->pace;
	const long long pause =
		retry_after < 0 ? PAUSE_AFTER_429 : pace_lower_of(retry_after, PACE_LONGEST_PAUSE);
	bool shared;

	pthread_mutex_lock(&pace->lock);
	window_settle(&budget->window, turn->weight, ended, turn->number);
	pace_record(budget, turn->number, ended);
	pace_signal_first(budget);
	if (limited)
		slow_down(budget, turn->number, pause);
	shared = pace->mode == PACE_SHARED || pace->mode == PACE_RETURNING;
	pthread_mutex_unlock(&pace->lock);
	/* The others who share it would only hear the same. */
	if (limited && shared)
		redis_store_pause(pace->store, budget->id, pause);
}

/* ---- looking from outside ---- */

size_t pace_look(struct pace *pace, struct pace_view *views, size_t most)
{
	const long long now = clock_now();
	size_t count = 0;

	pthread_mutex_lock(&pace->lock);
	for (struct pace_budget *budget = pace->budgets; budget; budget = budget->next, count++) {
		const struct window_rates rates = pace_rates(budget, now);
		struct pace_view *view = &views[count];

		if (count >= most)
			continue;
		*view = (struct pace_view){
			.waiting = budget->waiting,
			.per_second = rates.per_second / pace_weight(pace),
			.per_minute = rates.per_minute / pace_weight(pace),
			.not_before = budget->not_before > now ? budget->not_before : 0,
			.slowed = budget->slowed,
			.alone = pace_weight(pace) > 1,
		};
		snprintf(view->names, sizeof(view->names), "%s", budget->names);
	}
	pthread_mutex_unlock(&pace->lock);
	return count;
}
