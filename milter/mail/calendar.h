/*
 * calendar: is this iCalendar text a cancellation that may be sent (RFC 5545, 5546)?
 *
 * The text stays Cronofy's: line ends become CRLF, long lines are folded, a byte order mark goes,
 * a missing METHOD is put in; no property is changed. Safe to call from several threads.
 */
#ifndef CALENDAR_H
#define CALENDAR_H

#include "buffer.h"
#include "span.h"
#include "problem.h"

#include <stdbool.h>

#define CALENDAR_MAXIMUM      ((size_t)1024 * 1024) /* bytes; libical takes its time over more */
#define CALENDAR_LINE_MAXIMUM ((size_t)64 * 1024)

struct calendar {
	struct buffer text;     /* what goes into the message, UTF-8 */
	char uid[256];          /* of its events; cut if longer */
	char sequence[16];      /* "" if it has none */
	struct problem warning; /* what may keep a program from acting on it; "" if nothing */
};

/*
 * Checks `text`. `recipient` and `from` are addresses (or NULL: not known) that an ATTENDEE and the
 * ORGANIZER are compared with. False, and why, if the text is no calendar that may be sent: the
 * fault is then its maker's. calendar_free() in any case.
 */
bool calendar_accept(struct calendar *calendar, struct span text, const char *recipient,
		     const char *from, struct problem *why);

void calendar_free(struct calendar *calendar);

#endif
