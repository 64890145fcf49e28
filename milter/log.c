#define SYSLOG_NAMES
#include "log.h"

#include "problem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* The log is the process's one voice, like syslog(3) itself: the only state that nobody passes. */
static _Atomic(enum log_target) log_target = LOG_TO_STDERR;
static _Atomic(enum log_level) log_least = LOG_LEVEL_INFO;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
	[LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

void log_open(enum log_target target, int facility, enum log_level level)
{
	log_least = level;
	if (target == LOG_TO_SYSLOG)
		openlog("cancel-invite-milter", LOG_PID | LOG_NDELAY, facility);
	log_target = target;
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[4096];
	va_list arguments;
	size_t prefix, length;
	ssize_t written;

	if (level > log_least)
		return;
	prefix = (size_t)snprintf(line, sizeof(line), "%s: ", levels[level].name);
	va_start(arguments, format);
	vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, arguments);
	va_end(arguments);
	if (log_target == LOG_TO_SYSLOG) {
		syslog(levels[level].priority, "%s", line + prefix);
		return;
	}
	length = strlen(line);
	line[length++] = '\n';
	/* One write: lines of several threads never mix. If nobody reads them, nobody misses them. */
	written = write(STDERR_FILENO, line, length);
	(void)written;
}

void log_write_lines(enum log_level level, const char *prefix, struct buffer *lines)
{
	char *rest = lines->data;

	for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;)
		if (line[0])
			log_write(level, "%s%s", prefix, line);
}

int log_facility(const char *name)
{
	for (const CODE *code = facilitynames; code->c_name; code++)
		if (strcmp(code->c_name, name) == 0)
			return code->c_val;
	return -1;
}

void log_field(struct buffer *line, const char *name, const char *value)
{
	char shown[512];
	bool plain = value[0] != '\0';

	problem_quote(shown, sizeof(shown), value, strlen(value));
	for (const char *at = shown; *at; at++)
		plain &= !strchr(" \"=\\", *at);
	buffer_printf(line, "%s%s=", line->length > 0 ? " " : "", name);
	if (plain) {
		buffer_append_text(line, shown);
		return;
	}
	buffer_append_text(line, "\"");
	for (const char *at = shown; *at; at++) {
		if (*at == '"' || *at == '\\')
			buffer_append_text(line, "\\");
		buffer_append(line, at, 1);
	}
	buffer_append_text(line, "\"");
}
