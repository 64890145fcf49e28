/* What a calendar is looked at for: the table. */
#include "calendar_rules.h"

#include <stdio.h>
#include <string.h>

static const struct calendar_rule_row rows[CALENDAR_RULES] = {
	[RULE_EMPTY] = {CALENDAR_REFUSED, "it is empty"},
	[RULE_TOO_LARGE] = {CALENDAR_REFUSED, "it is larger than 1048576 bytes"},
	[RULE_NUL] = {CALENDAR_REFUSED, "a NUL in it"},
	[RULE_NOT_UTF8] = {CALENDAR_REFUSED, "it is not valid UTF-8"},
	[RULE_LONE_CR] = {CALENDAR_REFUSED, "a CR without LF in it"},
	[RULE_EMPTY_LINES] = {CALENDAR_MENDED, "empty lines dropped"},
	[RULE_CONTROL] = {CALENDAR_MENDED, "control characters dropped"},
	[RULE_CONTROL_IN_NAMES] = {CALENDAR_REFUSED,
				   "a control character in METHOD, UID, RECURRENCE-ID, SEQUENCE, "
				   "ORGANIZER or ATTENDEE"},
	[RULE_NO_CONTENT_LINE] = {CALENDAR_REFUSED,
				  "a line in it is not name;parameters:value (RFC 5545, 3.1)"},
	[RULE_MANY_PARAMETERS] = {CALENDAR_REFUSED, "a line in it has more than 50 parameters"},
	[RULE_MANY_LINES] = {CALENDAR_REFUSED, "it has more than 10000 lines"},
	[RULE_NO_VCALENDAR] = {CALENDAR_REFUSED, "it does not begin with BEGIN:VCALENDAR"},
	[RULE_TWO_VCALENDARS] = {CALENDAR_REFUSED, "it holds more than one VCALENDAR"},
	[RULE_OUTSIDE] = {CALENDAR_REFUSED, "it has text outside the VCALENDAR"},
	[RULE_BEGIN_MALFORMED] = {CALENDAR_REFUSED,
				  "a BEGIN or END in it has parameters or names no component"},
	[RULE_END_UNMATCHED] = {CALENDAR_REFUSED, "an END in it does not match its BEGIN"},
	[RULE_TRUNCATED] = {CALENDAR_REFUSED, "it ends in the middle of a component"},
	[RULE_DEEP] = {CALENDAR_REFUSED, "its components are nested deeper than 20"},
	[RULE_MANY_COMPONENTS] = {CALENDAR_REFUSED, "it has more than 1000 components"},
	[RULE_OTHER_COMPONENT] = {CALENDAR_REFUSED, "it holds a VTODO or VJOURNAL"},
	[RULE_INNER_EVENT] = {CALENDAR_REFUSED, "it holds a VEVENT inside another component"},
	[RULE_NO_EVENT] = {CALENDAR_REFUSED, "it holds no VEVENT"},
	[RULE_METHOD_TWICE] = {CALENDAR_REFUSED, "it has two METHODs"},
	[RULE_METHOD_OTHER] = {CALENDAR_REFUSED, "its METHOD is not CANCEL"},
	[RULE_METHOD_MISSING] = {CALENDAR_MENDED, "METHOD:CANCEL put in"},
	[RULE_METHOD_MISPLACED] = {CALENDAR_MENDED, "METHOD:CANCEL put in front of the events"},
	[RULE_UID_MISSING] = {CALENDAR_REFUSED, "an event in it has no UID"},
	[RULE_UID_TWICE] = {CALENDAR_REFUSED, "an event in it has two UIDs"},
	[RULE_UID_LONG] = {CALENDAR_REFUSED, "a UID in it is longer than 1024 bytes"},
	[RULE_UIDS_DIFFER] = {CALENDAR_REFUSED, "it is about events with different UIDs"},
	[RULE_RECURRENCE_TWICE] = {CALENDAR_REFUSED, "an event in it has two RECURRENCE-IDs"},
	[RULE_LIBICAL] = {CALENDAR_REFUSED, "libical reads it in another way"},
	[RULE_NO_PRODID] = {CALENDAR_WARNED, "no PRODID"},
	[RULE_NO_VERSION] = {CALENDAR_WARNED, "no VERSION"},
	[RULE_NO_DTSTAMP] = {CALENDAR_WARNED, "no DTSTAMP"},
	[RULE_NO_SEQUENCE] = {CALENDAR_WARNED, "no SEQUENCE"},
	[RULE_SEQUENCE_NO_NUMBER] = {CALENDAR_WARNED, "SEQUENCE is no number"},
	[RULE_NO_ORGANIZER] = {CALENDAR_WARNED, "no ORGANIZER"},
	[RULE_PROPERTY_TWICE] = {CALENDAR_WARNED,
				 "an event has two of DTSTAMP, SEQUENCE, STATUS or ORGANIZER"},
	[RULE_STATUS] = {CALENDAR_WARNED, "STATUS is not CANCELLED"},
	[RULE_NOT_FROM_ORGANIZER] = {CALENDAR_WARNED, "From is not the ORGANIZER"},
	[RULE_NOT_AN_ATTENDEE] = {CALENDAR_WARNED, "no ATTENDEE is the recipient"},
	[RULE_NO_TIME_ZONE] = {CALENDAR_WARNED, "a TZID has no VTIMEZONE"},
};

const struct calendar_rule_row *calendar_rule_row(enum calendar_rule rule)
{
	return &rows[rule];
}

bool calendar_rule_break(struct problem *why, enum calendar_rule rule, size_t line)
{
	if (line > 0)
		problem_set(why, "%s (line %zu)", rows[rule].text, line);
	else
		problem_set(why, "%s", rows[rule].text);
	return false;
}

void calendar_rule_note(struct problem *list, enum calendar_rule rule)
{
	const size_t used = strlen(list->text);

	snprintf(list->text + used, sizeof(list->text) - used, "%s%s", used > 0 ? "; " : "",
		 rows[rule].text);
}
