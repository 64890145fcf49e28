/*
 * lifecycle: a running filter between its start and its end: it waits for signals and does what they
 * ask for, and reports to the service manager.
 *
 * SIGUSR1 reloads (reload_request.h has who waits for the outcome). SIGTERM, SIGINT and SIGHUP (which libmilter would take for an end, too) end it
 * when the active messages are done, at the latest after drain_timeout; a second one, at once.
 */
#ifndef LIFECYCLE_H
#define LIFECYCLE_H

#include "server.h"

/* Blocks all these signals for the thread and those it makes: they are lifecycle_lead()'s alone. */
void lifecycle_block_signals(void);

/*
 * From "ready" to the end of the last message. Main thread. False if nobody ordered the end:
 * libmilter failed.
 */
bool lifecycle_lead(struct server *server);

/*
 * Called by libmilter's thread when libmilter has ended: by a signal, which came while we did not
 * wait for one (`in_order`) and is passed on by this, or because it failed.
 */
void lifecycle_end(bool in_order);

#endif
