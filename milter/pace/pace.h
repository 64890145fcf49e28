/*
 * pace: who may call Cronofy when. Each application has a budget of so many requests in any second
 * and in any minute, as Cronofy sees them arrive; turns are given first come, first served.
 *
 * When a request arrives at Cronofy is seen by nobody here: after its turn, and before its answer. So it
 * counts as arriving just now until the answer is there, and from then on as having arrived with it.
 * No window of Cronofy's is ever overfull, whatever is slow on the way; the price is that the rate of a
 * second is reached only if answers come at once. The rate of a minute loses next to nothing.
 *
 * A budget belongs to an API key at an endpoint, because that is what Cronofy counts: accounts that
 * have the same key share it, at the lowest of their rates. Every call takes a turn, a further try
 * too. A 429 stops the budget at once and lets it continue at half its rate, which then rises by a
 * sixteenth of the full rate each second.
 *
 * Several filters can share budgets through Redis, see redis_store. While that is away each keeps to
 * its share of the rates: what all did before it went counts for each, and what each did meanwhile
 * counts for all when it is back.
 *
 * Safe to call from several threads.
 */
#ifndef PACE_H
#define PACE_H

#include "config.h"
#include "problem.h"
#include "redis_store.h"

#include <stdbool.h>
#include <stddef.h>

/* The longest time for which Cronofy's Retry-After is believed (ms): after it, one call finds out. */
#define PACE_LONGEST_PAUSE 600000

struct pace;

/* NULL if there is no memory. */
struct pace *pace_new(void);

/* No turn may be wanted or held any more. */
void pace_free(struct pace *pace);

/*
 * The rates that hold from now on (before, those of the account that takes a turn); what has been
 * used stays used. False if there is no memory.
 */
bool pace_configure(struct pace *pace, const struct config *config);

/*
 * Shares the budgets through this store, which is the pace's from now on, with a thread that looks
 * after it; before the first turn is taken, after pace_configure(). False, and why, if there is no
 * thread. Whether Redis is there goes to the log.
 */
bool pace_share(struct pace *pace, struct redis_store *store, struct problem *why);

/* ---- turns ---- */

/* One who has had a turn. The caller's; not to be copied. */
struct pace_turn {
	struct pace_budget *budget;
	unsigned long long number;
	long long weight;
	long long waited; /* ms, for the turn */
};

struct pace_wait {
	long long last_start; /* the moment after which a turn is of no use */
	long long interval;   /* ms: how often to look; also looked when woken by pace_wake() */
	bool (*go_on)(void *context); /* false: give up. Called without any lock */
	void *context;
};

enum pace_answer {
	PACE_GO,
	PACE_TOO_LATE, /* by `last_start` no turn will be free; found out as early as possible */
	PACE_GIVEN_UP,
};

/*
 * Waits for a turn. Who waits and gives up leaves its place to those behind. After PACE_GO the call
 * goes out at once, and one of pace_done() and pace_return() follows. `why` is filled for
 * PACE_TOO_LATE.
 */
enum pace_answer pace_take(struct pace *pace, const struct account *account,
			   const struct pace_wait *wait, struct pace_turn *turn,
			   struct problem *why);

/* Nothing said a word to Cronofy: the turn is free again. */
void pace_return(struct pace_turn *turn);

/*
 * The call has ended, however, at the moment `ended`. `limited`: with 429, and then `retry_after` (ms)
 * is what Cronofy asked for, or -1.
 */
void pace_done(struct pace_turn *turn, long long ended, bool limited, long long retry_after);

/* Has all who wait look whether they still want to. */
void pace_wake(struct pace *pace);

/* ---- how things stand ---- */

struct pace_view {
	char names[160]; /* of the accounts */
	size_t waiting;
	long long per_second; /* that may be used now, by all who share it */
	long long per_minute;
	long long not_before; /* the moment before which nothing goes; 0 if there is none */
	bool slowed;          /* by a 429, and not yet recovered */
	bool alone;           /* shared with others, but Redis is away: only a share is used */
};

/* Fills up to `most` views; gives how many budgets there are. */
size_t pace_snapshot(struct pace *pace, struct pace_view *views, size_t most);

/* A source of metrics (metrics_add_source()): who waits, and the rates that hold now. */
void pace_write_metrics(void *pace, struct buffer *page);

#endif
