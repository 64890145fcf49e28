/*
 * log_line: the named values of one line of the log, in the form that its readers want: name=value
 * or the members of a JSON object (RFC 8259). Says each name and value once; pure.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include "buffer.h"

#include <stddef.h>

#define LOG_LINE_MAXIMUM 4000 /* bytes: with what comes around it, one write to a pipe is whole */

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
};

struct log_line {
	enum log_format format;
	struct buffer text; /* name=value name="other value", or "name":"value","other":1 */
};

/* An empty line. */
struct log_line log_line_begin(enum log_format format);
void log_line_free(struct log_line *line);

/*
 * Appends a value; of one longer than 511 bytes only the beginning and "...". What is no UTF-8 and
 * control characters are shown as \xNN in text; in JSON they are U+FFFD and \u00NN. A value that
 * the line has no room for is left out.
 */
void log_field(struct log_line *line, const char *name, const char *value);
void log_number(struct log_line *line, const char *name, long long value);

#endif
