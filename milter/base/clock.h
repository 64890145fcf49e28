/*
 * clock: milliseconds that only go forward, condition variables that wait by them, and how far the
 * clock on the wall can be trusted.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <pthread.h>
#include <stdbool.h>

/* Milliseconds since some moment in the past. */
long long clock_now(void);

/* Like pthread_cond_init(), for clock_wait(). */
int clock_condition_init(pthread_cond_t *condition);

/* Like pthread_cond_timedwait(), until the moment `until` of clock_now(). */
int clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, long long until);

#define CLOCK_SHOWN 16 /* bytes */

/* Writes the moment as the clock on the wall has it, HH:MM:SS. Gives `out`. */
const char *clock_show(long long moment, char out[CLOCK_SHOWN]);

/* Milliseconds since 1970 (UTC), as the clock on the wall has it: it can be set to anything. */
long long clock_utc_now(void);

/*
 * Has the clock on the wall gone with the one that nobody can set (CLOCK_BOOTTIME)? A machine may start
 * with a wrong time, and somebody may set another one and take it back; what is done because a time
 * has passed, and cannot be undone, is not done meanwhile. Callers on any thread.
 */
struct clock_watch {
	pthread_mutex_t lock;
	long long settling_again;
	long long offset;       /* between the two clocks, when last looked at */
	long long trusted_from; /* a moment of CLOCK_BOOTTIME */
	bool stepped;           /* since the start */
};

#define CLOCK_STEP           3600000LL  /* ms; what is less is taken for an adjustment */
#define CLOCK_SETTLING       3600000LL  /* ms: time enough for NTP */
#define CLOCK_SETTLING_AGAIN 86400000LL /* ms: time enough for people */

enum clock_trust {
	CLOCK_TRUSTED,
	CLOCK_UNKNOWN, /* we were started a short time ago */
	CLOCK_STEPPED, /* it was set by more than CLOCK_STEP a short time ago */
};

/* `settling`: ms until it is trusted; `settling_again`: ms after a step until it is again. */
void clock_watch_start(struct clock_watch *watch, long long settling, long long settling_again);

/* Something shows that the time is likely: it is trusted from now on, until a step. */
void clock_watch_trust(struct clock_watch *watch);

/* A step counts from the moment at which it is seen here. */
enum clock_trust clock_watch_look(struct clock_watch *watch);

#define CLOCK_UTC_SHOWN 32 /* bytes */

/* Writes a moment of clock_utc_now() as RFC 3339 in UTC: 2026-04-28T10:00:00.000Z. Gives `out`. */
const char *clock_show_utc(long long moment, char out[CLOCK_UTC_SHOWN]);

#endif
