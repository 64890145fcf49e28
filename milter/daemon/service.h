/*
 * service: reports the filter's state to the service manager by sd_notify(3), and that it is alive.
 *
 * Where no service manager listens ($NOTIFY_SOCKET), or built without libsystemd, nothing is told
 * and nothing fails: a filter that cannot tell works all the same. Main thread only.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

/* Does anybody listen? Without, there is no need to wake up for the status's sake. */
bool service_listens(void);

/*
 * Started, or reloaded: we do what we are there for. `status` is one line for people
 * (systemctl status).
 */
void service_ready(const char *status);

/* A reload begins; service_ready() ends it, however it went. */
void service_reloading(void);

/* We are about to end, within `longest` ms: the service manager waits so long for it. */
void service_stopping(long long longest);

/* A new line for people. */
void service_status(const char *status);

/*
 * The longest time in ms between two service_alive() after which the service manager takes us for
 * dead; 0 if it does not watch.
 */
long long service_watchdog(void);
void service_alive(void);

#endif
