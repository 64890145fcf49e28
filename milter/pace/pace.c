/* Turns from outside: what is configured, what became of a turn, how things stand. */
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
	clock_condition_init(&pace->keeper_wake);
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
	pthread_cond_destroy(&pace->keeper_wake);
	pthread_mutex_destroy(&pace->lock);
	free(pace);
}

/* With the lock held. */
static bool configure_account(struct pace *pace, const struct account *account)
{
	struct window_rates rates = pace_rates_of(account);
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
	if (!pace_make_room(budget, &rates))
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

/* ---- after a 429 ---- */

/* A 429: nothing for a while, then half of it. With the lock held. */
static void slow_down(struct pace_budget *budget, unsigned long long number, long long pause)
{
	const long long now = clock_now(), level = pace_level(budget, now);
	char time[CLOCK_SHOWN], rate[24];

	if (now + pause >= budget->not_before)
		budget->not_before = now + pause + 1; /* moments are rounded down */
	if (number > budget->slowed_at) {
		budget->level = level > 1 ? level / 2 : 1;
		budget->slowed = true;
		budget->slowed_at = budget->pace->last_number;
		log_write(LOG_LEVEL_WARNING,
			  "pace: account %s is over Cronofy's limit (429) at %s requests a second: "
			  "no calls before %s, then %lld%% of that rate",
			  budget->names, pace_show_rate(budget->rates.per_second, rate),
			  clock_show(budget->not_before, time),
			  budget->level * 100 / PACE_FULL_LEVEL);
	}
	pace_signal_all(budget->pace);
}

/* ---- waking ---- */

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
	pace_record_unused(turn->budget, turn->number, 1);
	pace_signal_first(turn->budget);
	pthread_mutex_unlock(&pace->lock);
}

void pace_done(struct pace_turn *turn, long long ended, bool limited, long long retry_after)
{
	struct pace_budget *budget = turn->budget;
	struct pace *pace = budget->pace;
	const long long pause =
		retry_after < 0 ? PAUSE_AFTER_429 : pace_lower_of(retry_after, PACE_LONGEST_PAUSE);
	bool tells;

	pthread_mutex_lock(&pace->lock);
	window_settle(&budget->window, turn->weight, ended, turn->number);
	pace_record(budget, turn->number, ended);
	pace_signal_first(budget);
	if (limited)
		slow_down(budget, turn->number, pause);
	tells = pace_tells_redis(pace);
	pthread_mutex_unlock(&pace->lock);
	/* The others who share it would only hear the same. */
	if (limited && tells)
		redis_store_pause(pace->store, &budget->shared, pause);
}

/* ---- looking from outside ---- */

size_t pace_snapshot(struct pace *pace, struct pace_view *views, size_t most)
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
