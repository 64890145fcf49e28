#include "message_state.h"

#include "clock.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void log_cancel(struct message *message, struct log_line *line)
{
	const struct cancel_result *cancel = &message->cancel;

	log_number(line, "attempts", cancel->attempts);
	if (cancel->status > 0) {
		log_number(line, "status", cancel->status);
		log_field(line, "http", cancel->http_version == 20 ? "2" : "1.1");
	}
	log_number(line, "connects", cancel->new_connections);
}

static void log_calendar(struct message *message, struct log_line *line)
{
	if (message->kept)
		log_field(line, "kept", message->kept);
	if (message->calendar.uid[0])
		log_field(line, "uid", message->calendar.uid);
	if (message->calendar.sequence[0])
		log_field(line, "sequence", message->calendar.sequence);
	if (message->calendar.warning.text[0])
		log_field(line, "warning", message->calendar.warning.text);
	if (message->calendar.mended.text[0])
		log_field(line, "mended", message->calendar.mended.text);
	if (message->headers.signed_already && message->has_new_body)
		log_field(line, "signature", "broken; run this filter before the DKIM signer");
}

/* The client's address as text; "unknown" if the MTA does not know it. */
static const char *show_client(const struct message *message, char *out, size_t size)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, &message->client, sizeof(v4));
	memcpy(&v6, &message->client, sizeof(v6));
	snprintf(out, size, "unknown");
	if (message->client.ss_family == AF_INET)
		inet_ntop(AF_INET, &v4.sin_addr, out, (socklen_t)size);
	else if (message->client.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6.sin6_addr, out, (socklen_t)size);
	return out;
}

/* The one line about this message. */
void message_write_log(struct message *message)
{
	const long long ms = clock_now() - message->begun;
	struct log_line line = log_begin();
	const struct verdict *verdict = &message->verdict;
	char client[INET6_ADDRSTRLEN], reply[32];

	log_field(&line, "queue_id", message->queue_id[0] ? message->queue_id : "-");
	log_field(&line, "result", outcome_row(verdict->outcome)->word);
	log_field(&line, "invite", message->tag.id[0] ? message->tag.id : "-");
	log_field(&line, "recipient",
		  message->invite_recipient[0] ? message->invite_recipient
					       : envelope_first(&message->envelope));
	if (message->role == ROLE_GATE && message->envelope.count > 1)
		log_number(&line, "recipients", (long long)message->envelope.count);
	log_field(&line, "sender", message->sender);
	log_field(&line, "account", message->account ? message->account->name : "-");
	log_field(&line, "client", show_client(message, client, sizeof(client)));
	if (message->login[0])
		log_field(&line, "login", message->login);
	log_field(&line, "message_id",
		  message->headers.message_id[0] ? message->headers.message_id : "-");
	if (message->cancel.waited > 0)
		log_number(&line, "waited", message->cancel.waited);
	if (message->cancel.attempts > 0)
		log_cancel(message, &line);
	log_calendar(message, &line);
	if (message->config->dry_run)
		log_field(&line, "dry_run", "yes");
	log_number(&line, "ms", ms);
	if (verdict->code[0]) {
		snprintf(reply, sizeof(reply), "%s_%s", verdict->code, verdict->enhanced);
		log_field(&line, "reply", reply);
	}
	if (verdict->text[0])
		log_field(&line, "reason", verdict->text);
	log_end(verdict->level, &line);
	metrics_count_message(message->services->metrics,
			      message->account ? message->account->name : NULL, verdict->outcome,
			      ms);
	message_record(message, ms);
	message->logged = true;
}

void message_report(struct message *message, bool taken)
{
	if (!taken)
		verdict_not_taken(&message->verdict);
	if (!message->logged)
		message_write_log(message);
}
