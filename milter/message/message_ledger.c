#include "message_state.h"

#include "clock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TAKEN_PAUSE  200  /* ms between two looks at whether the other try is done */
#define LEASE_MARGIN 5000 /* ms that a call may take beyond its deadline, with its calendar kept */

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
	message->call.in_doubt |= found == LEDGER_DAMAGED; /* there was one, so it is cancelled */
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

static void decide_no_ledger(struct message *message)
{
	message_decide(message, OUTCOME_NO_LEDGER,
		       "the ledger cannot be used, so nothing was cancelled; try again later");
}

bool message_find_same(struct message *message)
{
	const enum ledger_found found = find(message, ledger_find_same);

	if (found != LEDGER_FOUND && find_shared(message))
		return true;
	if (found == LEDGER_FAILED && message->config->ledger_required)
		decide_no_ledger(message);
	return found == LEDGER_FOUND;
}

bool message_find_latest(struct message *message)
{
	return find(message, ledger_find_latest) == LEDGER_FOUND;
}

/* ---- the call ---- */

/* False if the MTA is gone. */
static bool sleep_a_while(const struct cancel_request *request, long long *next_progress)
{
	poll(NULL, 0, TAKEN_PAUSE);
	if (clock_now() < *next_progress)
		return true;
	*next_progress = clock_now() + CANCEL_PROGRESS_INTERVAL;
	return !request->progress || request->progress(request->context);
}

/* Another try of the message is in its call: waits for that, as long as there is time. */
static enum ledger_begun begin(struct message *message, const struct cancel_request *request)
{
	const struct ledger_key key = key_of(message);
	long long next_progress = clock_now() + CANCEL_PROGRESS_INTERVAL, left;
	enum ledger_begun begun = LEDGER_TAKEN;
	const bool in_doubt = message->call.in_doubt;

	while (begun == LEDGER_TAKEN && (left = request->deadline - clock_now()) > 0) {
		begun = ledger_begin_call(message->services->ledger, &key, left + LEASE_MARGIN,
					  &message->call);
		if (begun != LEDGER_TAKEN)
			break;
		if (!sleep_a_while(request, &next_progress))
			return LEDGER_TAKEN;
		if (message_find_same(message))
			return LEDGER_TAKEN;
	}
	message->call.in_doubt |= in_doubt;
	return begun;
}

bool message_begin_call(struct message *message, const struct cancel_request *request)
{
	enum ledger_begun begun = LEDGER_NOT_BEGUN;

	if (!message->services->ledger)
		return true;
	begun = begin(message, request);
	if (begun == LEDGER_BEGUN ||
	    (begun == LEDGER_NOT_BEGUN && !message->config->ledger_required))
		return true;
	if (begun == LEDGER_NOT_BEGUN)
		decide_no_ledger(message);
	else if (!message->decided && message->cancel.calendar.length == 0)
		message_decide(message, OUTCOME_IN_PROGRESS,
			       "another try of this message is asking Cronofy; try again later");
	return false;
}

void message_end_call(struct message *message)
{
	const struct ledger_key key = key_of(message);

	if (message->services->ledger)
		ledger_end_call(message->services->ledger, &key, &message->call,
				!message->cancel.in_doubt);
	message->call.in_doubt |= message->cancel.in_doubt;
}

/* ---- what became of it ---- */

long long message_count_bad_calendars(struct message *message)
{
	const struct ledger_key key = key_of(message);

	if (!message->services->ledger)
		return 0;
	return ledger_count_same(message->services->ledger, &key,
				 outcome_row(OUTCOME_BAD_CALENDAR)->word);
}

bool message_keep(struct message *message)
{
	const struct buffer *text = &message->cancel.calendar;
	const struct ledger_key key = key_of(message);
	struct problem why;

	keep_shared(message);
	if (!message->services->ledger ||
	    ledger_keep(message->services->ledger, &key, (struct span){text->data, text->length},
			&why))
		return true;
	message->cancel.in_doubt = true; /* for the next try: it is cancelled, and nothing kept */
	message_end_call(message);
	if (!message->config->ledger_required)
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
