/*
 * threads: the threads of this process, most of which libmilter makes, one for each session.
 *
 * libmilter forgets a session whose thread cannot be made: the mail server waits for an answer that
 * never comes. So pthread_create() comes through here, from whatever library: when there is no room
 * for another thread (a limit of the user's, the cgroup's, or of memory) libmilter's sessions wait for
 * one, in their order. It is counted, and told in the log.
 */
#ifndef THREADS_H
#define THREADS_H

#include "buffer.h"
#include "config.h"

#include <stdbool.h>

/*
 * Bounds the threads' stacks, and what memory stays behind when many have ended, and makes the thread
 * that makes those which have to wait. Before any other is made. `is_libmilter`: is that an address of
 * its code? False if the thread cannot be made.
 */
bool threads_start(bool (*is_libmilter)(const void *address));

/*
 * A session begins, or is over and has freed what it held. When three quarters of many are over, the
 * memory that they left behind goes back to the system.
 */
void threads_session_begins(void);
void threads_session_is_over(void);

/*
 * Whether the limits that are in force leave room for max_active messages: appends a line for
 * each that does not, with what would do. For the user that the filter runs as.
 */
void threads_check_limits(const struct config *config, struct buffer *warnings);

/* A source of metrics (metrics_add_source()). */
void threads_write_metrics(void *unused, struct buffer *page);

#endif
