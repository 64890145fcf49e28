/*
 * calendar_rules: what a calendar is looked at for, and what follows. The one table; the manual's
 * is compared with it by a test.
 */
#ifndef CALENDAR_RULES_H
#define CALENDAR_RULES_H

#include "problem.h"

enum calendar_rule {
	/* its bytes */
	RULE_EMPTY,
	RULE_TOO_LARGE,
	RULE_NUL,
	RULE_NOT_UTF8,
	RULE_LONE_CR,
	RULE_EMPTY_LINES,
	RULE_CONTROL,
	RULE_CONTROL_IN_NAMES,
	/* its lines */
	RULE_NO_CONTENT_LINE,
	RULE_MANY_PARAMETERS,
	RULE_MANY_LINES,
	/* its components */
	RULE_NO_VCALENDAR,
	RULE_TWO_VCALENDARS,
	RULE_OUTSIDE,
	RULE_BEGIN_MALFORMED,
	RULE_END_UNMATCHED,
	RULE_TRUNCATED,
	RULE_DEEP,
	RULE_MANY_COMPONENTS,
	RULE_OTHER_COMPONENT,
	RULE_INNER_EVENT,
	RULE_NO_EVENT,
	/* what it cancels */
	RULE_METHOD_TWICE,
	RULE_METHOD_OTHER,
	RULE_METHOD_MISSING,
	RULE_METHOD_MISPLACED,
	RULE_UID_MISSING,
	RULE_UID_TWICE,
	RULE_UID_LONG,
	RULE_UIDS_DIFFER,
	RULE_RECURRENCE_TWICE,
	RULE_LIBICAL,
	/* what programs may stumble over */
	RULE_NO_PRODID,
	RULE_NO_VERSION,
	RULE_NO_DTSTAMP,
	RULE_NO_SEQUENCE,
	RULE_SEQUENCE_NO_NUMBER,
	RULE_NO_ORGANIZER,
	RULE_PROPERTY_TWICE,
	RULE_STATUS,
	RULE_NOT_FROM_ORGANIZER,
	RULE_NOT_AN_ATTENDEE,
	RULE_NO_TIME_ZONE,
	CALENDAR_RULES
};

enum calendar_effect {
	CALENDAR_REFUSED, /* Cronofy's fault: the calendar is not sent */
	CALENDAR_WARNED,  /* sent; some programs may not act on it. strict_calendar: not sent */
	CALENDAR_MENDED,  /* sent, after the fault was put right */
};

struct calendar_rule_row {
	enum calendar_effect effect;
	const char *text; /* "it ..." as errors and the log say it; of one line */
};

const struct calendar_rule_row *calendar_rule_row(enum calendar_rule rule);

/* Fills the problem with the rule's text and, if `line` is not 0, where that is. Gives false. */
bool calendar_rule_break(struct problem *why, enum calendar_rule rule, size_t line);

/* Adds the rule's text to a list of them. */
void calendar_rule_note(struct problem *list, enum calendar_rule rule);

#endif
