/*
 * calendar_facts: what a calendar says: METHOD, UID, RECURRENCE-ID, SEQUENCE, STATUS, ORGANIZER,
 * ATTENDEE, DTSTAMP, PRODID, and which rules it breaks (RFC 5545; 5546, 3.2.5; 7986, 6.2).
 *
 * It is given one content line after the other, as ical_reader reads them. Pure.
 */
#ifndef CALENDAR_FACTS_H
#define CALENDAR_FACTS_H

#include "buffer.h"
#include "calendar_rules.h"
#include "ical_reader.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define CALENDAR_UID_MAXIMUM 1024 /* bytes */

/* The properties of an event that come once. */
enum calendar_property {
	CALENDAR_UID,
	CALENDAR_RECURRENCE_ID,
	CALENDAR_DTSTAMP,
	CALENDAR_SEQUENCE,
	CALENDAR_STATUS,
	CALENDAR_ORGANIZER,
	CALENDAR_PROPERTIES
};

struct calendar_facts {
	const char *recipient, *from; /* addresses to compare with; NULL: not known */

	size_t methods;
	size_t events;
	char uid[CALENDAR_UID_MAXIMUM + 1]; /* of all events, as it stands: escapes are escapes */
	char sequence[16];                  /* of the first event; "" if it has none */
	bool broken[CALENDAR_RULES];        /* rules that warn or mend */

	bool has_prodid, has_version;
	size_t seen[CALENDAR_PROPERTIES]; /* in the event that is being read */
	bool recipient_attends;
	struct buffer zones;      /* the TZIDs of VTIMEZONEs, each with its NUL */
	struct buffer used_zones; /* the TZIDs that events name */
};

struct calendar_facts calendar_facts_new(const char *recipient, const char *from);

/* The next line, which is number `number`. False, and why, if the calendar is not to be sent. */
bool calendar_facts_take(struct calendar_facts *facts, const struct ical_line *line, size_t number,
			 struct problem *why);

/* There are no more lines. False, and why, if the calendar is not to be sent. */
bool calendar_facts_finish(struct calendar_facts *facts, struct problem *why);

void calendar_facts_free(struct calendar_facts *facts);

#endif
