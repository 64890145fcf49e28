#include "message_state.h"

#include <stdio.h>
#include <string.h>

/* A Message-ID that was cut could be another message's. */
static const char *whole_message_id(const struct message *message)
{
	const struct headers *headers = &message->headers;

	return strlen(headers->message_id) + 1 < sizeof(headers->message_id) ? headers->message_id
									     : "";
}

static struct ledger_key key_of(const struct message *message)
{
	return (struct ledger_key){
		.account = message->account->name,
		.invite_id = message->tag.id,
		.recipient = message->invite_recipient,
		.message_id = whole_message_id(message),
	};
}

static enum ledger_found find(struct message *message,
			      enum ledger_found (*finder)(struct ledger *ledger,
							  const struct ledger_key *key,
							  struct buffer *calendar))
{
	struct buffer *calendar = &message->cancel.calendar;
	const struct ledger_key key = key_of(message);
	enum ledger_found found;

	if (!message->services->ledger)
		return LEDGER_NOTHING;
	buffer_free(calendar);
	*calendar = buffer_with_maximum(HTTP_REPLY_MAXIMUM);
	found = finder(message->services->ledger, &key, calendar);
	if (found != LEDGER_FOUND)
		buffer_free(calendar);
	return found;
}

/* ---- what another host may have obtained ---- */

static bool is_shared(const struct message *message)
{
	return message->config->ledger_shared && message->services->store &&
	       whole_message_id(message)[0];
}

static struct redis_cancellation cancellation_of(const struct message *message)
{
	return (struct redis_cancellation){
		.account = message->account->name,
		.invite_id = message->tag.id,
		.recipient = message->invite_recipient,
		.message_id = message->headers.message_id,
	};
}

static bool find_shared(struct message *message)
{
	const struct redis_cancellation cancellation = cancellation_of(message);
	struct buffer *calendar = &message->cancel.calendar;
	enum redis_found found;

	if (!is_shared(message))
		return false;
	buffer_free(calendar);
	*calendar = buffer_with_maximum(HTTP_REPLY_MAXIMUM);
	found = redis_store_find(message->services->store, &cancellation, calendar);
	if (found == REDIS_FOUND)
		return true;
	if (found == REDIS_FORGED)
		log_write(LOG_LEVEL_ERROR,
			  "ledger: the calendar in Redis for invite %.100s is not one of ours and is "
			  "not used: whoever may write to Redis put it there, or the filters do not "
			  "have the same secret",
			  message->tag.id);
	buffer_free(calendar);
	return false;
}

/* That Redis is away is the pace's to tell; the ledger has it in any case. */
static void keep_shared(struct message *message)
{
	const struct redis_cancellation cancellation = cancellation_of(message);
	const struct buffer *text = &message->cancel.calendar;

	if (is_shared(message))
		redis_store_keep(message->services->store, &cancellation, text->data, text->length,
				 message->config->ledger_keep);
}

/* ---- the message's ways ---- */

bool message_find_same(struct message *message)
{
	const enum ledger_found found = find(message, ledger_find_same);

	if (found != LEDGER_FOUND && find_shared(message))
		return true;
	if (found != LEDGER_FOUND && message->config->ledger_required &&
	    (found == LEDGER_FAILED ||
	     (message->services->ledger && !ledger_is_usable(message->services->ledger))))
		message_decide(
			message, OUTCOME_NO_LEDGER,
			"the ledger cannot be used, so nothing was cancelled; try again later");
	return found == LEDGER_FOUND;
}

bool message_find_latest(struct message *message)
{
	return find(message, ledger_find_latest) == LEDGER_FOUND;
}

bool message_keep(struct message *message)
{
	const struct buffer *text = &message->cancel.calendar;
	const struct ledger_key key = key_of(message);
	struct problem why;

	keep_shared(message);
	if (!message->services->ledger ||
	    ledger_keep(message->services->ledger, &key, (struct span){text->data, text->length},
			&why) ||
	    !message->config->ledger_required)
		return true;
	return message_decide(message, OUTCOME_NO_LEDGER,
			      "the calendar could not be kept: %s; try again later", why.text);
}

void message_record(struct message *message, long long ms)
{
	char reply[16] = "";
	struct record record = {
		.status = message->cancel.status,
		.ms = ms,
		.texts =
			{
				[RECORD_RESULT] = outcome_row(message->verdict.outcome)->word,
				[RECORD_KEPT] = message->kept,
				[RECORD_ACCOUNT] = message->account ? message->account->name : "",
				[RECORD_INVITE] = message->tag.id,
				[RECORD_RECIPIENT] = message->invite_recipient,
				[RECORD_ENVELOPE_RECIPIENT] = envelope_first(&message->envelope),
				[RECORD_SENDER] = message->sender,
				[RECORD_MESSAGE_ID] = message->headers.message_id,
				[RECORD_QUEUE_ID] = message->queue_id,
				[RECORD_UID] = message->calendar.uid,
				[RECORD_SEQUENCE] = message->calendar.sequence,
				[RECORD_REPLY] = reply,
				[RECORD_REASON] = message->verdict.text,
			},
	};

	/* Strangers shall not be able to fill it, and a dry run leaves no trace. */
	if (!message->services->ledger || !message->trusted || message->config->dry_run)
		return;
	if (message->verdict.code[0])
		snprintf(reply, sizeof(reply), "%s %s", message->verdict.code,
			 message->verdict.enhanced);
	ledger_record(message->services->ledger, &record);
}
