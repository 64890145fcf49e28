/*
 * places: how many messages may be at work with Cronofy at the same time; the others wait.
 *
 * libmilter's threads have no upper bound; the work they do for us has this one. It also knows
 * when the last one is done, which is when we may stop.
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

/* Takes a place among `most`; waits for it until the moment `until`. False if there was none. */
bool places_take(struct places *places, size_t most, long long until);

/* From now on there is no place for anybody, nor for those who wait. */
void places_close(struct places *places);
bool places_are_closed(struct places *places);

/* Gives it back. */
void places_leave(struct places *places);

/* Waits until nobody holds a place; false if somebody still does at the moment `until`. */
bool places_wait_empty(struct places *places, long long until);

/* A source of metrics (metrics_add_source()): how many are taken, how many wait for one. */
void places_write_metrics(void *places, struct buffer *page);

#endif
