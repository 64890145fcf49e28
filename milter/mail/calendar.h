/*
 * calendar: is this iCalendar text a cancellation that may be sent (RFC 5545, 5546)?
 *
 * calendar_rules.h is the table of what is looked for. Our own reader decides; then libical, the one
 * library that knows the values too, has to read the same METHOD and UID.
 *
 * The text stays Cronofy's: no property is changed or written anew. What is done to it: a byte order
 * mark goes, lines end in CRLF and are folded at 75 octets between characters, and what the table
 * calls mended is.
 */
#ifndef CALENDAR_H
#define CALENDAR_H

#include "buffer.h"
#include "ical_reader.h"
#include "problem.h"
#include "span.h"

#include <stdbool.h>

#define CALENDAR_MAXIMUM ICAL_TEXT_MAXIMUM /* bytes */

struct calendar {
	struct buffer text;     /* what goes into the message, UTF-8 */
	char uid[256];          /* of its events; cut if longer */
	char sequence[16];      /* "" if it has none */
	bool says_cancel;       /* METHOD:CANCEL stood in it, and did not have to be put in */
	bool names_recipient;   /* the one that was asked about is an ATTENDEE */
	struct problem warning; /* what may keep a program from acting on it; "" if nothing */
	struct problem mended;  /* what was put right; "" if nothing */
};

/*
 * Another thread is at libical, which takes one at a time and never long. Waits a moment; false to
 * wait no longer.
 */
typedef bool calendar_wait(void *context);

struct calendar_question {
	const char *recipient, *from; /* addresses that an ATTENDEE and the ORGANIZER are compared
					 with; NULL: not known */
	calendar_wait *wait;          /* NULL: waits as long as it takes */
	void *context;                /* wait's */
};

/*
 * Checks `text`. False, and why, if it is no calendar that may be sent: its maker's fault, unless the
 * problem is that we cannot tell. Safe to call from several threads. calendar_free() in any case.
 */
bool calendar_accept(struct calendar *calendar, struct span text,
		     const struct calendar_question *question, struct problem *why);

void calendar_free(struct calendar *calendar);

#endif
