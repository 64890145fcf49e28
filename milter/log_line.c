#include "log_line.h"

#include "problem.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

#define VALUE_MAXIMUM 511 /* bytes of a value that are shown */

struct log_line log_line_begin(enum log_format format)
{
	return (struct log_line){format, buffer_with_maximum(LOG_LINE_MAXIMUM)};
}

void log_line_free(struct log_line *line)
{
	buffer_free(&line->text);
}

/* The code point of a control character (U+0000-1F, U+7F-9F), by its well-formed sequence. */
static unsigned int control_point(const char *text, size_t n)
{
	return (unsigned char)text[n - 1];
}

void log_append_json(struct buffer *out, const char *text, size_t length)
{
	buffer_append_text(out, "\"");
	for (size_t i = 0, n; i<length; i += n> 0 ? n : 1) {
		n = utf8_sequence(text + i, length - i);
		if (n == 0)
			buffer_append_text(out, "\xef\xbf\xbd"); /* U+FFFD */
		else if (utf8_is_control(text + i, n))
			buffer_printf(out, "\\u%04x", control_point(text + i, n));
		else if (text[i] == '"' || text[i] == '\\')
			buffer_printf(out, "\\%c", text[i]);
		else
			buffer_append(out, text + i, n);
	}
	buffer_append_text(out, "\"");
}

/* The length of what is shown of a long value: no sequence is cut. */
static size_t shown_length(const char *value, size_t length, size_t most)
{
	size_t shown = 0;

	for (size_t n; shown<length; shown += n> 0 ? n : 1) {
		n = utf8_sequence(value + shown, length - shown);
		if (shown + (n > 0 ? n : 1) > most)
			break;
	}
	return shown;
}

static void append_json_value(struct buffer *out, const char *value)
{
	static const char more[] = "...";
	char cut[VALUE_MAXIMUM + 1];
	const size_t length = strlen(value);
	int shown;

	if (length <= VALUE_MAXIMUM) {
		log_append_json(out, value, length);
		return;
	}
	shown = (int)shown_length(value, length, VALUE_MAXIMUM - strlen(more));
	snprintf(cut, sizeof(cut), "%.*s%s", shown, value, more);
	log_append_json(out, cut, strlen(cut));
}

static void append_text_value(struct buffer *out, const char *value)
{
	char shown[VALUE_MAXIMUM + 1];
	bool plain = value[0] != '\0';

	problem_quote(shown, sizeof(shown), value, strlen(value));
	for (const char *at = shown; *at; at++)
		plain &= !strchr(" \"=\\", *at);
	if (plain) {
		buffer_append_text(out, shown);
		return;
	}
	buffer_append_text(out, "\"");
	for (const char *at = shown; *at; at++) {
		if (*at == '"' || *at == '\\')
			buffer_append_text(out, "\\");
		buffer_append(out, at, 1);
	}
	buffer_append_text(out, "\"");
}

static void append_name(struct log_line *line, const char *name)
{
	if (line->format == LOG_FORMAT_JSON)
		buffer_printf(&line->text, "%s\"%s\":", line->text.length > 0 ? "," : "", name);
	else
		buffer_printf(&line->text, "%s%s=", line->text.length > 0 ? " " : "", name);
}

/* Half a value would be no JSON, and no name=value either: it goes back to where it began. */
static void finish_value(struct log_line *line, size_t began)
{
	if (!line->text.failed)
		return;
	line->text.failed = false;
	line->text.length = began;
	if (line->text.data)
		line->text.data[began] = '\0';
}

void log_field(struct log_line *line, const char *name, const char *value)
{
	const size_t began = line->text.length;

	append_name(line, name);
	if (line->format == LOG_FORMAT_JSON)
		append_json_value(&line->text, value);
	else
		append_text_value(&line->text, value);
	finish_value(line, began);
}

void log_number(struct log_line *line, const char *name, long long value)
{
	const size_t began = line->text.length;

	append_name(line, name);
	buffer_printf(&line->text, "%lld", value);
	finish_value(line, began);
}
