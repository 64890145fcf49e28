/* What a calendar says, and which rules it breaks. */
#include "calendar_facts.h"

#include "hex.h"

#include <string.h>
#include <strings.h>

/* Thousands of zones against thousands of uses are no calendar of anybody: it is only a warning. */
#define ZONE_COMPARISONS 100000

static const char *const property_names[CALENDAR_PROPERTIES] = {
	[CALENDAR_UID] = "UID",         [CALENDAR_RECURRENCE_ID] = "RECURRENCE-ID",
	[CALENDAR_DTSTAMP] = "DTSTAMP", [CALENDAR_SEQUENCE] = "SEQUENCE",
	[CALENDAR_STATUS] = "STATUS",   [CALENDAR_ORGANIZER] = "ORGANIZER",
};

struct calendar_facts calendar_facts_new(const char *recipient, const char *from)
{
	return (struct calendar_facts){
		.recipient = recipient,
		.from = from,
		.zones = buffer_with_maximum(ICAL_TEXT_MAXIMUM),
		.used_zones = buffer_with_maximum(ICAL_TEXT_MAXIMUM),
	};
}

void calendar_facts_free(struct calendar_facts *facts)
{
	buffer_free(&facts->zones);
	buffer_free(&facts->used_zones);
}

/* ---- addresses ---- */

/* The next character of a URI, a %XX decoded (RFC 3986, 2.1). */
static char take_uri_character(struct span *uri)
{
	char c = uri->at[0];

	if (c == '%' && uri->length >= 3 && hex_byte(uri->at + 1) > 0) {
		c = (char)hex_byte(uri->at + 1);
		span_advance(uri, 2);
	}
	span_advance(uri, 1);
	return c;
}

/* Is it a mailto: of this address (RFC 5545, 3.3.3; RFC 6068)? */
static bool is_mailto(struct span uri, const char *address)
{
	static const char scheme[] = "mailto:";

	uri = span_trim(uri);
	if (uri.length < sizeof(scheme) - 1 || strncasecmp(uri.at, scheme, sizeof(scheme) - 1) != 0)
		return false;
	span_advance(&uri, sizeof(scheme) - 1);
	while (uri.length > 0 && uri.at[0] != '?' && *address) {
		const char c[] = {take_uri_character(&uri), '\0'}, other[] = {*address++, '\0'};

		if (strcasecmp(c, other) != 0)
			return false;
	}
	return !*address && (uri.length == 0 || uri.at[0] == '?');
}

static bool find_parameter(const struct ical_line *line, const char *wanted, struct span *value)
{
	struct span rest = line->parameters, name;

	while (ical_next_parameter(&rest, &name, value))
		if (span_is(name, wanted))
			return true;
	return false;
}

/* By its value or, where that is another URI, by EMAIL= (RFC 7986, 6.2). */
static bool is_user(const struct ical_line *line, const char *address)
{
	struct span email;

	return is_mailto(line->value, address) ||
	       (find_parameter(line, "EMAIL", &email) && span_is(span_trim(email), address));
}

/* ---- properties ---- */

/* A time zone that is everybody's needs no VTIMEZONE: /... (RFC 5545, 3.2.19). */
static void take_zone(struct buffer *zones, struct span zone)
{
	if (zone.length == 0 || zone.at[0] == '/')
		return;
	buffer_append(zones, zone.at, zone.length);
	buffer_append(zones, "", 1);
}

static bool take_uid(struct calendar_facts *facts, struct span uid, size_t number,
		     struct problem *why)
{
	uid = span_trim(uid);
	if (uid.length == 0)
		return calendar_rule_break(why, RULE_UID_MISSING, number);
	if (uid.length > CALENDAR_UID_MAXIMUM)
		return calendar_rule_break(why, RULE_UID_LONG, number);
	if (facts->uid[0] && !span_equals(uid, span_of_text(facts->uid)))
		return calendar_rule_break(why, RULE_UIDS_DIFFER, number);
	memcpy(facts->uid, uid.at, uid.length);
	facts->uid[uid.length] = '\0';
	return true;
}

static void take_sequence(struct calendar_facts *facts, struct span text)
{
	bool number = text.length > 0 && text.length < 11;

	for (size_t i = 0; i < text.length; i++)
		number &= text.at[i] >= '0' && text.at[i] <= '9';
	if (!number) {
		facts->broken[RULE_SEQUENCE_NO_NUMBER] = true;
	} else if (facts->events == 1) {
		memcpy(facts->sequence, text.at, text.length);
		facts->sequence[text.length] = '\0';
	}
}

/* One of the properties that come once; each time it comes. */
static bool take_single_property(struct calendar_facts *facts, enum calendar_property property,
				 const struct ical_line *line, size_t number, struct problem *why)
{
	if (++facts->seen[property] > 1) {
		if (property == CALENDAR_UID)
			return calendar_rule_break(why, RULE_UID_TWICE, number);
		if (property == CALENDAR_RECURRENCE_ID)
			return calendar_rule_break(why, RULE_RECURRENCE_TWICE, number);
		facts->broken[RULE_PROPERTY_TWICE] = true;
	}
	switch (property) {
	case CALENDAR_UID:
		return take_uid(facts, line->value, number, why);
	case CALENDAR_SEQUENCE:
		take_sequence(facts, span_trim(line->value));
		break;
	case CALENDAR_STATUS:
		facts->broken[RULE_STATUS] |= !span_is(span_trim(line->value), "CANCELLED");
		break;
	case CALENDAR_ORGANIZER:
		facts->broken[RULE_NOT_FROM_ORGANIZER] |=
			facts->from && !is_user(line, facts->from);
		break;
	default:
		break;
	}
	return true;
}

static bool take_event_property(struct calendar_facts *facts, const struct ical_line *line,
				size_t number, struct problem *why)
{
	struct span zone;

	if (find_parameter(line, "TZID", &zone))
		take_zone(&facts->used_zones, zone);
	if (span_is(line->name, "ATTENDEE"))
		facts->recipient_attends |= facts->recipient && is_user(line, facts->recipient);
	for (size_t i = 0; i < CALENDAR_PROPERTIES; i++)
		if (span_is(line->name, property_names[i]))
			return take_single_property(facts, (enum calendar_property)i, line, number,
						    why);
	return true;
}

static bool take_method(struct calendar_facts *facts, const struct ical_line *line, size_t number,
			struct problem *why)
{
	const struct span method = span_trim(line->value);
	char shown[64];

	if (!span_is(method, "CANCEL")) {
		problem_set(why, "%s but %s (line %zu)", calendar_rule_row(RULE_METHOD_OTHER)->text,
			    method.length > 0
				    ? problem_quote(shown, sizeof(shown), method.at, method.length)
				    : "empty",
			    number);
		return false;
	}
	if (++facts->methods > 1)
		return calendar_rule_break(why, RULE_METHOD_TWICE, number);
	return true;
}

/* Where a character that is dropped makes another event of it, or another person. */
static bool names_something(struct span name)
{
	static const char *const names[] = {"METHOD",   "UID",       "RECURRENCE-ID",
					    "SEQUENCE", "ORGANIZER", "ATTENDEE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_is(name, names[i]))
			return true;
	return false;
}

static bool take_property(struct calendar_facts *facts, const struct ical_line *line, size_t number,
			  struct problem *why)
{
	if (line->had_control && names_something(line->name))
		return calendar_rule_break(why, RULE_CONTROL_IN_NAMES, number);
	facts->broken[RULE_CONTROL] |= line->had_control;
	if (span_is(line->name, "METHOD"))
		return take_method(facts, line, number, why);
	if (line->depth == 1) {
		facts->has_prodid |= span_is(line->name, "PRODID");
		facts->has_version |= span_is(line->name, "VERSION");
	} else if (strcasecmp(line->component, "VEVENT") == 0) {
		return take_event_property(facts, line, number, why);
	} else if (strcasecmp(line->component, "VTIMEZONE") == 0 && span_is(line->name, "TZID")) {
		take_zone(&facts->zones, span_trim(line->value));
	}
	return true;
}

/* ---- components ---- */

static bool begin_component(struct calendar_facts *facts, const struct ical_line *line,
			    size_t number, struct problem *why)
{
	if (span_is(line->value, "VTODO") || span_is(line->value, "VJOURNAL"))
		return calendar_rule_break(why, RULE_OTHER_COMPONENT, number);
	if (!span_is(line->value, "VEVENT"))
		return true;
	if (line->depth != 2)
		return calendar_rule_break(why, RULE_INNER_EVENT, number);
	facts->events++;
	memset(facts->seen, 0, sizeof(facts->seen));
	return true;
}

static bool end_event(struct calendar_facts *facts, size_t number, struct problem *why)
{
	if (facts->seen[CALENDAR_UID] == 0)
		return calendar_rule_break(why, RULE_UID_MISSING, number);
	facts->broken[RULE_NO_DTSTAMP] |= facts->seen[CALENDAR_DTSTAMP] == 0;
	facts->broken[RULE_NO_SEQUENCE] |= facts->seen[CALENDAR_SEQUENCE] == 0;
	facts->broken[RULE_NO_ORGANIZER] |= facts->seen[CALENDAR_ORGANIZER] == 0;
	return true;
}

bool calendar_facts_take(struct calendar_facts *facts, const struct ical_line *line, size_t number,
			 struct problem *why)
{
	switch (line->kind) {
	case ICAL_LINE_BEGIN:
		return begin_component(facts, line, number, why);
	case ICAL_LINE_END:
		return !span_is(line->value, "VEVENT") || end_event(facts, number, why);
	default:
		return take_property(facts, line, number, why);
	}
}

/* Once there are no comparisons left, everything counts as listed. */
static bool is_listed(const struct buffer *zones, const char *zone, size_t *comparisons)
{
	const char *const end = buffer_span(zones).at + zones->length;

	for (const char *at = buffer_span(zones).at; at < end; at += strlen(at) + 1) {
		if (*comparisons == 0 || strcmp(at, zone) == 0)
			return true;
		(*comparisons)--;
	}
	return false;
}

static void check_zones(struct calendar_facts *facts)
{
	const char *const end = buffer_span(&facts->used_zones).at + facts->used_zones.length;
	const char *last = "";
	size_t comparisons = ZONE_COMPARISONS;

	for (const char *at = buffer_span(&facts->used_zones).at; at < end; at += strlen(at) + 1) {
		if (strcmp(at, last) != 0 && !is_listed(&facts->zones, at, &comparisons)) {
			facts->broken[RULE_NO_TIME_ZONE] = true;
			return;
		}
		last = at;
	}
}

bool calendar_facts_finish(struct calendar_facts *facts, struct problem *why)
{
	if (facts->events == 0)
		return calendar_rule_break(why, RULE_NO_EVENT, 0);
	if (facts->zones.failed || facts->used_zones.failed) {
		problem_cannot_tell(why, "no memory for the calendar");
		return false;
	}
	facts->broken[RULE_METHOD_MISSING] = facts->methods == 0;
	facts->broken[RULE_NO_PRODID] = !facts->has_prodid;
	facts->broken[RULE_NO_VERSION] = !facts->has_version;
	facts->broken[RULE_NOT_AN_ATTENDEE] = facts->recipient && !facts->recipient_attends;
	check_zones(facts);
	return true;
}
