/* window: a sliding limit of starts per second and per minute. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

bool window_make_room(struct window *window, const struct window_rates *rates, size_t times)
{
	const long long limit = rates->per_minute < WINDOW_UNLIMITED   ? rates->per_minute
				: rates->per_second < WINDOW_UNLIMITED ? rates->per_second
								       : 1;
	const size_t wanted = (size_t)limit * times;
	struct window_entry *larger;

	if (window->capacity >= wanted)
		return true;
	larger = realloc(window->entries, wanted * sizeof(*larger));
	if (!larger)
		return false;
	window->entries = larger;
	window->capacity = wanted;
	return true;
}

void window_free(struct window *window)
{
	free(window->entries);
	*window = (struct window){0};
}

void window_begin(struct window *window, long long weight)
{
	window->pending += weight;
}

void window_take_back(struct window *window, long long weight)
{
	window->pending -= weight;
}

/* Puts one entry where it belongs, which is nearly always at the end. */
static void insert(struct window *window, struct window_entry entry)
{
	size_t at = window->count;

	while (at > 0 && window->entries[at - 1].moment > entry.moment)
		at--;
	if (window->count < window->capacity) {
		memmove(window->entries + at + 1, window->entries + at,
			(window->count - at) * sizeof(entry));
		window->entries[at] = entry;
		window->count++;
	} else if (at > 0) { /* full: the oldest goes */
		memmove(window->entries, window->entries + 1, (at - 1) * sizeof(entry));
		window->entries[at - 1] = entry;
	}
}

void window_add(struct window *window, long long moment, unsigned long long number)
{
	insert(window, (struct window_entry){moment, number});
}

void window_settle(struct window *window, long long weight, long long moment,
		   unsigned long long number)
{
	window->pending -= weight;
	for (long long i = 0; i < weight; i++)
		window_add(window, moment, number);
}

void window_keep_own(struct window *window)
{
	size_t kept = 0;

	for (size_t i = 0; i < window->count; i++) {
		const struct window_entry entry = window->entries[i];
		size_t twin = kept;

		/* What is the same was put in together, and stands together or nearly so. */
		while (twin > 0 && window->entries[twin - 1].moment == entry.moment &&
		       window->entries[twin - 1].number != entry.number)
			twin--;
		if (entry.number != 0 &&
		    (twin == 0 || window->entries[twin - 1].number != entry.number))
			window->entries[kept++] = entry;
	}
	window->count = kept;
}

/* When one limit lets it. */
static long long limit_ready(const struct window *window, long long limit, long long span,
			     long long weight)
{
	const long long room = limit - window->pending - weight;

	if (room < 0)
		return WINDOW_NEVER;
	if ((size_t)room >= window->count)
		return 0;
	return window->entries[window->count - 1 - (size_t)room].moment + span;
}

long long window_ready(const struct window *window, const struct window_rates *rates,
		       long long weight, long long from)
{
	const long long second = limit_ready(window, rates->per_second, WINDOW_SECOND, weight);
	const long long minute = limit_ready(window, rates->per_minute, WINDOW_MINUTE, weight);
	const long long later = second > minute ? second : minute;

	return later > from ? later : from;
}

/* What is done, what is pending and what is planned, as one row by moment; the planned is last. */
struct row {
	const struct window *window;
	const long long *planned; /* moments */
	long long weight, now;
};

/* When the limit lets the planned one of this number. */
static long long planned_ready(const struct row *row, size_t number, long long limit,
			       long long span)
{
	const long long done = (long long)row->window->count;
	const long long before = done + row->window->pending + (long long)number * row->weight;
	const long long out = before + row->weight - 1 - limit; /* must have left the window */

	if (out < 0)
		return 0;
	if (out < done)
		return row->window->entries[out].moment + span;
	if (out < done + row->window->pending)
		return row->now + span;
	return row->planned[(out - done - row->window->pending) / row->weight] + span;
}

long long window_plan(const struct window *window, const struct window_rates *rates,
		      long long weight, size_t ahead, long long now)
{
	long long *planned = malloc((ahead + 1) * sizeof(*planned));
	const struct row row = {window, planned, weight, now};
	long long last = now;

	if (!planned)
		return -1;
	for (size_t i = 0; i <= ahead; i++) {
		const long long second = planned_ready(&row, i, rates->per_second, WINDOW_SECOND);
		const long long minute = planned_ready(&row, i, rates->per_minute, WINDOW_MINUTE);

		last = second > last ? second : last;
		last = minute > last ? minute : last;
		planned[i] = last;
	}
	free(planned);
	return last;
}
