/*
 * places: how many messages may be at their end at the same time, waiting for Cronofy or at work.
 *
 * Each of them holds one of libmilter's threads, which have no upper bound: whoever finds no place is
 * put off at once, and the MTA keeps the message. It also knows when the last one is done, which is
 * when we may stop.
 */
#ifndef PLACES_H
#define PLACES_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct places;

/* NULL if there is no memory. */
struct places *places_new(void);
void places_free(struct places *places);

/* Takes a place among `most`; never waits. False if there is none. */
bool places_take(struct places *places, size_t most);

/* Would places_take() give one just now? */
bool places_are_free(struct places *places, size_t most);

/* From now on there is no place for anybody. */
void places_close(struct places *places);
bool places_are_closed(struct places *places);

/* How many are taken now. */
size_t places_taken(struct places *places);

/* Gives it back. */
void places_leave(struct places *places);

/* A source of metrics (metrics_add_source()): how many are taken. */
void places_write_metrics(void *places, struct buffer *page);

#endif
