/*
 * active: how many messages may be active at once: at their end of message, waiting for Cronofy or
 * being rewritten.
 *
 * Each of them holds one of libmilter's threads, which have no upper bound: one more is deferred at
 * once, and the MTA keeps the message. It also knows when the last one is done, which is when we may
 * stop.
 */
#ifndef ACTIVE_H
#define ACTIVE_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct active;

/* NULL if there is no memory. */
struct active *active_new(void);
void active_free(struct active *active);

/* Counts one more, unless `most` are active already; never waits. False if it did not. */
bool active_take(struct active *active, size_t most);

/* Would active_take() give one just now? */
bool active_has_room(struct active *active, size_t most);

/* From now on no other message becomes active. */
void active_close(struct active *active);
bool active_is_closed(struct active *active);

/* How many are active now. */
size_t active_taken(struct active *active);

/* One less. */
void active_leave(struct active *active);

/* A source of metrics (metrics_add_source()): how many are active. */
void active_write_metrics(void *active, struct buffer *page);

#endif
