/* One budget: its name, its rates, who is woken, and what Redis is to hear of it. */
#include "pace_state.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pace_name_budget(const struct account *account, char id[DIGEST_LENGTH + 1])
{
	const struct span fields[] = {
		{account->endpoint, strlen(account->endpoint)},
		{account->api_key, strlen(account->api_key)},
	};

	return digest_of(fields, 2, id);
}

static long long rate_of(long long configured)
{
	return configured == RATE_NONE ? WINDOW_UNLIMITED : configured;
}

struct window_rates pace_rates_of(const struct account *account)
{
	return (struct window_rates){rate_of(account->requests_per_second),
				     rate_of(account->requests_per_minute)};
}

bool pace_make_room(struct pace_budget *budget, const struct window_rates *rates)
{
	return window_make_room(&budget->window, rates,
				budget->pace->share_of > 1 ? PACE_SHARED_ROOM : 1);
}

struct pace_budget *pace_find_budget(struct pace *pace, const struct account *account,
				     const char *id)
{
	const struct window_rates rates = pace_rates_of(account);
	struct pace_budget *budget = pace->budgets;

	while (budget && strcmp(budget->shared.name, id) != 0)
		budget = budget->next;
	if (budget)
		return budget;
	budget = calloc(1, sizeof(*budget));
	if (!budget)
		return NULL;
	budget->pace = pace;
	if (!pace_make_room(budget, &rates)) {
		free(budget);
		return NULL;
	}
	budget->rates = rates;
	snprintf(budget->shared.name, sizeof(budget->shared.name), "%s", id);
	snprintf(budget->names, sizeof(budget->names), "%s", account->name);
	budget->next = pace->budgets;
	pace->budgets = budget;
	return budget;
}

/* ---- rates ---- */

const char *pace_show_rate(long long rate, char out[24])
{
	if (rate >= WINDOW_UNLIMITED)
		snprintf(out, 24, "unlimited");
	else
		snprintf(out, 24, "%lld", rate);
	return out;
}

long long pace_level(struct pace_budget *budget, long long now)
{
	long long level = budget->level;
	char rate[24];

	if (!budget->slowed)
		return PACE_FULL_LEVEL;
	if (now > budget->not_before)
		level += (now - budget->not_before) / PACE_LEVEL_INTERVAL;
	if (level < PACE_FULL_LEVEL)
		return level;
	budget->slowed = false;
	budget->not_before = 0;
	log_write(LOG_LEVEL_INFO, "pace: account %s has recovered: %s requests a second again",
		  budget->names, pace_show_rate(budget->rates.per_second, rate));
	return PACE_FULL_LEVEL;
}

long long pace_weight(const struct pace *pace)
{
	return pace->mode == PACE_ALONE || pace->mode == PACE_RETURNING ? pace->share_of : 1;
}

struct window_rates pace_rates(struct pace_budget *budget, long long now)
{
	const long long level = pace_level(budget, now), least = pace_weight(budget->pace);
	struct window_rates rates = {
		.per_second = budget->rates.per_second * level / PACE_FULL_LEVEL,
		.per_minute = budget->rates.per_minute * level / PACE_FULL_LEVEL,
	};

	/* However slow, it continues. */
	if (rates.per_second < least)
		rates.per_second = least;
	if (rates.per_minute < least)
		rates.per_minute = least;
	return rates;
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

/* ---- what Redis is to hear ---- */

bool pace_tells_redis(const struct pace *pace)
{
	return pace->mode == PACE_SHARED || pace->mode == PACE_RETURNING;
}

/* If there is no room, the turn counts for some seconds more than it has to. */
static void note(struct pace_budget *budget, unsigned long long number, long long moment)
{
	struct pace *pace = budget->pace;

	if (pace->record_count == PACE_RECORDS_MAXIMUM)
		return;
	pace->records[pace->record_count++] =
		(struct pace_record){budget, {.number = number, .age = moment}};
	if (pace->record_count == 1)
		pthread_cond_signal(&pace->keeper_wake);
}

void pace_record(struct pace_budget *budget, unsigned long long number, long long moment)
{
	if (pace_tells_redis(budget->pace))
		note(budget, number, moment);
}

void pace_record_unused(struct pace_budget *budget, unsigned long long number, size_t count)
{
	const long long moment = clock_now() - REDIS_UNUSED;

	/* Also while Redis is away: what it may have given then is to be free when it is back. */
	if (budget->pace->mode != PACE_LOCAL)
		for (size_t i = 0; i < count; i++)
			note(budget, number + i, moment);
}
