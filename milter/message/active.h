/*
 * active: how many messages may be active at once: at their end of message, waiting for Cronofy or
 * being rewritten.
 *
 * Each of them holds one of libmilter's threads, which have no upper bound: one more is deferred at
 * once, and the MTA keeps the message. It also knows when the last one is done, which is when we may
 * stop.
 *
 * Nobody waits for a place, so those that one account may hold are what keeps some for the others: a
 * dynamic threshold (Choudhury and Hahne, 1998). An account may hold ACTIVE_SHARE times as many as
 * are free beyond the last one. Alone it gets 7 of 8; two that want all get as many each; and one that
 * holds none finds a place.
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

#define ACTIVE_SHARE 7

/* What the configuration says. */
struct active_limits {
	size_t most;     /* at once */
	size_t accounts; /* how many there are: one alone may hold all */
};

enum active_place {
	ACTIVE_FREE,
	ACTIVE_FULL,   /* as many are active as may be, or there is no memory for one more */
	ACTIVE_SHARED, /* the account holds its share, and others may want theirs */
	ACTIVE_CLOSED,
};

/* Counts one more for the account of that name, if ACTIVE_FREE; never waits. */
enum active_place active_take(struct active *active, const char *account,
			      const struct active_limits *limits);

/* What would active_take() say just now? */
enum active_place active_look(struct active *active, const char *account,
			      const struct active_limits *limits);

/* From now on no other message becomes active. */
void active_close(struct active *active);

/* How many are active now. */
size_t active_taken(struct active *active);

/* One less for an account that has one. */
void active_leave(struct active *active, const char *account);

/* A source of metrics (metrics_add_source()): how many are active. */
void active_write_metrics(void *active, struct buffer *page);

#endif
