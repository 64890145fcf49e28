/* command_rewrite: --rewrite attaches the calendar of a file to the message of a file. */
#include "attach.h"
#include "calendar.h"
#include "command.h"
#include "invocation.h"
#include "mail_file.h"
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define BODY_MEMORY ((size_t)256 * 1024)
#define TAG_NAME    "X-Cancel-Invite"

struct rewriting {
	struct mail_file file;
	struct headers headers;
	struct attach attach;
	struct calendar calendar;
	struct header_edits edits;
	struct problem why;
};

static void take_header(void *context, const char *name, const char *value)
{
	struct rewriting *rewriting = context;

	headers_add(&rewriting->headers, TAG_NAME, name, value, false);
}

static bool take_body(void *context, const char *data, size_t length)
{
	struct rewriting *rewriting = context;

	return attach_add(&rewriting->attach, data, length, &rewriting->why);
}

/* Gives an exit code; fills `why` of the calendar's file. */
static int read_file(const char *path, struct buffer *text, struct problem *why)
{
	FILE *stream = fopen(path, "re");
	int exit_code = EX_OK;
	char piece[16384];
	size_t length;

	if (!stream) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	/* Of one that is too large, enough is read to see that it is. */
	while (text->length <= CALENDAR_MAXIMUM && !text->failed &&
	       (length = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(text, piece, length);
	if (ferror(stream)) {
		problem_set(why, "%s: %s", path, strerror(errno));
		exit_code = EX_IOERR;
	} else if (text->failed) {
		problem_set(why, "no memory for the calendar");
		exit_code = EX_OSERR;
	}
	fclose(stream);
	return exit_code;
}

/* Gives an exit code. */
static int read_calendar(struct rewriting *rewriting, const char *path)
{
	const struct calendar_question question = {
		.from = rewriting->headers.from[0] ? rewriting->headers.from : NULL,
	};
	struct buffer text = buffer_with_maximum(2 * CALENDAR_MAXIMUM);
	struct problem why;
	int exit_code = read_file(path, &text, &rewriting->why);

	if (exit_code == EX_OK &&
	    !calendar_accept(&rewriting->calendar, buffer_span(&text), &question, &why)) {
		problem_set(&rewriting->why, "%s: %.640s", path, why.text);
		exit_code = why.cannot_tell ? EX_OSERR : EX_DATAERR;
	}
	if (exit_code == EX_OK)
		output_findings(&rewriting->calendar);
	buffer_free(&text);
	return exit_code;
}

/* Reads the message; gives an exit code. */
static int read_message(struct rewriting *rewriting, const char *path)
{
	struct problem why;

	if (!mail_file_open(&rewriting->file, path, &rewriting->why))
		return EX_NOINPUT;
	mail_file_each_header(&rewriting->file, take_header, rewriting);
	if (rewriting->headers.content.failed) {
		problem_set(&rewriting->why, "no memory for the headers, or they are too large");
		return EX_OSERR;
	}
	if (!attach_begin(&rewriting->attach, &rewriting->headers, BODY_MEMORY, "/var/tmp",
			  &rewriting->why))
		return EX_OSERR;
	if (!mail_file_each_piece(&rewriting->file, take_body, rewriting, &why)) {
		if (!rewriting->why.text[0])
			rewriting->why = why;
		return EX_IOERR;
	}
	if (attach_check(&rewriting->attach, &why))
		return EX_OK;
	problem_set(&rewriting->why, "the message cannot take a calendar: %s", why.text);
	return why.cannot_tell ? EX_OSERR : EX_DATAERR;
}

static int rewrite(struct rewriting *rewriting, const char *message_path, const char *calendar_path)
{
	int exit_code = read_message(rewriting, message_path);

	if (exit_code == EX_OK)
		exit_code = read_calendar(rewriting, calendar_path);
	if (exit_code != EX_OK)
		return exit_code;
	if (rewriting->headers.signed_already)
		fprintf(stderr, "warning: the DKIM-Signature that is there breaks: sign later\n");
	if (!attach_calendar(&rewriting->attach, buffer_span(&rewriting->calendar.text), TAG_NAME,
			     &rewriting->edits, &rewriting->why))
		return EX_OSERR;
	mail_file_write_headers(&rewriting->file, &rewriting->edits, stdout);
	if (!attach_write(&rewriting->attach, output_write, stdout, &rewriting->why))
		return EX_IOERR;
	return output_finish();
}

int command_rewrite(const struct invocation *invocation)
{
	struct rewriting rewriting = {.headers = headers_new()};
	int exit_code = rewrite(&rewriting, invocation->argument, invocation->calendar);

	if (exit_code != EX_OK)
		output_complain(exit_code, rewriting.why.text);
	mail_file_close(&rewriting.file);
	attach_free(&rewriting.attach);
	headers_free(&rewriting.headers);
	header_edits_free(&rewriting.edits);
	calendar_free(&rewriting.calendar);
	return exit_code;
}
