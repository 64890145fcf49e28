/*
 * breaker: whether a data center is worth asking at all for an account just now.
 *
 * Each account has its own: Cronofy may fail one application and answer the others.
 *
 * After so many failures in a row that say "it is away", calls are answered here, at once, for a
 * while; then one call at a time may probe it. A success closes the breaker. What counts as away is
 * the caller's to say; what counts as alive too. Safe to call from several threads.
 */
#ifndef BREAKER_H
#define BREAKER_H

#include "buffer.h"
#include "config.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

struct breakers;

enum breaker_answer {
	BREAKER_CALL,
	BREAKER_PROBE, /* call; the others wait for what becomes of it */
	BREAKER_OPEN,  /* do not; `why` says since how many failures, and when it is asked again */
};

enum breaker_sign {
	BREAKER_ALIVE,
	BREAKER_AWAY,
	BREAKER_UNKNOWN, /* the call was given up, or says nothing about the other end */
};

/* NULL if there is no memory. */
struct breakers *breakers_new(void);
void breakers_free(struct breakers *breakers);

/* Before a call of this account's. Every answer but BREAKER_OPEN wants a breaker_report(). */
enum breaker_answer breaker_ask(struct breakers *breakers, const struct account *account,
				struct problem *why);

/* What became of the call. True: this has opened the breaker, and those who wait should know. */
bool breaker_report(struct breakers *breakers, const struct account *account,
		    enum breaker_answer answer, enum breaker_sign sign);

/* Would breaker_ask() say BREAKER_OPEN? */
bool breaker_is_open(struct breakers *breakers, const struct account *account, struct problem *why);

/* Waits until the moment `until`, or until the breaker opens: then true. */
bool breaker_sleep(struct breakers *breakers, const struct account *account, long long until);

/* For those who look from outside. */
struct breaker_view {
	const char *account, *endpoint; /* as long as the breakers are there */
	bool open;
	long long failures;    /* in a row */
	long long asked_again; /* clock_now(), if it is open */
};

/* Fills up to `most` views; gives how many breakers there are. */
size_t breakers_look(struct breakers *breakers, struct breaker_view *views, size_t most);

/* A source of metrics (metrics_add_source()): which are open. */
void breakers_write_metrics(void *breakers, struct buffer *page);

#endif
