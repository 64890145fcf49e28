/* clock: milliseconds that only go forward, and condition variables that wait by them. */
#ifndef CLOCK_H
#define CLOCK_H

#include <pthread.h>

/* Milliseconds since some moment in the past. */
long long clock_now(void);

/* Like pthread_cond_init(), for clock_wait(). */
int clock_condition_init(pthread_cond_t *condition);

/* Like pthread_cond_timedwait(), until the moment `until` of clock_now(). */
int clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, long long until);

#define CLOCK_SHOWN 16 /* bytes */

/* Writes the moment as the clock on the wall has it, HH:MM:SS. Gives `out`. */
const char *clock_show(long long moment, char out[CLOCK_SHOWN]);

#endif
