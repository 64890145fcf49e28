/*
 * log: one line for each thing that happened, to syslog or to standard error.
 *
 * Safe to call from several threads. Lines are whole: one write each.
 */
#ifndef LOG_H
#define LOG_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR,   /* somebody has to do something */
	LOG_LEVEL_WARNING, /* somebody should look */
	LOG_LEVEL_INFO,    /* one line for each tagged message */
	LOG_LEVEL_DEBUG,
};

enum log_target {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG,
};

/* Chooses target, syslog facility (as <syslog.h> numbers them) and the least important level. */
void log_open(enum log_target target, int facility, enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes each line of a text as one of the log's, behind the prefix. The text is cut up. */
void log_write_lines(enum log_level level, const char *prefix, struct buffer *lines);

/* The facility number of a name such as "mail"; -1 if there is none. */
int log_facility(const char *name);

/* Appends " name=value" to a line; values with blanks, quotes or nothing in them are "quoted". */
void log_field(struct buffer *line, const char *name, const char *value);

#endif
