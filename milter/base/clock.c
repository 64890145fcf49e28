#include "clock.h"

#include <stdio.h>
#include <time.h>

long long clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int clock_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	int result = pthread_condattr_init(&attributes);

	if (result != 0)
		return result;
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	result = pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
	return result;
}

int clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, long long until)
{
	struct timespec moment = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};

	return pthread_cond_timedwait(condition, lock, &moment);
}

const char *clock_show(long long moment, char out[CLOCK_SHOWN])
{
	/* A started second counts: who looks at that time shall not be too early. */
	const time_t time_then = time(NULL) + (time_t)((moment - clock_now() + 999) / 1000);
	struct tm then;

	if (!localtime_r(&time_then, &then) || strftime(out, CLOCK_SHOWN, "%H:%M:%S", &then) == 0)
		snprintf(out, CLOCK_SHOWN, "later");
	return out;
}
