/* command_try: --try does with one message all that the filter would do. */
#include "command.h"
#include "command_ledger.h"
#include "invocation.h"
#include "mail_file.h"
#include "message.h"
#include "output.h"

#include <stdio.h>
#include <sysexits.h>

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
	return output_write(stdout, data, length);
}

/* The message as the MTA would now have it. */
static int print_message(struct message *message, struct mail_file *file, const char *path)
{
	struct mail_file again;
	struct problem why;
	bool good;

	mail_file_write_headers(file, message_edits(message), stdout);
	if (message_has_new_body(message)) {
		good = message_write_body(message, output_write, stdout, &why);
	} else {
		good = mail_file_open(&again, path, &why) &&
		       mail_file_each_piece(&again, print_piece, NULL, &why);
		mail_file_close(&again);
	}
	return good ? output_finish() : output_complain(EX_IOERR, why.text);
}

static int try_message(struct message *message, const struct invocation *invocation,
		       struct mail_file *file)
{
	struct config *config = invocation->config;
	const struct verdict *verdict = message_verdict(message);
	const char *sender = invocation->sender ? invocation->sender : "";
	const struct transaction_origin origin = {.daemon = "",
						  .host = "",
						  .login = "",
						  .sender = sender,
						  .by_administrator = true,
						  .parsed_sender = sender};
	enum message_next next;
	struct problem why;

	message_begin(message, config, &origin);
	for (int i = 0; i < invocation->operand_count; i++)
		message_add_recipient(message, invocation->operands[i], NULL);
	if (!mail_file_each_header(file, give_header, message, &why))
		return output_complain(EX_OSERR, why.text);
	next = message_end_headers(message, "try");
	if (next == MESSAGE_NOTHING_TO_DO) {
		fprintf(stderr, "cancel-invite-milter: no %s header: the message is unchanged\n",
			config->header);
		return print_message(message, file, invocation->argument);
	}
	if (next == MESSAGE_WANTS_BODY) {
		if (!mail_file_each_piece(file, give_body, message, &why))
			return output_complain(EX_IOERR, why.text);
		message_finish(message, NULL, NULL);
	}
	message_report(message, true);
	switch (message_action(message)) {
	case ACTION_ACCEPT:
		return print_message(message, file, invocation->argument);
	case ACTION_HOLD:
		fprintf(stderr, "held: %s\n", verdict->text);
		return EX_TEMPFAIL;
	case ACTION_DISCARD:
		fprintf(stderr, "a probe: it arrived, and is discarded\n");
		return EX_OK;
	default:
		fprintf(stderr, "%s %s %s\n", verdict->code, verdict->enhanced, verdict->text);
		if (verdict->action == ACTION_DEFER)
			return EX_TEMPFAIL;
		return outcome_row(verdict->outcome)->by_cronofy ? EX_UNAVAILABLE : EX_DATAERR;
	}
}

int command_try(const struct invocation *invocation)
{
	struct config *config = invocation->config;
	struct message_services services = {0};
	struct message *message = NULL;
	struct mail_file file;
	struct problem why;
	int exit_code;

	if (!mail_file_open(&file, invocation->argument, &why)) {
		mail_file_close(&file);
		return output_complain(why.cannot_tell ? EX_OSERR : EX_NOINPUT, why.text);
	}
	services.http = http_start(&why);
	services.active = active_new();
	services.ledger = command_ledger_open(config);
	services.pace = pace_new(); /* its tries alone: without memory for it they go at once */
	if (services.http && services.active)
		message = message_new(&services);
	if (message)
		exit_code = try_message(message, invocation, &file);
	else
		exit_code = output_complain(EX_OSERR, services.http ? "no memory" : why.text);
	message_free(message);
	ledger_free(services.ledger);
	http_stop(services.http);
	pace_free(services.pace);
	active_free(services.active);
	mail_file_close(&file);
	return exit_code;
}
