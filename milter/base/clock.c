/* clock: monotonic milliseconds, waiting by them, and trust in the wall clock. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

long long clock_now(void)
{
	return milliseconds(CLOCK_MONOTONIC);
}

long long clock_utc_now(void)
{
	return milliseconds(CLOCK_REALTIME);
}

static long long offset_at(long long now)
{
	return clock_utc_now() - now;
}

void clock_watch_start(struct clock_watch *watch, long long settling, long long settling_again)
{
	const long long now = milliseconds(CLOCK_BOOTTIME);

	*watch = (struct clock_watch){
		.settling_again = settling_again,
		.offset = offset_at(now),
		.trusted_from = now + settling,
	};
	pthread_mutex_init(&watch->lock, NULL);
}

void clock_watch_trust(struct clock_watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	if (!watch->stepped)
		watch->trusted_from = milliseconds(CLOCK_BOOTTIME);
	pthread_mutex_unlock(&watch->lock);
}

enum clock_trust clock_watch_look(struct clock_watch *watch)
{
	const long long now = milliseconds(CLOCK_BOOTTIME), offset = offset_at(now);
	enum clock_trust trust = CLOCK_TRUSTED;

	pthread_mutex_lock(&watch->lock);
	if (llabs(offset - watch->offset) > CLOCK_STEP) {
		watch->trusted_from = now + watch->settling_again;
		watch->stepped = true;
	}
	watch->offset = offset;
	if (now < watch->trusted_from)
		trust = watch->stepped ? CLOCK_STEPPED : CLOCK_UNKNOWN;
	pthread_mutex_unlock(&watch->lock);
	return trust;
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

const char *clock_show_utc(long long moment, char out[CLOCK_UTC_SHOWN])
{
	const time_t seconds = (time_t)(moment / 1000);
	char text[24] = "";
	struct tm parts;

	if (gmtime_r(&seconds, &parts))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out, CLOCK_UTC_SHOWN, "%s.%03dZ", text, (int)(moment % 1000));
	return out;
}
