/* Is this a cancellation that may be sent? The one room of libical. */
#include "calendar.h"

#include "calendar_facts.h"
#include "calendar_rules.h"

#include <libical/ical.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* libical shares state between its callers (its errors, its time zones): one at a time. */
static pthread_mutex_t libical_lock = PTHREAD_MUTEX_INITIALIZER;

#define FOLD_WIDTH 75 /* octets, the CRLF not counted (RFC 5545, 3.1) */
#define JUDGED_LINE_LENGTH                                                                         \
	2000 /* octets; libical's time grows with the square of a line's length */
#define JUDGED_PARAMETERS  10   /* in one line; each costs libical as much as a line */

/* ---- the text that is sent ---- */

static const char method_line[] = "METHOD:CANCEL\r\n";

/* Appends one content line, folded between characters where it is too long. */
static void append_folded(struct buffer *out, struct span line)
{
	size_t width = FOLD_WIDTH;

	while (line.length > width) {
		size_t cut = width;

		while ((line.at[cut] & 0xc0) == 0x80)
			cut--;
		buffer_append(out, line.at, cut);
		buffer_append_text(out, "\r\n ");
		span_advance(&line, cut);
		width = FOLD_WIDTH - 1;
	}
	buffer_append(out, line.at, line.length);
	buffer_append_text(out, "\r\n");
}

/* A calendar that is being read. */
struct work {
	struct ical_reader reader;
	struct calendar_facts facts;
	struct buffer text;   /* that is sent */
	struct buffer judged; /* that libical is given: as `text`, unfolded, without long lines */
	size_t text_place;    /* where a METHOD belongs in `text`: behind VERSION */
	size_t judged_place;
	bool in_front; /* no component has begun inside the calendar */
};

/* What takes libical long is left out; a METHOD or UID written so it then does not find. */
static bool is_for_libical(const struct ical_line *line)
{
	size_t parameters = 0;

	for (size_t i = 0; i < line->parameters.length; i++)
		parameters += line->parameters.at[i] == ';';
	return line->whole.length <= JUDGED_LINE_LENGTH && parameters <= JUDGED_PARAMETERS;
}

static void write_line(struct work *work, const struct ical_line *line)
{
	append_folded(&work->text, line->whole);
	if (is_for_libical(line)) {
		buffer_append(&work->judged, line->whole.at, line->whole.length);
		buffer_append_text(&work->judged, "\r\n");
	}
	if (line->depth == 1 &&
	    (line->kind == ICAL_LINE_BEGIN || (work->in_front && span_is(line->name, "VERSION")))) {
		work->text_place = work->text.length;
		work->judged_place = work->judged.length;
	}
}

static bool take_line(struct work *work, const struct ical_line *line, struct problem *why)
{
	if (!calendar_facts_take(&work->facts, line, work->reader.first_number, why))
		return false;
	work->in_front &= line->depth < 2;
	/* RFC 5545, 3.6: the calendar's own properties come first, and some programs look there only. */
	if (line->kind == ICAL_LINE_PROPERTY && span_is(line->name, "METHOD") && !work->in_front)
		work->facts.broken[RULE_METHOD_MISPLACED] = true;
	else
		write_line(work, line);
	return true;
}

static bool read_lines(struct work *work, struct problem *why)
{
	struct ical_line line;
	enum ical_next next;

	while ((next = ical_reader_next(&work->reader, &line, why)) == ICAL_NEXT_LINE)
		if (!take_line(work, &line, why))
			return false;
	work->facts.broken[RULE_EMPTY_LINES] = work->reader.dropped_empty_line;
	return next == ICAL_NEXT_END && calendar_facts_finish(&work->facts, why);
}

static void insert_method(struct buffer *text, size_t place)
{
	struct buffer result = buffer_with_maximum(text->maximum);

	buffer_append(&result, buffer_span(text).at, place);
	buffer_append(&result, method_line, sizeof(method_line) - 1);
	buffer_append(&result, buffer_span(text).at + place, text->length - place);
	result.failed |= text->failed;
	buffer_free(text);
	*text = result;
}

/* ---- what libical says ---- */

/* A TEXT value without its escapes (RFC 5545, 3.3.11). */
static void unescape(char *out, const char *text)
{
	while (*text) {
		if (text[0] == '\\' && (text[1] == 'n' || text[1] == 'N')) {
			*out++ = '\n';
			text += 2;
		} else {
			text += text[0] == '\\' && text[1] && strchr("\\;,", text[1]);
			*out++ = *text++;
		}
	}
	*out = '\0';
}

static bool same_method(icalcomponent *root)
{
	icalproperty *method = icalcomponent_get_first_property(root, ICAL_METHOD_PROPERTY);

	return method && icalproperty_get_method(method) == ICAL_METHOD_CANCEL &&
	       !icalcomponent_get_next_property(root, ICAL_METHOD_PROPERTY);
}

static bool same_events(icalcomponent *root, const char *uid, size_t events)
{
	for (icalcomponent *event = icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT);
	     event; event = icalcomponent_get_next_component(root, ICAL_VEVENT_COMPONENT)) {
		const char *other = icalcomponent_get_uid(event);

		if (!other || strcmp(other, uid) != 0 || events-- == 0)
			return false;
	}
	return events == 0;
}

/* Under the lock. */
static bool judge(const char *text, const char *uid, size_t events, struct problem *why)
{
	icalcomponent *root;
	bool same, no_memory;

	icalerror_set_errors_are_fatal(0);
	icalerror_clear_errno();
	root = icalparser_parse_string(text);
	same = root && icalcomponent_isa(root) == ICAL_VCALENDAR_COMPONENT && same_method(root) &&
	       same_events(root, uid, events);
	no_memory = icalerrno == ICAL_NEWFAILED_ERROR || (!root && icalerrno == ICAL_NO_ERROR);
	if (root)
		icalcomponent_free(root);
	if (!same && no_memory)
		problem_cannot_tell(why, "no memory for the calendar");
	else if (!same)
		calendar_rule_break(why, RULE_LIBICAL, 0);
	return same;
}

static bool lock_libical(const struct calendar_question *question)
{
	if (!question->wait)
		return pthread_mutex_lock(&libical_lock) == 0;
	while (pthread_mutex_trylock(&libical_lock) != 0)
		if (!question->wait(question->context))
			return false;
	return true;
}

static bool ask_libical(const struct work *work, const struct calendar_question *question,
			const char *uid, struct problem *why)
{
	bool good;

	if (!lock_libical(question)) {
		problem_cannot_tell(why, "other calendars took too long to check");
		return false;
	}
	good = judge(work->judged.data, uid, work->facts.events, why);
	pthread_mutex_unlock(&libical_lock);
	return good;
}

/* ---- the outside ---- */

static bool accept_lines(struct work *work, struct calendar *calendar, struct span text,
			 const struct calendar_question *question, struct problem *why)
{
	char uid[CALENDAR_UID_MAXIMUM + 1];

	if (!ical_reader_start(&work->reader, text, why) || !read_lines(work, why))
		return false;
	if (work->facts.methods == 0 || work->facts.broken[RULE_METHOD_MISPLACED]) {
		insert_method(&work->text, work->text_place);
		insert_method(&work->judged, work->judged_place);
	}
	if (work->text.failed || work->judged.failed) {
		problem_cannot_tell(why, "no memory for the calendar");
		return false;
	}
	unescape(uid, work->facts.uid);
	snprintf(calendar->uid, sizeof(calendar->uid), "%s", uid);
	memcpy(calendar->sequence, work->facts.sequence, sizeof(calendar->sequence));
	return ask_libical(work, question, uid, why);
}

static void note_findings(struct calendar *calendar, const struct calendar_facts *facts)
{
	for (size_t i = 0; i < CALENDAR_RULES; i++) {
		const enum calendar_rule rule = (enum calendar_rule)i;

		if (facts->broken[i])
			calendar_rule_note(calendar_rule_row(rule)->effect == CALENDAR_MENDED
						   ? &calendar->mended
						   : &calendar->warning,
					   rule);
	}
}

bool calendar_accept(struct calendar *calendar, struct span text,
		     const struct calendar_question *question, struct problem *why)
{
	struct work work = {
		.facts = calendar_facts_new(question->recipient, question->from),
		.text = buffer_with_maximum(2 * CALENDAR_MAXIMUM),
		.judged = buffer_with_maximum(2 * CALENDAR_MAXIMUM),
		.in_front = true,
	};
	bool good;

	*calendar = (struct calendar){.text = buffer_with_maximum(0)};
	good = accept_lines(&work, calendar, text, question, why);
	if (good)
		note_findings(calendar, &work.facts);
	calendar->says_cancel = good && work.facts.methods > 0;
	calendar->names_recipient = good && work.facts.recipient_attends;
	calendar->text = work.text;
	ical_reader_free(&work.reader);
	calendar_facts_free(&work.facts);
	buffer_free(&work.judged);
	return good;
}

void calendar_free(struct calendar *calendar)
{
	buffer_free(&calendar->text);
}
