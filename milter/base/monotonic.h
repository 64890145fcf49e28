/* monotonic: milliseconds that only go forward, and condition variables that wait by them. */
#ifndef MONOTONIC_H
#define MONOTONIC_H

#include <pthread.h>

/* Milliseconds since some moment in the past. */
long long monotonic_now(void);

/* Like pthread_cond_init(), for monotonic_wait(). */
int monotonic_condition_init(pthread_cond_t *condition);

/* Like pthread_cond_timedwait(), until the moment `until` of monotonic_now(). */
int monotonic_wait(pthread_cond_t *condition, pthread_mutex_t *lock, long long until);

#define MONOTONIC_SHOWN 16 /* bytes */

/* Writes the moment as the clock on the wall has it, HH:MM:SS. Gives `out`. */
const char *monotonic_show(long long moment, char out[MONOTONIC_SHOWN]);

#endif
