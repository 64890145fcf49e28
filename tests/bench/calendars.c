/*
 * calendars: what it costs to check a calendar of 1 MiB, whatever it is made of.
 *
 *	calendars [--compare]
 *
 * Prints {"what": W, "bytes": N, "accepted": A, "seconds": S} for each kind: whether it was accepted,
 * and processor time, the best of some runs. With --compare also what libical alone takes for the same
 * text, "libical"; null if that is more than 5 s.
 */
#include "calendar.h"

#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define RUNS     5
#define PATIENCE 5 /* seconds, for libical alone */

static const char head[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:CANCEL\r\n";
static const char event[] =
	"BEGIN:VEVENT\r\nUID:uid-1\r\nDTSTAMP:20260428T093000Z\r\nSEQUENCE:3\r\nSTATUS:CANCELLED\r\n"
	"ORGANIZER:mailto:boss@acme.example\r\nATTENDEE:mailto:guest@b.example\r\n";
static const char tail[] = "END:VEVENT\r\nEND:VCALENDAR\r\n";

#define ZONE "BEGIN:VTIMEZONE\r\nTZID:Zone/%zu\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n" \
	     "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n" \
	     "END:STANDARD\r\nEND:VTIMEZONE\r\n"

/* A calendar of `count` times a piece, or of as many as fit; `end` closes the last. */
struct kind {
	const char *what;
	const char *start, *piece, *end, *closing; /* `piece` may hold one %zu */
	bool in_event;
	size_t count; /* 0: up to 1 MiB */
};

static const struct kind kinds[] = {
	{"an everyday one", "", "", "", "", true, 1},
	{"one line", "X-A:", "xxxxxxxxxxxxxxxx", "\r\n", "", true, 0},
	{"one line, folded", "ATTACH;ENCODING=BASE64;VALUE=BINARY:", "\r\n AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	 "\r\n", "", true, 0},
	{"one line of folds", "X-A:", "\r\n ", "\r\n", "", true, 0},
	{"one line of parameters", "X-A", ";A=", ":\r\n", "", true, 0},
	{"one parameter of values", "X-A;B=b", ",\"c\"", ":\r\n", "", true, 0},
	{"lines of 50 parameters", "", "X-A;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;"
	 "A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=;A=:\r\n", "", "", true, 0},
	{"empty lines", "", "\r\n", "", "", true, 0},
	{"10,000 lines, all there may be", "", "X-A:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	 "xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", "", "", true, 9980},
	{"10,000 attendees", "", "ATTENDEE;CN=\"N %zu\";PARTSTAT=NEEDS-ACTION;EMAIL=a@b.example:mailto:a@b.example\r\n",
	 "", "", true, 9980},
	{"10,000 times", "", "EXDATE;TZID=Zone/%zu:20260428T093000\r\n", "", "", true, 9980},
	{"10,000 rules", "", "RRULE:FREQ=YEARLY;BYMONTH=1,2,3;BYDAY=1MO,2TU,-1SU;BYSETPOS=1,2,3;COUNT=%zu\r\n", "", "",
	 true, 9980},
	{"lines of 2,000 with escapes", "", NULL, "", "", true, 0},
	{"lines of dates", "", NULL, "", "", true, 0},
	{"time zones", "", ZONE, "", "", false, 490},
	{"components", "", "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT%zuM\r\nEND:VALARM\r\n", "", "", true, 990},
	{"nested as deep as may be", "", "BEGIN:X-C\r\n", "", "END:X-C\r\n", false, 19},
	{"nested without an end", "", "BEGIN:X-C\r\n", "", "", false, 0},
};

static void append_piece(struct buffer *text, const struct kind *kind, size_t number)
{
	if (!kind->piece) {
		/* Just short enough for libical to get it. */
		const bool dates = strstr(kind->what, "dates");

		buffer_append_text(text, dates ? "EXDATE:20260428T093000Z" : "SUMMARY:");
		for (size_t i = 0; i < 115; i++)
			buffer_append_text(text, dates ? ",20260428T093000Z" : "\\,\\;\\n xx\\\\ yy zzz ");
		buffer_append_text(text, "\r\n");
		return;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (strstr(kind->piece, "%zu"))
		buffer_printf(text, kind->piece, number);
	else
		buffer_append_text(text, kind->piece);
#pragma GCC diagnostic pop
}

static struct buffer make(const struct kind *kind)
{
	const size_t room = CALENDAR_MAXIMUM - 2500 - strlen(tail) - strlen(event);
	struct buffer text = buffer_with_maximum((size_t)4 << 20);
	size_t count = 0;

	buffer_printf(&text, "%s%s%s", head, kind->in_event ? event : "", kind->start);
	while (kind->count > 0 ? count < kind->count : text.length < room)
		append_piece(&text, kind, count++);
	buffer_append_text(&text, kind->end);
	for (size_t i = 0; i < count && kind->closing[0]; i++)
		buffer_append_text(&text, kind->closing);
	buffer_printf(&text, "%s%s", kind->in_event ? "" : event, tail);
	return text;
}

static double processor_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double check(const struct buffer *text, bool *accepted)
{
	static const struct calendar_question question = {.recipient = "guest@b.example",
							  .from = "boss@acme.example"};
	double best = 1e9;

	for (int run = 0; run < RUNS; run++) {
		const double begun = processor_time();
		struct calendar calendar;
		struct problem why;

		*accepted = calendar_accept(&calendar, buffer_span(text), &question, &why);
		calendar_free(&calendar);
		if (processor_time() - begun < best)
			best = processor_time() - begun;
	}
	return best;
}

/* In a process of its own, because it may take minutes. */
static void compare_with_libical(const struct buffer *text)
{
	double taken = 0;
	int ends[2];
	pid_t child;

	if (pipe(ends) != 0 || (child = fork()) < 0)
		exit(EX_OSERR);
	if (child == 0) {
		icalcomponent *root;
		double begun = processor_time();

		alarm(PATIENCE);
		root = icalparser_parse_string(text->data);
		if (root)
			icalcomponent_free(root);
		begun = processor_time() - begun;
		_exit(write(ends[1], &begun, sizeof(begun)) == (ssize_t)sizeof(begun) ? EX_OK : EX_OSERR);
	}
	close(ends[1]);
	if (read(ends[0], &taken, sizeof(taken)) == (ssize_t)sizeof(taken))
		printf(", \"libical\": %.6f", taken);
	else
		printf(", \"libical\": null");
	close(ends[0]);
	waitpid(child, NULL, 0);
}

int main(int count, char **arguments)
{
	const bool compare = count == 2 && strcmp(arguments[1], "--compare") == 0;

	if (count > 1 && !compare) {
		fputs("usage: calendars [--compare]\n", stderr);
		return EX_USAGE;
	}
	icalerror_set_errors_are_fatal(0);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct buffer text = make(&kinds[i]);
		bool accepted;
		const double taken = check(&text, &accepted);

		fflush(stdout);
		printf("{\"what\": \"%s\", \"bytes\": %zu, \"accepted\": %s, \"seconds\": %.6f", kinds[i].what,
		       text.length, accepted ? "true" : "false", taken);
		fflush(stdout);
		if (compare)
			compare_with_libical(&text);
		printf("}\n");
		fflush(stdout);
		buffer_free(&text);
	}
	return EX_OK;
}
