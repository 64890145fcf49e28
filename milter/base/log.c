/* log: lines to syslog or standard error, as text or JSON. */
#define SYSLOG_NAMES
#include "log.h"

#include "clock.h"
#include "escape.h"
#include "log_queue.h"

#include <errno.h>
#include <poll.h>
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
#include <unistd.h>

#define FLUSH_BEFORE_CHANGE 250  /* ms */
#define WRITE_MAXIMUM       4096 /* bytes of a line: PIPE_BUF, what a pipe takes whole */

/* The log is the process's one voice, like syslog(3) itself: the only state that nobody passes. */
static _Atomic(enum log_target) log_target = LOG_TO_STDERR;
static _Atomic(enum log_level) log_least = LOG_LEVEL_INFO;
static _Atomic(enum log_format) log_form = LOG_FORMAT_TEXT;
static atomic_int log_facility_number = LOG_MAIL;
static _Atomic(struct log_queue *) log_lines; /* NULL: lines are written at once */

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
	/* What is in the queue was meant for where the log went until now. */
	if (target != log_target)
		log_flush(FLUSH_BEFORE_CHANGE);
	log_least = level;
	log_form = format;
	log_facility_number = facility;
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

/* One write: lines of several threads never mix. If nobody reads them, nobody misses them. */
static void write_to_stderr(enum log_level level, const char *text)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[WRITE_MAXIMUM], priority[8] = "";
	size_t length;

	if (journal_reads_us())
		snprintf(priority, sizeof(priority), "<%d>", levels[level].priority);
	snprintf(line, sizeof(line) - 1, "%s%s", priority, text);
	length = strlen(line);
	line[length++] = '\n';
	while (write(STDERR_FILENO, line, length) < 0 && (errno == EINTR || errno == EAGAIN))
		poll(&room, 1, -1); /* somebody made it one that does not block */
}

static void write_now(enum log_level level, const char *text)
{
	static atomic_flag opened = ATOMIC_FLAG_INIT;

	if (log_target != LOG_TO_SYSLOG) {
		write_to_stderr(level, text);
		return;
	}
	if (!atomic_flag_test_and_set(&opened))
		openlog("cancel-invite-milter", LOG_PID | LOG_NDELAY, LOG_MAIL);
	syslog(log_facility_number | levels[level].priority, "%s", text);
}

/* The line as it is written, in the form that was chosen; what is too long is cut. */
struct whole_line {
	char text[WRITE_MAXIMUM];
};

/* The level's word in front, where nobody but its reader would tell it. */
static void make_text(struct whole_line *line, enum log_level level, const char *text)
{
	const bool shows_level = log_target != LOG_TO_SYSLOG;

	snprintf(line->text, sizeof(line->text), "%s%s%s", shows_level ? levels[level].name : "",
		 shows_level ? ": " : "", text);
}

/* {"time":"2026-04-28T09:30:00.123Z","level":"info",MEMBERS}, time as RFC 3339 has it. */
static void make_json(struct whole_line *line, enum log_level level, const struct buffer *members)
{
	char moment[CLOCK_UTC_SHOWN];

	clock_show_utc(clock_utc_now(), moment);
	snprintf(line->text, sizeof(line->text), "{\"time\":\"%s\",\"level\":\"%s\"%s%s}", moment,
		 levels[level].name, members->length > 0 ? "," : "",
		 members->length > 0 ? members->data : "");
}

/* A text as the member "message"; one that is too long is cut. */
static void make_json_message(struct whole_line *line, enum log_level level, char *message)
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
	make_json(line, level, &members);
	buffer_free(&members);
}

static void make_message(struct whole_line *line, enum log_level level, char *message)
{
	if (log_form == LOG_FORMAT_JSON)
		make_json_message(line, level, message);
	else
		make_text(line, level, message);
}

/* By the queue's thread, if there is one. */
static void write_line(enum log_level level, const struct whole_line *line)
{
	struct log_queue *queue = log_lines;

	if (queue)
		log_queue_add(queue, level, line->text);
	else
		write_now(level, line->text);
}

/* On the queue's thread. */
static void write_dropped(unsigned long long lines)
{
	struct whole_line line;
	char text[96];

	snprintf(text, sizeof(text),
		 "the log was not read fast enough: %llu lines were dropped here", lines);
	make_message(&line, LOG_LEVEL_ERROR, text);
	write_now(LOG_LEVEL_ERROR, line.text);
}

bool log_start(void)
{
	static const struct log_queue_writer writer = {write_now, write_dropped};

	log_lines = log_queue_start(&writer);
	return log_lines != NULL;
}

bool log_is_stuck(void)
{
	struct log_queue *queue = log_lines;

	return queue && log_queue_look(queue).stuck;
}

unsigned long long log_dropped(void)
{
	struct log_queue *queue = log_lines;

	return queue ? log_queue_look(queue).dropped : 0;
}

bool log_flush(long long longest)
{
	struct log_queue *queue = log_lines;

	return !queue || log_queue_flush(queue, longest);
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAXIMUM];
	struct whole_line line;
	va_list arguments;

	if (level > log_least)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	make_message(&line, level, text);
	write_line(level, &line);
}

struct log_line log_begin(void)
{
	return log_line_begin(log_form);
}

static void write_fields(enum log_level level, const struct log_line *fields)
{
	struct whole_line line;

	if (fields->format == LOG_FORMAT_JSON)
		make_json(&line, level, &fields->text);
	else
		make_text(&line, level, fields->text.data);
	write_line(level, &line);
}

void log_end(enum log_level level, struct log_line *line)
{
	if (level <= log_least && line->text.length > 0)
		write_fields(level, line);
	else if (level <= log_least)
		log_write(level, "no memory for a log line");
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
