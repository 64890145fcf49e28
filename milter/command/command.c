#include "command.h"

#include "calendar.h"
#include "find_account.h"
#include "mail_file.h"
#include "message.h"
#include "mime.h"
#include "clock.h"
#include "rewrite.h"
#include "spool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#define BODY_MEMORY ((size_t)256 * 1024)
#define TAG_NAME    "X-Cancel-Invite"

static int complain(int exit_code, const char *text)
{
	fprintf(stderr, "cancel-invite-milter: %s\n", text);
	return exit_code;
}

static bool write_out(void *context, const char *data, size_t length)
{
	return fwrite(data, 1, length, context) == length;
}

/* What was printed is only printed when it is flushed without an error. */
static int finish_output(void)
{
	return fflush(stdout) == 0 && !ferror(stdout)
		       ? EX_OK
		       : complain(EX_IOERR, "cannot write the result");
}

/*
 * The ledger that there is; NULL if there is none. One that we made would belong to us, and the
 * filter could not use it.
 */
static struct ledger *open_ledger(const struct config *config)
{
	const struct ledger_options options = {
		.path = config->ledger_file,
		.mode = LEDGER_STORE_EXISTING,
		.keep = config->ledger_keep,
		.retry = LEDGER_RETRY,
	};
	struct problem why;

	if (!config->ledger_file || access(config->ledger_file, F_OK) < 0)
		return NULL;
	return ledger_start(&options, &why);
}

/* ---- --rewrite ---- */

struct rewriting {
	struct mail_file file;
	struct headers headers;
	struct spool body;
	struct mime_scanner *scanner;
	struct mime_plan plan;
	struct calendar calendar;
	struct rewrite rewrite;
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

	mime_scanner_add(rewriting->scanner, data, length);
	return spool_add(&rewriting->body, data, length, &rewriting->why);
}

static bool copy_body(void *context, size_t offset, const char *data, size_t length)
{
	struct rewriting *rewriting = context;

	return rewrite_write(&rewriting->rewrite, offset, (struct span){data, length},
			     offset + length == rewriting->body.length, write_out, stdout);
}

/* Gives an exit code. */
static int read_calendar(struct rewriting *rewriting, const char *path)
{
	struct buffer text = buffer_with_maximum(CALENDAR_MAXIMUM + 1);
	struct problem why;
	char piece[16384];
	size_t length;
	FILE *stream = fopen(path, "re");
	bool good;

	if (!stream) {
		problem_set(&rewriting->why, "%s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	while ((length = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(&text, piece, length);
	fclose(stream);
	good = calendar_accept(&rewriting->calendar, (struct span){text.data, text.length}, NULL,
			       rewriting->headers.from[0] ? rewriting->headers.from : NULL, &why);
	if (!good)
		problem_set(&rewriting->why, "%s: %.640s", path, why.text);
	buffer_free(&text);
	if (good && rewriting->calendar.warning.text[0])
		fprintf(stderr, "warning: %s\n", rewriting->calendar.warning.text);
	return good ? EX_OK : EX_DATAERR;
}

static int rewrite(struct rewriting *rewriting, const char *message_path, const char *calendar_path)
{
	unsigned char random[MIME_STEMS * MIME_STEM_DIGITS / 2];
	struct problem why;
	int exit_code;

	if (!mail_file_open(&rewriting->file, message_path, &rewriting->why))
		return EX_NOINPUT;
	mail_file_each_header(&rewriting->file, take_header, rewriting);
	if (getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random))
		rewriting->scanner =
			mime_scanner_new(buffer_span(&rewriting->headers.content), random);
	if (!rewriting->scanner || rewriting->headers.content.failed) {
		problem_set(&rewriting->why, "no memory for the headers, or they are too large");
		return EX_OSERR;
	}
	if (!mail_file_each_piece(&rewriting->file, take_body, rewriting, &why)) {
		if (!rewriting->why.text[0])
			rewriting->why = why;
		return EX_IOERR;
	}
	if (!mime_scanner_finish(rewriting->scanner, &rewriting->plan, &why)) {
		problem_set(&rewriting->why, "the message cannot take a calendar: %s", why.text);
		return EX_DATAERR;
	}
	exit_code = read_calendar(rewriting, calendar_path);
	if (exit_code != EX_OK)
		return exit_code;
	if (rewriting->headers.signed_already)
		fprintf(stderr, "warning: the DKIM-Signature that is there breaks: sign later\n");
	if (!rewrite_make(&rewriting->rewrite, &rewriting->plan,
			  buffer_span(&rewriting->headers.content),
			  buffer_span(&rewriting->calendar.text))) {
		problem_set(&rewriting->why, "no memory for the calendar");
		return EX_OSERR;
	}
	header_edits_strip_tags(&rewriting->headers, TAG_NAME, &rewriting->edits);
	header_edits_follow_rewrite(&rewriting->headers, &rewriting->rewrite, &rewriting->edits);
	mail_file_write_headers(&rewriting->file, &rewriting->edits, stdout);
	if (rewriting->body.length == 0)
		copy_body(rewriting, 0, "", 0);
	else if (!spool_read(&rewriting->body, copy_body, rewriting, &rewriting->why))
		return EX_IOERR;
	return finish_output();
}

int command_rewrite(const char *message_path, const char *calendar_path)
{
	struct rewriting rewriting = {
		.headers = headers_new(),
		.body = spool_new(BODY_MEMORY, "/var/tmp"),
	};
	int exit_code = rewrite(&rewriting, message_path, calendar_path);

	if (exit_code != EX_OK)
		complain(exit_code, rewriting.why.text);
	mail_file_close(&rewriting.file);
	headers_free(&rewriting.headers);
	header_edits_free(&rewriting.edits);
	spool_free(&rewriting.body);
	mime_scanner_free(rewriting.scanner);
	calendar_free(&rewriting.calendar);
	rewrite_free(&rewriting.rewrite);
	return exit_code;
}

/* ---- --cancel ---- */

/* For a message that comes later, when Cronofy knows the invite no more. */
static void keep_calendar(const struct config *config, const struct cancel_request *request,
			  const struct cancel_result *result, const struct calendar *calendar)
{
	const struct ledger_key key = {request->account->name, request->invite_id,
				       request->recipient, ""};
	const struct record record = {
		.status = result->status,
		.texts =
			{
				[RECORD_RESULT] = "cancelled",
				[RECORD_ACCOUNT] = key.account,
				[RECORD_INVITE] = key.invite_id,
				[RECORD_RECIPIENT] = key.recipient,
				[RECORD_QUEUE_ID] = "cancel",
				[RECORD_UID] = calendar->uid,
				[RECORD_SEQUENCE] = calendar->sequence,
			},
	};
	struct ledger *ledger = open_ledger(config);
	struct problem why;

	if (!ledger)
		return;
	if (!ledger_keep(ledger, &key, buffer_span(&result->calendar), &why))
		fprintf(stderr, "warning: %s\n", why.text);
	ledger_record(ledger, &record);
	ledger_free(ledger);
}

static int take_calendar(const struct config *config, const struct cancel_request *request,
			 const struct cancel_result *result)
{
	struct calendar calendar;
	struct problem why;
	int exit_code = EX_TEMPFAIL;

	if (!calendar_accept(&calendar, buffer_span(&result->calendar), request->recipient, NULL,
			     &why)) {
		fprintf(stderr, "cancel-invite-milter: Cronofy: the calendar cannot be sent: %s\n",
			why.text);
	} else {
		if (calendar.warning.text[0])
			fprintf(stderr, "warning: %s\n", calendar.warning.text);
		keep_calendar(config, request, result, &calendar);
		write_out(stdout, calendar.text.data, calendar.text.length);
		exit_code = finish_output();
	}
	calendar_free(&calendar);
	return exit_code;
}

int command_cancel(const struct config *config, const char *invite_id, const char *recipient,
		   const char *account_name)
{
	const struct account *account = find_account(config, account_name);
	struct cancel_request request = {
		.account = account, .invite_id = invite_id, .recipient = recipient};
	struct cancel_result result;
	struct problem why;
	struct http *http;
	int exit_code;

	if (!account)
		return EX_USAGE;
	if (!tag_is_id((struct span){invite_id, strlen(invite_id)}) ||
	    !address_is_valid((struct span){recipient, strlen(recipient)}))
		return complain(EX_USAGE,
				"--cancel takes an invite's id and its recipient's address");
	http = http_start(&why);
	if (!http)
		return complain(EX_OSERR, why.text);
	request.deadline = clock_now() + account->deadline;
	request.pace = pace_new(); /* its tries alone: without memory for it they go at once */
	cancel_invite(http, &request, &result);
	if (result.outcome == CANCEL_DONE)
		exit_code = take_calendar(config, &request, &result);
	else
		exit_code =
			complain(result.outcome == CANCEL_REFUSED ? EX_UNAVAILABLE : EX_TEMPFAIL,
				 result.why.text);
	buffer_free(&result.calendar);
	http_stop(http);
	pace_free(request.pace);
	return exit_code;
}

/* ---- --try ---- */

static void give_header(void *context, const char *name, const char *value)
{
	message_add_header(context, name, value, false);
}

static bool give_body(void *context, const char *data, size_t length)
{
	message_add_body(context, data, length);
	return true;
}

static bool print_piece(void *context, const char *data, size_t length)
{
	(void)context;
	return write_out(stdout, data, length);
}

/* The message as the MTA would now have it. */
static int print_message(struct message *message, struct mail_file *file, const char *path)
{
	struct mail_file again;
	struct problem why;
	bool good;

	mail_file_write_headers(file, message_edits(message), stdout);
	if (message_has_new_body(message)) {
		good = message_write_body(message, write_out, stdout, &why);
	} else {
		good = mail_file_open(&again, path, &why) &&
		       mail_file_each_piece(&again, print_piece, NULL, &why);
		mail_file_close(&again);
	}
	return good ? finish_output() : complain(EX_IOERR, why.text);
}

static int try_message(struct message *message, struct config *config, struct mail_file *file,
		       const char *path, const char *sender, char *const *recipients, int count)
{
	const struct verdict *verdict = message_verdict(message);
	const struct message_origin origin = {
		.daemon = "", .host = "", .login = "", .sender = sender, .parsed_sender = sender};
	enum message_next next;
	struct problem why;

	message_begin(message, config, &origin);
	message_trust(message);
	for (int i = 0; i < count; i++)
		message_add_recipient(message, recipients[i], NULL);
	mail_file_each_header(file, give_header, message);
	next = message_end_headers(message, "try");
	if (next == MESSAGE_NOTHING_TO_DO) {
		fprintf(stderr, "cancel-invite-milter: no %s header: the message stays as it is\n",
			config->header);
		return print_message(message, file, path);
	}
	if (next == MESSAGE_WANTS_BODY) {
		if (!mail_file_each_piece(file, give_body, message, &why))
			return complain(EX_IOERR, why.text);
		message_finish(message, NULL, NULL);
		message_report(message, true);
	}
	switch (verdict->action) {
	case ACTION_ACCEPT:
		return print_message(message, file, path);
	case ACTION_HOLD:
		fprintf(stderr, "held: %s\n", verdict->text);
		return EX_TEMPFAIL;
	case ACTION_DISCARD:
		fprintf(stderr, "a probe, and it arrived: nobody gets it\n");
		return EX_OK;
	default:
		fprintf(stderr, "%s %s %s\n", verdict->code, verdict->enhanced, verdict->text);
		if (verdict->action == ACTION_DEFER)
			return EX_TEMPFAIL;
		return outcome_row(verdict->outcome)->by_cronofy ? EX_UNAVAILABLE : EX_DATAERR;
	}
}

int command_try(struct config *config, const char *message_path, const char *sender,
		char *const *recipients, int recipient_count)
{
	struct message_services services = {0};
	struct message *message = NULL;
	struct mail_file file;
	struct problem why;
	int exit_code;

	if (!mail_file_open(&file, message_path, &why)) {
		mail_file_close(&file);
		return complain(EX_NOINPUT, why.text);
	}
	services.http = http_start(&why);
	services.active = active_new();
	services.ledger = open_ledger(config);
	services.pace = pace_new(); /* its tries alone: without memory for it they go at once */
	if (services.http && services.active)
		message = message_new(&services);
	if (message)
		exit_code = try_message(message, config, &file, message_path, sender, recipients,
					recipient_count);
	else
		exit_code = complain(EX_OSERR, services.http ? "no memory" : why.text);
	message_free(message);
	ledger_free(services.ledger);
	http_stop(services.http);
	pace_free(services.pace);
	active_free(services.active);
	mail_file_close(&file);
	return exit_code;
}
