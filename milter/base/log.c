#define SYSLOG_NAMES
#include "log.h"

#include "clock.h"
#include "escape.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define WRITE_MAXIMUM 4096 /* bytes of a line: PIPE_BUF, what a pipe takes whole */

/* The log is the process's one voice, like syslog(3) itself: the only state that nobody passes. */
static _Atomic(enum log_target) log_target = LOG_TO_STDERR;
static _Atomic(enum log_level) log_least = LOG_LEVEL_INFO;
static _Atomic(enum log_format) log_form = LOG_FORMAT_TEXT;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", LOG_ERR},
	[LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
	[LOG_LEVEL_INFO] = {"info", LOG_INFO},
};

void log_open(enum log_target target, int facility, enum log_level level, enum log_format format)
{
	log_least = level;
	log_form = format;
	if (target == LOG_TO_SYSLOG)
		openlog("cancel-invite-milter", LOG_PID | LOG_NDELAY, facility);
	log_target = target;
}

/*
 * Is standard error the journal? systemd.exec(5), $JOURNAL_STREAM: it names device and inode of the
 * stream, which a child that has its own standard error inherits all the same.
 */
static bool journal_reads_us(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

/* `word` comes in front of the text where nobody but its reader would tell the level. */
static void write_line(enum log_level level, const char *word, const char *text)
{
	char line[WRITE_MAXIMUM], priority[8] = "";
	size_t length;
	ssize_t written;

	if (log_target == LOG_TO_SYSLOG) {
		syslog(levels[level].priority, "%s", text);
		return;
	}
	if (journal_reads_us())
		snprintf(priority, sizeof(priority), "<%d>", levels[level].priority);
	snprintf(line, sizeof(line) - 1, "%s%s%s%s", priority, word, word[0] ? ": " : "", text);
	length = strlen(line);
	line[length++] = '\n';
	/* One write: lines of several threads never mix. If nobody reads them, nobody misses them. */
	written = write(STDERR_FILENO, line, length);
	(void)written;
}

/* {"time":"2026-04-28T09:30:00.123Z","level":"info",MEMBERS}, time as RFC 3339 has it. */
static void write_json(enum log_level level, const struct buffer *members)
{
	char text[WRITE_MAXIMUM], moment[CLOCK_UTC_SHOWN];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_show_utc((long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, moment);
	snprintf(text, sizeof(text), "{\"time\":\"%s\",\"level\":\"%s\"%s%s}", moment,
		 levels[level].name, members->length > 0 ? "," : "",
		 members->length > 0 ? members->data : "");
	write_line(level, "", text);
}

/* A text as the member "message"; one that is too long is cut. */
static void write_json_message(enum log_level level, char *message)
{
	struct buffer members = buffer_with_maximum(LOG_LINE_MAXIMUM);
	size_t length = strlen(message);

	do {
		buffer_clear(&members);
		buffer_append_text(&members, "\"message\":");
		message[length] = '\0';
		escape_json(&members, message);
		length /= 2;
	} while (members.failed && length > 0);
	if (members.failed)
		buffer_clear(&members);
	write_json(level, &members);
	buffer_free(&members);
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAXIMUM];
	va_list arguments;

	if (level > log_least)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (log_form == LOG_FORMAT_JSON)
		write_json_message(level, text);
	else
		write_line(level, levels[level].name, text);
}

struct log_line log_begin(void)
{
	return log_line_begin(log_form);
}

void log_end(enum log_level level, struct log_line *line)
{
	if (level <= log_least) {
		if (line->text.length == 0)
			log_write(level, "no memory for a log line");
		else if (line->format == LOG_FORMAT_JSON)
			write_json(level, &line->text);
		else
			write_line(level, levels[level].name, line->text.data);
	}
	log_line_free(line);
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

bool log_syslog_listens(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool listens;

	if (probe < 0)
		return true; /* cannot tell */
	listens = connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		  errno == EPROTOTYPE; /* one that takes a stream */
	close(probe);
	return listens;
}
