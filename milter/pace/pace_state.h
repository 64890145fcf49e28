/* pace_state: what is known of the budgets; for the files that pace is made of, and for no others. */
#ifndef PACE_STATE_H
#define PACE_STATE_H

#include "pace.h"
#include "digest.h"
#include "window.h"

#include <pthread.h>

#define PACE_FULL_LEVEL      16
#define PACE_LEVEL_INTERVAL  1000 /* ms, in which the rate rises by a sixteenth */
#define PACE_RECORDS_MAXIMUM 4096
#define PACE_SHARED_ROOM     3 /* what we did, what the others did, and what they may have done */

/* One who waits for a turn; on its thread's stack. */
struct pace_waiter {
	struct pace_waiter *next;
	struct pace_turn *turn;
	bool granted; /* the turn is its own, and the queue knows it no more */
	pthread_cond_t look;
	unsigned int wakes; /* the pace's, when it last looked */
};

struct pace_budget {
	struct pace *pace;
	struct pace_budget *next;
	char names[160];         /* of its accounts, for the log */
	unsigned int configured; /* by which configuration, counted */
	struct window_rates rates;
	struct window window; /* what was used, as far as it is known here */
	struct pace_waiter *first, *last;
	size_t waiting;

	long long not_before; /* the moment; after a 429 */
	bool slowed;
	long long level; /* at `not_before`, in sixteenths of the rates; then it rises */
	unsigned long long slowed_at; /* turns up to this number say nothing new by a 429 */

	/* Of a shared budget. */
	struct redis_budget shared;    /* its name is the budget's: a hash of endpoint and key */
	long long shared_ready;        /* not worth asking Redis before this moment */
	long long used[REDIS_SECONDS]; /* by all, in the seconds before `looked` */
	long long looked;
	long long others; /* used by all others in the last minute */
};

/* What Redis does not know yet. */
struct pace_record {
	struct pace_budget *budget;
	struct redis_turn turn; /* its age is the moment until it is sent */
};

enum pace_mode {
	PACE_LOCAL,     /* nothing is shared */
	PACE_SHARED,    /* Redis says who goes */
	PACE_ALONE,     /* Redis is away: a share of the rates */
	PACE_RETURNING, /* Redis is back, and is being told by everybody: still a share */
};

struct pace {
	pthread_mutex_t lock;        /* guards all below */
	struct pace_budget *budgets; /* they stay: as few as the keys that were ever configured */
	unsigned int configurations;
	long long share_of;
	unsigned long long last_number; /* of turns */
	unsigned int wakes;

	enum pace_mode mode;
	struct redis_store *store;
	long long shared_from; /* the moment at which PACE_RETURNING ends */
	pthread_t keeper;
	pthread_cond_t keeper_wake;
	bool stopping;
	struct pace_record *records; /* PACE_RECORDS_MAXIMUM of them, if there is a store */
	size_t record_count;
};

static inline long long pace_lower_of(long long a, long long b)
{
	return a < b ? a : b;
}

/* The name of an account's budget: a hash of its endpoint and key. False if there is no memory. */
bool pace_name_budget(const struct account *account, char id[DIGEST_LENGTH + 1]);

/* All others with the lock held. */

/* The budget of that name, made if there is none yet; NULL if there is no memory. */
struct pace_budget *pace_find_budget(struct pace *pace, const struct account *account,
				     const char *id);

/* How much may be used now: less after a 429. Logs when that is all of it again. */
struct window_rates pace_rates(struct pace_budget *budget, long long now);

/* The rates that an account may use. */
struct window_rates pace_rates_of(const struct account *account);

/* Room in the window for what these rates permit. False if there is no memory. */
bool pace_make_room(struct pace_budget *budget, const struct window_rates *rates);

/* The part of the rates that may be used now, of PACE_FULL_LEVEL; logs when that is all again. */
long long pace_level(struct pace_budget *budget, long long now);

/* "50", or "unlimited". Gives `out`. */
const char *pace_show_rate(long long rate, char out[24]);

/* Does Redis hear what is used? */
bool pace_tells_redis(const struct pace *pace);

/* What a turn weighs: alone, it stands for what all who share the budget do. */
long long pace_weight(const struct pace *pace);

/* Has the first who waits look, or all of them. */
void pace_signal_first(struct pace_budget *budget);
void pace_signal_all(struct pace *pace);

/* Redis is to know that this turn was used at this moment. */
void pace_record(struct pace_budget *budget, unsigned long long number, long long moment);

/* Redis is to know that so many turns from this one on were not used, if it ever gave them. */
void pace_record_unused(struct pace_budget *budget, unsigned long long number, size_t count);

/* Redis did not answer. */
void pace_lost(struct pace *pace);

/* Ends the thread that looks after the store. Without the lock. */
void pace_stop_keeper(struct pace *pace);

#endif
