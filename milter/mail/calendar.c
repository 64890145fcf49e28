#include "calendar.h"

#include "utf8.h"

#include <libical/ical.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* libical shares state between its callers (its errors, its time zones): one at a time. */
static pthread_mutex_t libical_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the text ---- */

#define NESTING_MAXIMUM 20
#define FOLD_WIDTH      75 /* octets, the CRLF not counted (RFC 5545, 3.1) */

/* Appends one line, folded at UTF-8 boundaries where it is too long. */
static void append_folded(struct buffer *out, struct span line)
{
	size_t width = FOLD_WIDTH;

	while (line.length > width) {
		size_t cut = width;

		while (cut > 1 && (line.at[cut] & 0xc0) == 0x80)
			cut--;
		buffer_append(out, line.at, cut);
		buffer_append_text(out, "\r\n ");
		line.at += cut;
		line.length -= cut;
		width = FOLD_WIDTH - 1;
	}
	buffer_append(out, line.at, line.length);
	buffer_append_text(out, "\r\n");
}

/* Cuts the next line off the front of `rest`: it ends in CRLF, LF or CR, which go. */
static struct span take_line(struct span *rest)
{
	struct span line = {rest->at, 0};
	size_t end;

	while (line.length < rest->length && rest->at[line.length] != '\n' &&
	       rest->at[line.length] != '\r')
		line.length++;
	end = line.length;
	if (end + 1 < rest->length && rest->at[end] == '\r' && rest->at[end + 1] == '\n')
		end++;
	if (end < rest->length)
		end++;
	rest->at += end;
	rest->length -= end;
	return line;
}

static bool begins_property(struct span line, const char *name)
{
	const size_t length = strlen(name);

	return line.length > length && strncasecmp(line.at, name, length) == 0 &&
	       (line.at[length] == ':' || line.at[length] == ';');
}

/* The components that are open, innermost last. */
struct nesting {
	struct span names[NESTING_MAXIMUM];
	size_t depth;
	size_t calendars; /* VCALENDARs that were begun at the top */
	bool complete;   /* the line before was a BEGIN, an END or empty: nothing goes on with it */
	bool has_method; /* the calendar has a METHOD, if only an empty one, which libical drops */
};

/* Follows one line; false, and why, if the components are not properly nested. */
static bool follow_line(struct nesting *nesting, struct span line, struct problem *why)
{
	const bool begins = line.length >= 6 && strncasecmp(line.at, "BEGIN:", 6) == 0;
	const bool ends = line.length >= 4 && strncasecmp(line.at, "END:", 4) == 0;
	struct span name = {line.at + (begins ? 6 : 4), line.length - (begins ? 6 : 4)};

	/* libical takes END;X=Y: for an END, other programs do not. */
	if (!begins && !ends && (begins_property(line, "BEGIN") || begins_property(line, "END"))) {
		problem_set(why, "a BEGIN or END in it has parameters");
		return false;
	}
	if (nesting->complete && line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t')) {
		problem_set(why, "a BEGIN, an END or an empty line in it is folded");
		return false;
	}
	nesting->complete = begins || ends || line.length == 0;
	nesting->has_method |= nesting->depth == 1 && begins_property(line, "METHOD");
	if (begins && nesting->depth < NESTING_MAXIMUM) {
		nesting->calendars += nesting->depth == 0;
		nesting->names[nesting->depth++] = name;
		return true;
	}
	if (begins || (nesting->depth == 0 && line.length > 0)) {
		problem_set(why, begins ? "its components are nested too deep"
					: "it has text outside the VCALENDAR");
		return false;
	}
	if (ends) {
		struct span begun = nesting->names[--nesting->depth];

		if (name.length != begun.length ||
		    strncasecmp(name.at, begun.at, name.length) != 0) {
			problem_set(why, "an END in it does not match its BEGIN");
			return false;
		}
	}
	return true;
}

/* Normalises line ends and folding into `out`; refuses what libical should not be asked about. */
static bool normalise(struct buffer *out, struct span text, bool *has_method, struct problem *why)
{
	struct nesting nesting = {.depth = 0};
	size_t unfolded = 0;
	struct span first;

	if (text.length == 0) {
		problem_set(why, "it is empty");
		return false;
	}
	if (text.length > CALENDAR_MAXIMUM) {
		problem_set(why, "it is larger than %zu bytes", CALENDAR_MAXIMUM);
		return false;
	}
	if (!utf8_valid(text.at, text.length) || memchr(text.at, '\0', text.length)) {
		problem_set(why, "it is not valid UTF-8 text");
		return false;
	}
	if (text.length >= 3 && memcmp(text.at, "\xef\xbb\xbf", 3) == 0) {
		text.at += 3;
		text.length -= 3;
	}
	text = span_trim(text);
	first = text;
	if (!span_is(take_line(&first), "BEGIN:VCALENDAR")) {
		problem_set(why, "it does not begin with BEGIN:VCALENDAR");
		return false;
	}
	while (text.length > 0) {
		struct span line = take_line(&text);
		bool continued = line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t');

		unfolded = continued ? unfolded + line.length : line.length;
		if (unfolded > CALENDAR_LINE_MAXIMUM) {
			problem_set(why, "it has a line of more than %zu bytes",
				    CALENDAR_LINE_MAXIMUM);
			return false;
		}
		if (!follow_line(&nesting, line, why))
			return false;
		append_folded(out, line);
	}
	if (nesting.depth != 0 || nesting.calendars != 1) {
		problem_set(why, nesting.calendars > 1 ? "it holds more than one VCALENDAR"
						       : "it ends in the middle of a component");
		return false;
	}
	*has_method = nesting.has_method;
	return true;
}

/* Puts METHOD:CANCEL behind VERSION and its folded lines, or behind BEGIN:VCALENDAR without one. */
static void insert_method(struct buffer *text)
{
	static const char method[] = "METHOD:CANCEL\r\n";
	struct buffer result = buffer_with_maximum(text->maximum);
	struct span rest = {text->data, text->length};
	size_t at = 0;
	bool in_version = false;

	while (rest.length > 0) {
		struct span line = take_line(&rest);
		bool continued = line.length > 0 && (line.at[0] == ' ' || line.at[0] == '\t');

		if (in_version && !continued)
			break;
		in_version |= begins_property(line, "VERSION");
		if (at == 0 || in_version)
			at = (size_t)(rest.at - text->data);
		else if (begins_property(line, "BEGIN"))
			break;
	}
	buffer_append(&result, text->data, at);
	buffer_append(&result, method, sizeof(method) - 1);
	buffer_append(&result, text->data + at, text->length - at);
	buffer_free(text);
	*text = result;
}

/* ---- the checks ---- */

static void warn(struct calendar *calendar, const char *text)
{
	size_t used = strlen(calendar->warning.text);

	snprintf(calendar->warning.text + used, sizeof(calendar->warning.text) - used, "%s%s",
		 used > 0 ? "; " : "", text);
}

static bool has_property(icalcomponent *component, icalproperty_kind kind)
{
	return icalcomponent_get_first_property(component, kind) != NULL;
}

/* Is the calendar address a mailto: of this address (RFC 5545, 3.3.3)? */
static bool is_address(const char *calendar_address, const char *address)
{
	static const char scheme[] = "mailto:";

	return calendar_address && strncasecmp(calendar_address, scheme, sizeof(scheme) - 1) == 0 &&
	       strcasecmp(calendar_address + sizeof(scheme) - 1, address) == 0;
}

static bool check_method(icalcomponent *root, bool has_method, struct problem *why)
{
	icalproperty *property = icalcomponent_get_first_property(root, ICAL_METHOD_PROPERTY);
	char *method, shown[64] = "empty";

	if (!has_method)
		return true;
	if (!property || icalproperty_get_method(property) != ICAL_METHOD_CANCEL) {
		method = property ? icalproperty_get_value_as_string_r(property) : NULL;
		if (method)
			problem_quote(shown, sizeof(shown), method, strlen(method));
		icalmemory_free_buffer(method);
		problem_set(why, "its METHOD is %s, not CANCEL", shown);
		return false;
	}
	if (icalcomponent_get_next_property(root, ICAL_METHOD_PROPERTY)) {
		problem_set(why, "it has two METHODs");
		return false;
	}
	return true;
}

/* RFC 5546, 3.2.5: what a cancellation is made of, and that it is about one event. */
static bool check_events(struct calendar *calendar, icalcomponent *root, struct problem *why)
{
	const char *uid = NULL;

	for (icalcomponent *component = icalcomponent_get_first_component(root, ICAL_ANY_COMPONENT);
	     component; component = icalcomponent_get_next_component(root, ICAL_ANY_COMPONENT)) {
		icalcomponent_kind kind = icalcomponent_isa(component);
		const char *own;

		if (kind == ICAL_VTODO_COMPONENT || kind == ICAL_VJOURNAL_COMPONENT) {
			problem_set(why, "it holds a VTODO or VJOURNAL");
			return false;
		}
		if (kind != ICAL_VEVENT_COMPONENT)
			continue;
		own = icalcomponent_get_uid(component);
		if (!own || !own[0]) {
			problem_set(why, "an event in it has no UID");
			return false;
		}
		if (uid && strcmp(uid, own) != 0) {
			problem_set(why, "it is about events with different UIDs");
			return false;
		}
		uid = own;
	}
	if (!uid) {
		problem_set(why, "it holds no VEVENT");
		return false;
	}
	snprintf(calendar->uid, sizeof(calendar->uid), "%s", uid);
	return true;
}

static void check_time_zones(struct calendar *calendar, icalcomponent *root, icalcomponent *event)
{
	for (icalproperty *property = icalcomponent_get_first_property(event, ICAL_ANY_PROPERTY);
	     property; property = icalcomponent_get_next_property(event, ICAL_ANY_PROPERTY)) {
		icalparameter *zone =
			icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER);

		if (zone && !icalcomponent_get_timezone(root, icalparameter_get_tzid(zone))) {
			warn(calendar, "a TZID has no VTIMEZONE");
			return;
		}
	}
}

static bool has_attendee(icalcomponent *event, const char *recipient)
{
	for (icalproperty *property =
		     icalcomponent_get_first_property(event, ICAL_ATTENDEE_PROPERTY);
	     property; property = icalcomponent_get_next_property(event, ICAL_ATTENDEE_PROPERTY))
		if (is_address(icalproperty_get_attendee(property), recipient))
			return true;
	return false;
}

/* What a program may stumble over; each finding is named once, for the first event that has it. */
static void find_warnings(struct calendar *calendar, icalcomponent *root, const char *recipient,
			  const char *from)
{
	icalcomponent *event = icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT);
	icalproperty *property;

	if (!has_property(root, ICAL_PRODID_PROPERTY))
		warn(calendar, "no PRODID");
	if (!has_property(root, ICAL_VERSION_PROPERTY))
		warn(calendar, "no VERSION");
	if (!has_property(event, ICAL_DTSTAMP_PROPERTY))
		warn(calendar, "no DTSTAMP");
	property = icalcomponent_get_first_property(event, ICAL_STATUS_PROPERTY);
	if (property && icalproperty_get_status(property) != ICAL_STATUS_CANCELLED)
		warn(calendar, "STATUS is not CANCELLED");
	property = icalcomponent_get_first_property(event, ICAL_SEQUENCE_PROPERTY);
	if (property)
		snprintf(calendar->sequence, sizeof(calendar->sequence), "%d",
			 icalproperty_get_sequence(property));
	else
		warn(calendar, "no SEQUENCE");
	property = icalcomponent_get_first_property(event, ICAL_ORGANIZER_PROPERTY);
	if (!property)
		warn(calendar, "no ORGANIZER");
	else if (from && !is_address(icalproperty_get_organizer(property), from))
		warn(calendar, "From is not the ORGANIZER");
	if (recipient && !has_attendee(event, recipient))
		warn(calendar, "no ATTENDEE is the recipient");
	check_time_zones(calendar, root, event);
}

bool calendar_accept(struct calendar *calendar, struct span text, const char *recipient,
		     const char *from, struct problem *why)
{
	icalcomponent *root = NULL;
	bool good = false, has_method = false;

	*calendar = (struct calendar){.text = buffer_with_maximum(2 * CALENDAR_MAXIMUM)};
	if (!normalise(&calendar->text, text, &has_method, why))
		return false;
	if (calendar->text.failed) {
		problem_set(why, "no memory for it");
		return false;
	}

	pthread_mutex_lock(&libical_lock);
	icalerror_set_errors_are_fatal(0);
	root = icalparser_parse_string(calendar->text.data);
	if (!root || icalcomponent_isa(root) != ICAL_VCALENDAR_COMPONENT)
		problem_set(why, "it cannot be parsed as one VCALENDAR");
	else
		good = check_method(root, has_method, why) && check_events(calendar, root, why);
	if (good)
		find_warnings(calendar, root, recipient, from);
	if (root)
		icalcomponent_free(root);
	pthread_mutex_unlock(&libical_lock);

	if (good && !has_method)
		insert_method(&calendar->text);
	if (good && calendar->text.failed) {
		problem_set(why, "no memory for it");
		return false;
	}
	return good;
}

void calendar_free(struct calendar *calendar)
{
	buffer_free(&calendar->text);
}
