/* service: the filter's state for the service manager, by sd_notify(3). */
#include "service.h"

#ifdef HAVE_SYSTEMD

#include <stdint.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

bool service_listens(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && socket[0];
}

void service_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_reloading(void)
{
	struct timespec now;

	/* Type=notify-reload, of systemd 253 and later, takes no word from before its signal. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration",
		   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void service_stopping(long long longest)
{
	sd_notifyf(0,
		   "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=stopping; waiting for active "
		   "messages",
		   longest * 1000);
}

void service_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

long long service_watchdog(void)
{
	uint64_t longest = 0;

	return sd_watchdog_enabled(0, &longest) > 0 ? (long long)(longest / 1000) : 0;
}

void service_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

#else

bool service_listens(void)
{
	return false;
}

void service_ready(const char *status)
{
	(void)status;
}

void service_reloading(void)
{
}

void service_stopping(long long longest)
{
	(void)longest;
}

void service_status(const char *status)
{
	(void)status;
}

long long service_watchdog(void)
{
	return 0;
}

void service_alive(void)
{
}

#endif
