/* command_cancel: --cancel only has Cronofy cancel an invite, and prints the calendar. */
#include "calendar.h"
#include "clock.h"
#include "command.h"
#include "command_ledger.h"
#include "find_account.h"
#include "invocation.h"
#include "output.h"
#include "message.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

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
				[RECORD_RESULT] = outcome_word(OUTCOME_CANCELLED),
				[RECORD_ACCOUNT] = key.account,
				[RECORD_INVITE] = key.invite_id,
				[RECORD_RECIPIENT] = key.recipient,
				[RECORD_QUEUE_ID] = "cancel",
				[RECORD_UID] = calendar->uid,
				[RECORD_SEQUENCE] = calendar->sequence,
			},
	};
	struct ledger *ledger = command_ledger_open(config);
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
	const struct calendar_question question = {.recipient = request->recipient};
	struct calendar calendar;
	struct problem why;
	int exit_code = EX_TEMPFAIL;

	if (!calendar_accept(&calendar, buffer_span(&result->calendar), &question, &why)) {
		fprintf(stderr, "cancel-invite-milter: Cronofy: the calendar cannot be sent: %s\n",
			why.text);
	} else {
		output_findings(&calendar);
		keep_calendar(config, request, result, &calendar);
		output_write(stdout, calendar.text.data, calendar.text.length);
		exit_code = output_finish();
	}
	calendar_free(&calendar);
	return exit_code;
}

int command_cancel(const struct invocation *invocation)
{
	const struct config *config = invocation->config;
	const char *invite_id = invocation->argument, *recipient = invocation->operands[0];
	const struct account *account = find_account(config, invocation->account);
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
		return output_complain(EX_USAGE,
				       "--cancel takes an invite's id and its recipient's address");
	http = http_start(&why);
	if (!http)
		return output_complain(EX_OSERR, why.text);
	request.deadline = clock_now() + account->deadline;
	request.pace = pace_new(); /* its tries alone: without memory for it they go at once */
	cancel_invite(http, &request, &result);
	if (result.outcome == CANCEL_DONE)
		exit_code = take_calendar(config, &request, &result);
	else
		exit_code = output_complain(result.outcome == CANCEL_REFUSED ? EX_UNAVAILABLE
									     : EX_TEMPFAIL,
					    result.why.text);
	buffer_free(&result.calendar);
	http_stop(http);
	pace_free(request.pace);
	return exit_code;
}
