/*
 * window: how often something may be done in any second and in any minute, and when again.
 *
 * Pure: moments come from the caller (ms). What was begun counts as being done right now until it is
 * settled, which is when its moment is known; so no window is overfull whatever the order and the
 * delay in which things really happen. Something may weigh more than one.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>

/* Moments are whole milliseconds, rounded down: the one more keeps the real distance. */
#define WINDOW_SECOND 1001 /* ms */
#define WINDOW_MINUTE 60001

#define WINDOW_NEVER 0x7fffffffffffffffLL /* not before something is settled */

/* A rate without a limit: more than can happen, and small enough to be multiplied. */
#define WINDOW_UNLIMITED 1000000000000LL

struct window_rates {
	long long per_second;
	long long per_minute;
};

struct window_entry {
	long long moment;
	unsigned long long number; /* the caller's name for it; 0: none */
};

struct window {
	struct window_entry *entries; /* what is settled, by moment; only the newest are kept */
	size_t count;
	size_t capacity; /* at least the largest limit that is asked about */
	long long pending;
};

/*
 * Makes room for `times` as much as these rates permit in a minute, or in a second if a minute has no
 * limit; what was settled stays. False: no memory, and nothing has changed.
 */
bool window_make_room(struct window *window, const struct window_rates *rates, size_t times);
void window_free(struct window *window);

/* Something of this weight is begun, or taken back before it was done. */
void window_begin(struct window *window, long long weight);
void window_take_back(struct window *window, long long weight);

/* What was begun is done, at this moment. */
void window_settle(struct window *window, long long weight, long long moment,
		   unsigned long long number);

/* Something that others did. */
void window_add(struct window *window, long long moment, unsigned long long number);

/* Keeps each number once, and nothing without a number. */
void window_keep_own(struct window *window);

/* The first moment from `from` on at which something of this weight may be done; WINDOW_NEVER. */
long long window_ready(const struct window *window, const struct window_rates *rates,
		       long long weight, long long from);

/*
 * The moment at which its turn comes if `ahead` others of the same weight go first, what is pending is
 * done now, and everything goes as soon as it may. -1 if there is no memory to work it out.
 */
long long window_plan(const struct window *window, const struct window_rates *rates,
		      long long weight, size_t ahead, long long now);

#endif
