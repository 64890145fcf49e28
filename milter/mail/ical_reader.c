/* iCalendar text as content lines. */
#include "ical_reader.h"

#include "utf8.h"

#include <string.h>
#include <strings.h>

static const char calendar_name[] = "VCALENDAR";

/* ---- octets ---- */

static bool is_fold(struct span rest)
{
	return rest.length > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t');
}

/* Cuts the next line as it stands off the front, without its CRLF or LF. False: a lone CR. */
static bool take_octets(struct ical_reader *reader, struct span *octets)
{
	struct span *rest = &reader->rest;
	const char *newline = memchr(rest->at, '\n', rest->length);

	*octets = (struct span){rest->at, newline ? (size_t)(newline - rest->at) : rest->length};
	span_advance(rest, octets->length + (newline != NULL));
	if (newline && octets->length > 0 && octets->at[octets->length - 1] == '\r')
		octets->length--;
	reader->line_number++;
	return !memchr(octets->at, '\r', octets->length);
}

static void skip_empty_lines(struct ical_reader *reader)
{
	for (;;) {
		struct span *rest = &reader->rest;
		const size_t end = rest->length > 0 && rest->at[0] == '\n'                ? 1
				   : rest->length > 1 && memcmp(rest->at, "\r\n", 2) == 0 ? 2
											  : 0;

		if (end == 0)
			return;
		span_advance(rest, end);
		reader->line_number++;
		reader->dropped_empty_line = true;
	}
}

/* Puts the next content line, unfolded, into `line`. */
static bool unfold(struct ical_reader *reader, struct problem *why)
{
	struct span octets;

	buffer_clear(&reader->line);
	reader->first_number = reader->line_number;
	do {
		if (reader->line.length > 0)
			span_advance(&reader->rest, 1); /* the fold's blank */
		if (!take_octets(reader, &octets))
			return calendar_rule_break(why, RULE_LONE_CR, reader->line_number - 1);
		buffer_append(&reader->line, octets.at, octets.length);
		skip_empty_lines(reader);
	} while (is_fold(reader->rest));
	if (reader->line.failed) {
		problem_cannot_tell(why, "no memory for the calendar");
		return false;
	}
	if (!utf8_valid(reader->line.data, reader->line.length))
		return calendar_rule_break(why, RULE_NOT_UTF8, reader->first_number);
	return true;
}

/* RFC 5545, 3.1: CONTROL is all but HTAB. Drops them; true if there were any. */
static bool drop_controls(struct buffer *line)
{
	size_t used = 0;

	for (size_t i = 0; i < line->length; i++) {
		const unsigned char c = (unsigned char)line->data[i];

		if ((c >= ' ' && c != 0x7f) || c == '\t')
			line->data[used++] = line->data[i];
	}
	if (used == line->length)
		return false;
	line->length = used;
	line->data[used] = '\0';
	return true;
}

/* ---- one content line ---- */

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-';
}

static struct span take_name(struct span *rest)
{
	struct span name = {rest->at, 0};

	while (rest->length > 0 && is_name_character(rest->at[0])) {
		name.length++;
		span_advance(rest, 1);
	}
	return name;
}

static bool take_character(struct span *rest, char c)
{
	if (rest->length == 0 || rest->at[0] != c)
		return false;
	span_advance(rest, 1);
	return true;
}

/* param-value: paramtext, or a quoted string. */
static bool take_parameter_value(struct span *rest)
{
	size_t length = 0;

	if (take_character(rest, '"')) {
		const char *end = memchr(rest->at, '"', rest->length);

		if (!end)
			return false;
		span_advance(rest, (size_t)(end - rest->at) + 1);
		return true;
	}
	while (length < rest->length && !strchr("\";:,", rest->at[length]))
		length++;
	span_advance(rest, length);
	return true;
}

/* A parameter without the ";" in front of it. */
static bool take_parameter(struct span *rest)
{
	if (take_name(rest).length == 0 || !take_character(rest, '='))
		return false;
	do {
		if (!take_parameter_value(rest))
			return false;
	} while (take_character(rest, ','));
	return true;
}

static bool read_line(struct ical_reader *reader, struct ical_line *line, struct problem *why)
{
	struct span rest = buffer_span(&reader->line);
	size_t parameters = 0;

	line->whole = rest;
	line->name = take_name(&rest);
	line->parameters = (struct span){rest.at, 0};
	if (line->name.length == 0)
		return calendar_rule_break(why, RULE_NO_CONTENT_LINE, reader->first_number);
	while (take_character(&rest, ';')) {
		if (++parameters > ICAL_PARAMETERS_MAXIMUM)
			return calendar_rule_break(why, RULE_MANY_PARAMETERS, reader->first_number);
		if (!take_parameter(&rest))
			return calendar_rule_break(why, RULE_NO_CONTENT_LINE, reader->first_number);
	}
	line->parameters.length = (size_t)(rest.at - line->parameters.at);
	if (!take_character(&rest, ':'))
		return calendar_rule_break(why, RULE_NO_CONTENT_LINE, reader->first_number);
	line->value = rest;
	return true;
}

bool ical_next_parameter(struct span *parameters, struct span *name, struct span *value)
{
	if (!take_character(parameters, ';'))
		return false;
	*name = take_name(parameters);
	take_character(parameters, '=');
	*value = *parameters;
	do {
		take_parameter_value(parameters);
	} while (take_character(parameters, ','));
	value->length = (size_t)(parameters->at - value->at);
	if (value->length >= 2 && value->at[0] == '"' &&
	    memchr(value->at + 1, '"', value->length - 1) == value->at + value->length - 1) {
		span_advance(value, 1);
		value->length--;
	}
	return true;
}

/* ---- components ---- */

/* A component's name, which is to be no more than that. */
static bool is_component_line(const struct ical_line *line)
{
	struct span rest = line->value;

	return line->parameters.length == 0 && take_name(&rest).length > 0 && rest.length == 0 &&
	       line->value.length <= ICAL_NAME_MAXIMUM;
}

static bool begin_component(struct ical_reader *reader, const struct ical_line *line,
			    struct problem *why)
{
	const bool calendar = span_is(line->value, calendar_name);

	if (reader->depth == 0 && reader->components > 0)
		return calendar_rule_break(why, calendar ? RULE_TWO_VCALENDARS : RULE_OUTSIDE,
					   reader->first_number);
	if (reader->depth == 0 && !calendar)
		return calendar_rule_break(why, RULE_NO_VCALENDAR, 0);
	if (reader->depth > 0 && calendar)
		return calendar_rule_break(why, RULE_TWO_VCALENDARS, reader->first_number);
	if (reader->depth == ICAL_DEPTH_MAXIMUM)
		return calendar_rule_break(why, RULE_DEEP, reader->first_number);
	if (++reader->components > ICAL_COMPONENTS_MAXIMUM)
		return calendar_rule_break(why, RULE_MANY_COMPONENTS, reader->first_number);
	memcpy(reader->open[reader->depth].name, line->value.at, line->value.length);
	reader->open[reader->depth++].name[line->value.length] = '\0';
	return true;
}

static bool follow_components(struct ical_reader *reader, struct ical_line *line,
			      struct problem *why)
{
	line->kind = span_is(line->name, "BEGIN") ? ICAL_LINE_BEGIN
		     : span_is(line->name, "END") ? ICAL_LINE_END
						  : ICAL_LINE_PROPERTY;
	if (line->kind != ICAL_LINE_BEGIN && reader->depth == 0)
		return calendar_rule_break(
			why, reader->components > 0 ? RULE_OUTSIDE : RULE_NO_VCALENDAR,
			reader->first_number);
	if (line->kind != ICAL_LINE_PROPERTY && !is_component_line(line))
		return calendar_rule_break(why, RULE_BEGIN_MALFORMED, reader->first_number);
	if (line->kind == ICAL_LINE_BEGIN)
		return begin_component(reader, line, why);
	if (line->kind == ICAL_LINE_END &&
	    !span_is(line->value, reader->open[--reader->depth].name))
		return calendar_rule_break(why, RULE_END_UNMATCHED, reader->first_number);
	return true;
}

/* ---- the outside ---- */

bool ical_reader_start(struct ical_reader *reader, struct span text, struct problem *why)
{
	static const char mark[] = "\xef\xbb\xbf";

	*reader = (struct ical_reader){
		.line = buffer_with_maximum(ICAL_TEXT_MAXIMUM),
		.line_number = 1,
	};
	if (text.length > ICAL_TEXT_MAXIMUM)
		return calendar_rule_break(why, RULE_TOO_LARGE, 0);
	if (text.length >= sizeof(mark) - 1 && memcmp(text.at, mark, sizeof(mark) - 1) == 0)
		span_advance(&text, sizeof(mark) - 1);
	text = span_trim(text);
	if (text.length == 0)
		return calendar_rule_break(why, RULE_EMPTY, 0);
	if (memchr(text.at, '\0', text.length))
		return calendar_rule_break(why, RULE_NUL, 0);
	if (text.length < sizeof("BEGIN:") - 1 || strncasecmp(text.at, "BEGIN:", 6) != 0)
		return calendar_rule_break(why, RULE_NO_VCALENDAR, 0);
	reader->rest = text;
	return true;
}

enum ical_next ical_reader_next(struct ical_reader *reader, struct ical_line *line,
				struct problem *why)
{
	bool good = true;

	*line = (struct ical_line){.kind = ICAL_LINE_PROPERTY};
	if (reader->rest.length == 0) {
		if (reader->depth == 0)
			return ICAL_NEXT_END;
		calendar_rule_break(why, RULE_TRUNCATED, 0);
		return ICAL_NEXT_FAULT;
	}
	if (++reader->lines > ICAL_LINES_MAXIMUM)
		good = calendar_rule_break(why, RULE_MANY_LINES, 0);
	if (!good || !unfold(reader, why))
		return ICAL_NEXT_FAULT;
	line->had_control = drop_controls(&reader->line);
	if (!read_line(reader, line, why) || !follow_components(reader, line, why))
		return ICAL_NEXT_FAULT;
	line->depth = reader->depth;
	line->component = reader->depth > 0 ? reader->open[reader->depth - 1].name : "";
	return ICAL_NEXT_LINE;
}

void ical_reader_free(struct ical_reader *reader)
{
	buffer_free(&reader->line);
}
