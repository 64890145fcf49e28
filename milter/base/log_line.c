/* log_line: the names and values of one line of the log. */
#include "log_line.h"

#include "escape.h"
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
		escape_json(out, value);
		return;
	}
	shown = (int)shown_length(value, length, VALUE_MAXIMUM - strlen(more));
	snprintf(cut, sizeof(cut), "%.*s%s", shown, value, more);
	escape_json(out, cut);
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
