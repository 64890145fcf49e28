/*
 * attach: a calendar into one message. The body goes in piece by piece while its shape is looked at,
 * waits in a spool, and comes out with the calendar inserted.
 *
 * Calls come in the order begin, add, check, calendar, write. What fails for want of memory, disk or
 * randomness is a problem that is ours (problem_cannot_tell). One thread at a time.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "header_edits.h"
#include "headers.h"
#include "mime.h"
#include "problem.h"
#include "rewrite.h"
#include "spool.h"

#include <stdbool.h>
#include <stddef.h>

struct attach {
	const struct headers *headers; /* the message's, complete; the caller's */
	struct mime_scanner *scanner;  /* NULL: not begun */
	struct spool body;
	struct mime_plan plan;  /* after attach_check() */
	struct rewrite rewrite; /* after attach_calendar() */
	bool has_calendar;
};

/*
 * `memory` bytes of the body are kept in memory, the rest in a file without a name in `directory`,
 * which is the caller's. attach_free() in any case.
 */
bool attach_begin(struct attach *attach, const struct headers *headers, size_t memory,
		  const char *directory, struct problem *why);

bool attach_add(struct attach *attach, const char *data, size_t length, struct problem *why);

/* The body is complete. False, and why, if this message cannot take a calendar. */
bool attach_check(struct attach *attach, struct problem *why);

/*
 * Puts in the calendar, a text as calendar_accept() gives it, and the headers that change with it
 * among the edits; the tags, whose name is `tag`, go.
 */
bool attach_calendar(struct attach *attach, struct span calendar, const char *tag,
		     struct header_edits *edits, struct problem *why);

/* Writes the new body. False, and why, if it was not taken or cannot be read back. */
bool attach_write(struct attach *attach, rewrite_writer *write, void *context, struct problem *why);

void attach_free(struct attach *attach);

#endif
