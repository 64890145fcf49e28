/* command_rewrite: --rewrite attaches the calendar of a file to the message of a file. */
#include "attach.h"
#include "calendar.h"
#include "command.h"
#include "header_edits.h"
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

/* What we have no means for another time may be done; what is wrong with the input stays wrong. */
static int exit_code_of(const struct problem *why, int wrong)
{
	return why->cannot_tell ? EX_OSERR : wrong;
}

/* ---- the message ---- */

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

/* Gives an exit code. */
static int read_headers(struct rewriting *rewriting, const char *path)
{
	struct headers *headers = &rewriting->headers;
	struct problem *why = &rewriting->why;

	if (!mail_file_open(&rewriting->file, path, why))
		return exit_code_of(why, EX_NOINPUT);
	if (!mail_file_each_header(&rewriting->file, take_header, rewriting, why))
		return EX_OSERR;
	if (headers->content.out_of_memory) {
		problem_cannot_tell(why, "no memory for the headers");
		return EX_OSERR;
	}
	if (headers->content.failed || headers_most_edits(headers) > HEADERS_EDITS_MAXIMUM) {
		problem_set(why, "the message has too many Content-* headers, or too large ones");
		return EX_DATAERR;
	}
	return EX_OK;
}

/* Gives an exit code. */
static int read_message(struct rewriting *rewriting, const char *path)
{
	struct problem *why = &rewriting->why;
	struct problem reason;
	int exit_code = read_headers(rewriting, path);

	if (exit_code != EX_OK)
		return exit_code;
	if (!attach_begin(&rewriting->attach, &rewriting->headers, BODY_MEMORY, "/var/tmp", why))
		return exit_code_of(why, EX_SOFTWARE);
	if (!mail_file_each_piece(&rewriting->file, take_body, rewriting, &reason)) {
		if (!why->text[0])
			*why = reason;
		return exit_code_of(why, EX_IOERR);
	}
	if (attach_check(&rewriting->attach, &reason))
		return EX_OK;
	*why = reason;
	if (!reason.cannot_tell)
		problem_set(why, "the message cannot take a calendar: %.640s", reason.text);
	return exit_code_of(&reason, EX_DATAERR);
}

/* ---- the calendar ---- */

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

/* ---- both ---- */

/* Nothing is written before all that can go wrong has gone right, but for the writing. */
static int rewrite(struct rewriting *rewriting, const char *message_path, const char *calendar_path)
{
	struct problem *why = &rewriting->why;
	int exit_code = read_message(rewriting, message_path);

	if (exit_code == EX_OK)
		exit_code = read_calendar(rewriting, calendar_path);
	if (exit_code != EX_OK)
		return exit_code;
	if (!attach_calendar(&rewriting->attach, buffer_span(&rewriting->calendar.text), TAG_NAME,
			     &rewriting->edits, why))
		return exit_code_of(why, EX_SOFTWARE);
	if (rewriting->headers.signed_already)
		fprintf(stderr, "warning: the calendar breaks the existing DKIM-Signature; sign "
				"afterwards\n");
	mail_file_write_headers(&rewriting->file, &rewriting->edits, stdout);
	if (!attach_write(&rewriting->attach, output_write, stdout, why))
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
