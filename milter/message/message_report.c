/* message_report: what became of a message, in one line of the log and one record of the ledger. */
#include "message_state.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void log_cancel(const struct cancel_result *result, struct log_line *line)
{
	if (result->waited > 0)
		log_number(line, "waited", result->waited);
	if (result->attempts == 0)
		return;
	log_number(line, "attempts", result->attempts);
	log_field(line, "answer", cronofy_meaning(result->answer)->word);
	if (result->status > 0) {
		log_number(line, "status", result->status);
		log_field(line, "http", result->http_version == 20 ? "2" : "1.1");
	}
	log_number(line, "connects", result->new_connections);
}

/* A text that may name whom the message is about, as it may be shown; stays until the next one. */
static const char *show_text(const struct redact *redact, const char *text, struct buffer *space)
{
	buffer_clear(space);
	redact_text(redact, text, space);
	return space->length > 0 ? space->data : "";
}

/* What the calendar says of itself; as long as there is none, what can be told without it. */
static const char *warning_of(const struct message *message)
{
	const struct calendar *calendar = &message->cancellation.calendar;
	const struct request *request = &message->request;

	if (calendar->text.length > 0 || calendar->warning.text[0] || !request->account ||
	    request->tag.probe ||
	    transaction_is_from_organizer(&message->transaction, request->account))
		return calendar->warning.text;
	return "From is not the account's organizer";
}

static void log_calendar(const struct message *message, const struct redact *redact,
			 struct log_line *line)
{
	const struct cancellation *cancellation = &message->cancellation;
	const struct calendar *calendar = &cancellation->calendar;
	const char *warning = warning_of(message);
	struct buffer space = buffer_with_maximum(LOG_LINE_MAXIMUM);

	if (cancellation->kept)
		log_field(line, "kept", cancellation->kept);
	if (calendar->uid[0])
		log_field(line, "uid", calendar->uid);
	if (calendar->sequence[0])
		log_field(line, "sequence", calendar->sequence);
	if (warning[0])
		log_field(line, "warning", show_text(redact, warning, &space));
	if (calendar->mended.text[0])
		log_field(line, "mended", show_text(redact, calendar->mended.text, &space));
	buffer_free(&space);
}

static void log_verdict(const struct verdict *verdict, const struct redact *redact,
			struct log_line *line)
{
	struct buffer space = buffer_with_maximum(LOG_LINE_MAXIMUM);
	char reply[32];

	if (verdict->code[0]) {
		snprintf(reply, sizeof(reply), "%s_%s", verdict->code, verdict->enhanced);
		log_field(line, "reply", reply);
	}
	if (verdict->text[0])
		log_field(line, "reason", show_text(redact, verdict->text, &space));
	buffer_free(&space);
}

/* The client's address as text; "unknown" if the MTA does not know it. */
static const char *show_client(const struct transaction *transaction, char *out, size_t size)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, &transaction->client, sizeof(v4));
	memcpy(&v6, &transaction->client, sizeof(v6));
	snprintf(out, size, "unknown");
	if (transaction->client.ss_family == AF_INET)
		inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t)size);
	else if (transaction->client.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6.sin6_addr, out, (socklen_t)size);
	return out;
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

void message_write_log(const struct message *message, long long ms)
{
	const struct transaction *transaction = &message->transaction;
	const struct headers *headers = &transaction->headers;
	const struct request *request = &message->request;
	struct log_line line = log_begin();
	const struct redact redact = {transaction->config->log_addresses,
				      transaction->config->address_key};
	char client[INET6_ADDRSTRLEN], shown[REDACTED_MAXIMUM];

	log_field(&line, "queue_id", or_dash(transaction->queue_id));
	log_field(&line, "result", outcome_row(message->verdict.outcome)->word);
	log_field(&line, "invite", or_dash(request->tag.id));
	log_field(&line, "recipient",
		  redact_address(&redact,
				 request->recipient[0] ? request->recipient
						       : envelope_first(&transaction->envelope),
				 shown));
	if (transaction->role == ROLE_SUBMISSION && transaction->envelope.count > 1)
		log_number(&line, "recipients", (long long)transaction->envelope.count);
	log_field(&line, "sender", redact_address(&redact, transaction->sender, shown));
	log_field(&line, "account", request->account ? request->account->name : "-");
	log_field(&line, "client", show_client(transaction, client, sizeof(client)));
	if (transaction->login[0])
		log_field(&line, "login", redact_address(&redact, transaction->login, shown));
	log_field(&line, "message_id", or_dash(headers->message_id));
	log_cancel(&message->cancellation.result, &line);
	log_calendar(message, &redact, &line);
	/* A probe goes the way of tagged mail: what has signed it, signs that too early. */
	if (headers->signed_already &&
	    (message->attach.has_calendar || message->verdict.outcome == OUTCOME_PROBE))
		log_field(&line, "signature", "broken; run this filter before the DKIM signer");
	if (transaction->config->dry_run)
		log_field(&line, "dry_run", "yes");
	log_number(&line, "ms", ms);
	log_verdict(&message->verdict, &redact, &line);
	log_end(message->verdict.level, &line);
}

void message_write_record(const struct message *message, long long ms)
{
	const struct transaction *transaction = &message->transaction;
	const struct request *request = &message->request;
	const struct cancellation *cancellation = &message->cancellation;
	const struct verdict *verdict = &message->verdict;
	char reply[16] = "";
	struct record record = {
		.status = cancellation->result.status,
		.ms = ms,
		.texts =
			{
				[RECORD_RESULT] = outcome_row(verdict->outcome)->word,
				[RECORD_KEPT] = cancellation->kept,
				[RECORD_ACCOUNT] = request->account ? request->account->name : "",
				[RECORD_INVITE] = request->tag.id,
				[RECORD_RECIPIENT] = request->recipient,
				[RECORD_ENVELOPE_RECIPIENT] =
					envelope_first(&transaction->envelope),
				[RECORD_SENDER] = transaction->sender,
				[RECORD_MESSAGE_ID] = transaction->headers.message_id,
				[RECORD_QUEUE_ID] = transaction->queue_id,
				[RECORD_UID] = cancellation->calendar.uid,
				[RECORD_SEQUENCE] = cancellation->calendar.sequence,
				[RECORD_REPLY] = reply,
				[RECORD_REASON] = verdict->text,
			},
	};

	/* Strangers shall not be able to fill it, and a dry run leaves no trace. */
	if (!message->services->ledger || transaction->config->dry_run ||
	    (!transaction->trusted && !request->stamped))
		return;
	if (verdict->code[0])
		snprintf(reply, sizeof(reply), "%s %s", verdict->code, verdict->enhanced);
	ledger_record(message->services->ledger, &record);
}
