#include "message.h"

#include "calendar.h"
#include "log.h"
#include "monotonic.h"
#include "spool.h"
#include "tag.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct message {
	const struct message_services *services;
	struct config *config; /* held from begin to begin */
	long long begun;       /* monotonic_now() */

	/* Gathered. */
	bool trusted;
	struct sockaddr_storage client; /* AF_UNSPEC if the MTA does not know it */
	char login[256];
	char sender[TAG_ADDRESS_MAXIMUM + 1];
	bool sender_fits;
	char recipient[TAG_ADDRESS_MAXIMUM + 1]; /* the first of the envelope */
	size_t recipients;
	char queue_id[64];
	struct headers headers;
	struct spool body;

	/* Worked out. */
	struct tag tag;
	const char *invite_recipient;
	const struct account *account;
	struct mime_scanner *scanner;
	bool has_place; /* among those at work; until the message is forgotten */
	struct mime_plan plan;
	bool strip_only; /* the tags go, and that is all */
	bool decided;
	struct message_verdict verdict;
	bool told;          /* the log has its line */
	const char *result; /* a word for the log */
	enum log_level level;
	struct cancel_result cancel;
	struct calendar calendar;
	struct rewrite rewrite;
	bool has_new_body;
	struct header_edits edits;
};

/* ---- life ---- */

struct message *message_new(const struct message_services *services)
{
	struct message *message = calloc(1, sizeof(*message));

	if (!message)
		return NULL;
	message->services = services;
	message->headers = headers_new();
	message->body = spool_new(0, "");
	return message;
}

void message_forget(struct message *message)
{
	const struct message_services *services = message->services;
	struct headers headers = message->headers;

	if (!message->config)
		return; /* there is nothing since the last time: most mail passes here twice */
	if (message->has_place)
		places_leave(services->places);
	mime_scanner_free(message->scanner);
	spool_free(&message->body);
	buffer_free(&message->cancel.calendar);
	calendar_free(&message->calendar);
	rewrite_free(&message->rewrite);
	header_edits_free(&message->edits);
	config_release(message->config);
	memset(message, 0, sizeof(*message));
	headers_clear(&headers);
	message->services = services;
	message->headers = headers;
	message->body = spool_new(0, "");
}

void message_free(struct message *message)
{
	if (!message)
		return;
	message_forget(message);
	headers_free(&message->headers);
	free(message);
}

/* ---- gathering ---- */

/*
 * Copies an address as the MTA gives it: <user@host> from SMTP, user@host from sendmail(1). False
 * if it does not fit: the beginning of an address is another address.
 */
static bool copy_address(char *out, size_t size, const char *address)
{
	size_t length = strlen(address);

	if (length >= 2 && address[0] == '<' && address[length - 1] == '>') {
		address++;
		length -= 2;
	}
	out[0] = '\0';
	if (length >= size)
		return false;
	memcpy(out, address, length);
	out[length] = '\0';
	return true;
}

void message_begin(struct message *message, struct config *config, const struct sockaddr *client,
		   const char *login, const char *sender)
{
	message_forget(message);
	message->config = config_hold(config);
	message->begun = monotonic_now();
	message->body = spool_new((size_t)config->body_memory, config->temp_dir);
	message->trusted = policy_is_trusted(config, client, login);
	if (client && client->sa_family == AF_INET)
		memcpy(&message->client, client, sizeof(struct sockaddr_in));
	else if (client && client->sa_family == AF_INET6)
		memcpy(&message->client, client, sizeof(struct sockaddr_in6));
	snprintf(message->login, sizeof(message->login), "%s", login);
	message->sender_fits = copy_address(message->sender, sizeof(message->sender), sender);
}

void message_trust(struct message *message)
{
	message->trusted = true;
}

void message_add_recipient(struct message *message, const char *recipient)
{
	char address[sizeof(message->recipient)];

	/* One that does not fit stays empty, and is refused as no address. */
	(void)!copy_address(address, sizeof(address), recipient);
	if (message->recipients > 0 && strcasecmp(address, message->recipient) == 0)
		return;
	if (message->recipients++ == 0)
		memcpy(message->recipient, address, sizeof(address));
}

void message_add_header(struct message *message, const char *name, const char *value,
			bool space_cut)
{
	headers_add(&message->headers, message->config->header, name, value, space_cut);
}

/* ---- deciding ---- */

static void decide(struct message *message, enum message_action action, const char *code,
		   const char *enhanced, const char *reason)
{
	message->decided = true;
	message->verdict.action = action;
	message->verdict.code = code;
	message->verdict.enhanced = enhanced;
	snprintf(message->verdict.text, sizeof(message->verdict.text), "%s: %s",
		 message->config->header, reason);
}

static void reject(struct message *message, const char *code, const char *enhanced,
		   const char *result, const char *reason)
{
	message->result = result;
	message->level = LOG_LEVEL_INFO;
	decide(message, MESSAGE_REJECT, code, enhanced, reason);
}

static void tempfail(struct message *message, const char *enhanced, const char *result,
		     enum log_level level, const char *reason)
{
	message->result = result;
	message->level = level;
	decide(message, MESSAGE_TEMPFAIL, "451", enhanced, reason);
}

static void fail_here(struct message *message, const char *reason)
{
	tempfail(message, "4.3.0", "failed", LOG_LEVEL_ERROR, reason);
}

/* Everything about a tagged message that can be said before its body is seen. */
static bool check_envelope_and_tag(struct message *message)
{
	const struct span value = span_trim(
		(struct span){message->headers.tag_value.data, message->headers.tag_value.length});
	struct problem why;
	char text[sizeof(why.text) + 128], shown[96];

	if (message->headers.tags > 1) {
		snprintf(text, sizeof(text), "%zu of them in one message; one invite a message",
			 message->headers.tags);
		reject(message, "554", "5.6.0", "bad_tag", text);
		return false;
	}
	problem_set(&why, "it is too long");
	if (message->headers.tag_value.failed || !tag_parse(&message->tag, value, &why)) {
		problem_quote(shown, sizeof(shown), value.at, value.length);
		snprintf(text, sizeof(text), shown[0] ? "%s; the value is \"%s\"" : "%s", why.text,
			 shown);
		reject(message, "554", "5.6.0", "bad_tag", text);
		return false;
	}
	if (!message->sender_fits) {
		reject(message, "550", "5.1.7", "bad_sender", "the sender's address is too long");
		return false;
	}
	message->account = policy_account(message->config, message->login, message->sender);
	if (!message->account) {
		snprintf(text, sizeof(text), "sender <%s> belongs to no Cronofy account here",
			 message->sender);
		reject(message, "550", "5.7.1", "no_account", text);
		return false;
	}
	if (message->recipients > 1) {
		snprintf(text, sizeof(text),
			 "%zu recipients in one message, and this filter runs in direct mode, "
			 "not in queued mode: send one message to each recipient",
			 message->recipients);
		reject(message, "554", "5.5.3", "too_many_recipients", text);
		return false;
	}
	message->invite_recipient =
		message->tag.recipient[0] ? message->tag.recipient : message->recipient;
	if (!tag_is_address(
		    (struct span){message->invite_recipient, strlen(message->invite_recipient)})) {
		snprintf(text, sizeof(text),
			 "the recipient \"%s\" is no address of the form "
			 "user@domain; name the invite's with ;recipient=",
			 message->invite_recipient);
		reject(message, "554", "5.1.3", "bad_recipient", text);
		return false;
	}
	if (message->headers.content.failed) {
		reject(message, "554", "5.6.0", "bad_headers",
		       "the Content-* headers of the message are too large to be understood");
		return false;
	}
	return true;
}

static bool too_large(struct message *message)
{
	char text[128];

	if (message->headers.bytes + message->body.length <=
	    (size_t)message->config->max_message_size)
		return false;
	snprintf(text, sizeof(text), "the message is larger than %lld bytes; nothing was cancelled",
		 message->config->max_message_size);
	reject(message, "552", "5.3.4", "too_large", text);
	return true;
}

static void write_log(struct message *message);

/* A dry run decides and tells, but does nothing. */
static void disarm_if_dry(struct message *message)
{
	if (!message->config->dry_run)
		return;
	message->verdict.action = MESSAGE_ACCEPT;
	message->has_new_body = false;
	header_edits_free(&message->edits);
}

/* The verdict is there before the body is. */
static enum message_next decided_early(struct message *message)
{
	write_log(message);
	disarm_if_dry(message);
	return MESSAGE_DECIDED;
}

/* A tag from somebody who may not use it. */
static enum message_next handle_untrusted(struct message *message)
{
	static const char *const results[] = {
		[UNTRUSTED_STRIP] = "untrusted_stripped",
		[UNTRUSTED_REJECT] = "untrusted_rejected",
		[UNTRUSTED_KEEP] = "untrusted_kept",
	};

	message->result = results[message->config->untrusted];
	message->level = LOG_LEVEL_WARNING;
	switch (message->config->untrusted) {
	case UNTRUSTED_KEEP:
		write_log(message);
		return MESSAGE_NOTHING_TO_DO;
	case UNTRUSTED_REJECT:
		decide(message, MESSAGE_REJECT, "550", "5.7.1",
		       "this client may not cancel invites; it is in no trusted network and did not "
		       "authenticate");
		return decided_early(message);
	default:
		message->strip_only = true;
		return MESSAGE_WANTS_NO_BODY;
	}
}

enum message_next message_end_headers(struct message *message, const char *queue_id)
{
	unsigned char random[MIME_STEMS * MIME_STEM_DIGITS / 2];

	snprintf(message->queue_id, sizeof(message->queue_id), "%s", queue_id);
	if (message->headers.tags == 0)
		return MESSAGE_NOTHING_TO_DO;
	if (!message->trusted)
		return handle_untrusted(message);
	if (!check_envelope_and_tag(message))
		return decided_early(message);
	if (getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random))
		message->scanner = mime_scanner_new((struct span){message->headers.content.data,
								  message->headers.content.length},
						    random);
	if (!message->scanner) {
		fail_here(message, "no memory for the message");
		return decided_early(message);
	}
	return MESSAGE_WANTS_BODY;
}

enum message_next message_add_body(struct message *message, const char *data, size_t length)
{
	struct problem why;

	if (message->decided || !message->scanner)
		return MESSAGE_WANTS_NO_BODY;
	if (!spool_add(&message->body, data, length, &why)) {
		fail_here(message, why.text);
		return MESSAGE_DECIDED;
	}
	if (too_large(message))
		return MESSAGE_DECIDED;
	mime_scanner_add(message->scanner, data, length);
	return MESSAGE_WANTS_BODY;
}

/* ---- the work ---- */

/* SMTP's enhanced status code (RFC 3463) for what Cronofy said, or did not say. */
static const char *enhanced_status(const struct cancel_result *cancel)
{
	static const char *const codes[] = {
		[CRONOFY_CANCELLED] = "4.5.0", /* ... but the calendar was not usable */
		[CRONOFY_INVALID] = "5.5.4",   /* invalid command arguments */
		[CRONOFY_UNKNOWN_INVITE] = "5.5.0",
		[CRONOFY_BAD_KEY] = "4.7.8", /* authentication credentials invalid */
		[CRONOFY_NOT_ALLOWED] = "4.7.0",
		[CRONOFY_CREDENTIALS] = "4.7.0",
		[CRONOFY_LIMIT] = "4.4.5",    /* congestion */
		[CRONOFY_REDIRECT] = "4.4.4", /* unable to route */
		[CRONOFY_OUTAGE] = "4.4.1",   /* no answer from host */
		[CRONOFY_BAD_REPLY] = "4.5.0",
	};

	return cancel->answered ? codes[cancel->reply] : "4.4.1";
}

/* The invite was not cancelled, or there is no calendar to send: as the administrator chose. */
static void fall_back(struct message *message, int fallback, const char *enhanced,
		      const char *reason)
{
	switch (fallback) {
	case FALLBACK_REJECT:
		decide(message, MESSAGE_REJECT, "554", enhanced, reason);
		break;
	case FALLBACK_HOLD:
		decide(message, MESSAGE_HOLD, "", "", reason);
		break;
	case FALLBACK_DELIVER:
		headers_strip_tags(&message->headers, message->config->header, &message->edits);
		message->level = LOG_LEVEL_WARNING;
		decide(message, MESSAGE_ACCEPT, "", "", reason);
		break;
	default:
		tempfail(message, enhanced[0] == '5' ? "4.5.0" : enhanced, message->result,
			 message->level, reason);
		break;
	}
}

static void handle_failure(struct message *message)
{
	const struct cancel_result *cancel = &message->cancel;
	const char *enhanced = enhanced_status(cancel);
	char reason[sizeof(cancel->why.text) + 256], shown[96];

	problem_quote(shown, sizeof(shown), message->tag.id, strlen(message->tag.id));
	snprintf(reason, sizeof(reason), "invite \"%s\" of <%.100s>: %s", shown,
		 message->invite_recipient, cancel->why.text);
	message->verdict.by_cronofy = true;
	switch (cancel->outcome) {
	case CANCEL_REFUSED:
		message->result = "refused";
		message->level = LOG_LEVEL_INFO;
		fall_back(message, message->config->on_refused, enhanced, reason);
		break;
	case CANCEL_INTERRUPTED:
		tempfail(message, "4.4.2", "interrupted", LOG_LEVEL_WARNING, reason);
		break;
	default:
		message->result = "unavailable";
		message->level = cancel->needs_administrator ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
		fall_back(message, message->config->on_unavailable, enhanced, reason);
		break;
	}
}

/* Cancelled: the calendar into the message. */
static void attach(struct message *message)
{
	const struct buffer *text = &message->cancel.calendar;
	struct problem why, whole;
	bool good = calendar_accept(&message->calendar, (struct span){text->data, text->length},
				    message->invite_recipient, message->headers.from, &why);

	if (good && message->config->strict_calendar && message->calendar.warning.text[0]) {
		why = message->calendar.warning;
		good = false;
	}
	if (!good) {
		problem_set(&whole, "Cronofy: the calendar cannot be sent: %.640s", why.text);
		message->result = "bad_calendar";
		message->level = LOG_LEVEL_ERROR;
		fall_back(message, message->config->on_unavailable, "4.5.0", whole.text);
		return;
	}
	if (!rewrite_make(
		    &message->rewrite, &message->plan,
		    (struct span){message->headers.content.data, message->headers.content.length},
		    (struct span){message->calendar.text.data, message->calendar.text.length})) {
		fail_here(message, "no memory for the calendar");
		return;
	}
	headers_strip_tags(&message->headers, message->config->header, &message->edits);
	headers_follow_rewrite(&message->headers, &message->rewrite, &message->edits);
	message->has_new_body = true;
	message->result = "cancelled";
	message->level = LOG_LEVEL_INFO;
	message->decided = true;
	message->verdict.action = MESSAGE_ACCEPT;
}

/* Waits for a place, telling that we do. */
static bool take_place(struct message *message, long long deadline, cancel_progress *progress,
		       void *context)
{
	long long now;

	while (!message->has_place && !places_are_closed(message->services->places) &&
	       (now = monotonic_now()) < deadline) {
		long long until = now + CANCEL_PROGRESS_INTERVAL;

		message->has_place =
			places_take(message->services->places, (size_t)message->config->max_active,
				    until < deadline ? until : deadline);
		if (!message->has_place && progress && !progress(context))
			break;
	}
	return message->has_place;
}

static void cancel(struct message *message, cancel_progress *progress, void *context)
{
	struct cancel_request request = {
		.account = message->account,
		.invite_id = message->tag.id,
		.recipient = message->invite_recipient,
		.deadline = monotonic_now() + message->account->deadline,
		.progress = progress,
		.context = context,
	};

	if (!take_place(message, request.deadline, progress, context)) {
		bool stopping = places_are_closed(message->services->places);

		tempfail(message, "4.3.2", stopping ? "stopping" : "busy", LOG_LEVEL_WARNING,
			 stopping ? "the filter is being stopped; try again later"
				  : "too many messages wait for Cronofy; try again later");
		return;
	}
	cancel_invite(message->services->http, &request, &message->cancel);
	if (message->cancel.outcome == CANCEL_DONE)
		attach(message);
	else
		handle_failure(message);
}

static void work(struct message *message, cancel_progress *progress, void *context)
{
	struct problem why;
	char text[sizeof(why.text) + 64];

	if (!mime_scanner_finish(message->scanner, &message->plan, &why)) {
		snprintf(text, sizeof(text), "the message cannot take a calendar: %s", why.text);
		reject(message, "554", "5.6.1", "bad_shape", text);
	} else if (message->config->dry_run) {
		message->result = "dry_run";
		message->level = LOG_LEVEL_INFO;
		message->decided = true;
		message->verdict.action = MESSAGE_ACCEPT;
	} else if (!too_large(message)) {
		cancel(message, progress, context);
	}
}

void message_finish(struct message *message, cancel_progress *progress, void *context)
{
	if (message->strip_only) {
		message->decided = true;
		headers_strip_tags(&message->headers, message->config->header, &message->edits);
	} else if (!message->decided && message->scanner) {
		work(message, progress, context);
	} else if (!message->decided) {
		fail_here(message, "the message ended before its headers did");
	}
	if (message->edits.failed)
		fail_here(message, "no memory for the headers");
	if (message->config->dry_run)
		write_log(message);
	disarm_if_dry(message);
}

void message_tell(struct message *message, bool taken)
{
	if (!taken) {
		message->result = "not_taken";
		message->level = LOG_LEVEL_ERROR;
	}
	if (!message->told)
		write_log(message);
}

/* ---- telling ---- */

static void log_number(struct buffer *line, const char *name, long long value)
{
	buffer_printf(line, " %s=%lld", name, value);
}

static void log_cancel(struct message *message, struct buffer *line)
{
	const struct cancel_result *cancel = &message->cancel;

	log_number(line, "attempts", cancel->attempts);
	if (cancel->status > 0) {
		log_number(line, "status", cancel->status);
		log_field(line, "http", cancel->http_version == 20 ? "2" : "1.1");
	}
	log_number(line, "connects", cancel->new_connections);
	if (message->calendar.uid[0])
		log_field(line, "uid", message->calendar.uid);
	if (message->calendar.sequence[0])
		log_field(line, "sequence", message->calendar.sequence);
	if (message->calendar.warning.text[0])
		log_field(line, "warning", message->calendar.warning.text);
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
static void write_log(struct message *message)
{
	struct buffer line = buffer_with_maximum(8192);
	char client[INET6_ADDRSTRLEN];

	log_field(&line, "queue_id", message->queue_id[0] ? message->queue_id : "-");
	log_field(&line, "result", message->result);
	log_field(&line, "invite", message->tag.id[0] ? message->tag.id : "-");
	log_field(&line, "recipient",
		  message->invite_recipient ? message->invite_recipient : message->recipient);
	log_field(&line, "sender", message->sender);
	log_field(&line, "account", message->account ? message->account->name : "-");
	log_field(&line, "client", show_client(message, client, sizeof(client)));
	if (message->login[0])
		log_field(&line, "login", message->login);
	log_field(&line, "message_id",
		  message->headers.message_id[0] ? message->headers.message_id : "-");
	if (message->cancel.attempts > 0)
		log_cancel(message, &line);
	if (message->config->dry_run)
		log_field(&line, "dry_run", "yes");
	log_number(&line, "ms", monotonic_now() - message->begun);
	if (message->verdict.action == MESSAGE_REJECT ||
	    message->verdict.action == MESSAGE_TEMPFAIL)
		buffer_printf(&line, " reply=%s_%s", message->verdict.code,
			      message->verdict.enhanced);
	if (message->verdict.text[0])
		log_field(&line, "reason", message->verdict.text);
	log_write(message->level, "%s", line.data ? line.data : "no memory for a log line");
	buffer_free(&line);
	message->told = true;
}

const struct message_verdict *message_verdict(const struct message *message)
{
	return &message->verdict;
}

const struct header_edits *message_edits(const struct message *message)
{
	return &message->edits;
}

bool message_has_new_body(const struct message *message)
{
	return message->has_new_body;
}

/* Carries a piece of the old body through the rewriting. */
struct body_copy {
	const struct rewrite *rewrite;
	size_t total;
	rewrite_writer *write;
	void *context;
};

static bool copy_piece(void *context, size_t offset, const char *data, size_t length)
{
	const struct body_copy *copy = context;

	return rewrite_write(copy->rewrite, offset, (struct span){data, length},
			     offset + length == copy->total, copy->write, copy->context);
}

bool message_write_body(struct message *message, rewrite_writer *write, void *context,
			struct problem *why)
{
	struct body_copy copy = {&message->rewrite, message->body.length, write, context};

	if (message->body.length == 0) {
		problem_set(why, "the message's new body was not taken");
		return copy_piece(&copy, 0, "", 0);
	}
	return spool_read(&message->body, copy_piece, &copy, why);
}
