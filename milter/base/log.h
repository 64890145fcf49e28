/*
 * log: one line for each thing that happened, to syslog or to standard error, as text or as one
 * JSON object with time, level and either a message or the line's own names.
 *
 * Safe to call from several threads. Lines are whole: one write each. To standard error that is the
 * systemd journal each line begins with its priority, as sd-daemon(3) has it.
 *
 * Until log_start() a line is written before log_write() returns. From then on a thread of its own
 * writes (log_queue), so that a log that nobody reads holds up nobody.
 */
#ifndef LOG_H
#define LOG_H

#include "log_line.h"

#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_ERROR,   /* somebody has to do something */
	LOG_LEVEL_WARNING, /* somebody should look */
	LOG_LEVEL_INFO,    /* one line for each tagged message */
};

enum log_target {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG,
};

/*
 * Chooses target, syslog facility (as <syslog.h> numbers them), the least important level, and the
 * form of lines. Until then: standard error, 'info', text.
 */
void log_open(enum log_target target, int facility, enum log_level level, enum log_format format);

/* False if there is no thread for it. */
bool log_start(void);

/* Is a line being written that its reader has not taken for LOG_QUEUE_STUCK ms? */
bool log_is_stuck(void);

/* Lines that had to be dropped since log_start(). */
unsigned long long log_dropped(void);

/*
 * Waits until all that was handed in is written, for `longest` ms at most. False if that was not enough:
 * what waits is lost if the process ends now.
 */
bool log_flush(long long longest);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An empty line in the form that was chosen. log_end() writes it and frees it. */
struct log_line log_begin(void);
void log_end(enum log_level level, struct log_line *line);

/* Writes each line of a text as one of the log's, behind the prefix. The text is cut up. */
void log_write_lines(enum log_level level, const char *prefix, struct buffer *lines);

/* Does somebody take what goes to syslog? */
bool log_syslog_listens(void);

/* The facility number of a name such as "mail"; -1 if there is none. */
int log_facility(const char *name);

#endif
