#include "message_state.h"

#include "clock.h"
#include "policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* ---- life ---- */

struct message *message_new(const struct message_services *services)
{
	struct message *message = calloc(1, sizeof(*message));

	if (!message)
		return NULL;
	message->services = services;
	message->headers = headers_new();
	message->envelope = envelope_new();
	message->body = spool_new(0, "");
	return message;
}

void message_forget(struct message *message)
{
	const struct message_services *services = message->services;
	struct headers headers = message->headers;
	struct envelope envelope = message->envelope;

	if (!message->config)
		return; /* there is nothing since the last time: most mail passes here twice */
	if (message->is_active)
		active_leave(services->active);
	mime_scanner_free(message->scanner);
	spool_free(&message->body);
	buffer_free(&message->cancel.calendar);
	calendar_free(&message->calendar);
	rewrite_free(&message->rewrite);
	header_edits_free(&message->edits);
	config_release(message->config);
	memset(message, 0, sizeof(*message));
	headers_clear(&headers);
	envelope_clear(&envelope);
	message->services = services;
	message->headers = headers;
	message->envelope = envelope;
	message->body = spool_new(0, "");
}

void message_free(struct message *message)
{
	if (!message)
		return;
	message_forget(message);
	headers_free(&message->headers);
	envelope_free(&message->envelope);
	free(message);
}

/* ---- deciding ---- */

bool message_decide(struct message *message, enum outcome outcome, const char *format, ...)
{
	char reason[sizeof(message->verdict.text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	verdict_set(&message->verdict, outcome, "%s: %s", message->config->header, reason);
	message->decided = true;
	return false;
}

void message_accept(struct message *message, enum outcome outcome)
{
	verdict_accept(&message->verdict, outcome);
	message->decided = true;
}

/* ---- gathering ---- */

static void set_role(struct message *message, const char *daemon)
{
	const struct config *config = message->config;

	if (config->mode == MODE_DIRECT)
		message->role = ROLE_DIRECT;
	else if (strcmp(daemon, config->queue_daemon) == 0)
		message->role = ROLE_CANCEL;
	else
		message->role = config->mode == MODE_ROUTED ? ROLE_MISPLACED : ROLE_GATE;
}

void message_begin(struct message *message, struct config *config,
		   const struct message_origin *origin)
{
	const struct sockaddr *client = origin->client;

	message_forget(message);
	message->config = config_hold(config);
	message->begun = clock_now();
	message->body = spool_new((size_t)config->body_memory, config->temp_dir);
	set_role(message, origin->daemon);
	/* Routed mode: who may cancel, the MTA decides, and only its own mail is the second listener's. */
	message->trusted = config->mode == MODE_ROUTED
				   ? network_is_loopback(client)
				   : policy_is_trusted(config, client, origin->login);
	if (client && client->sa_family == AF_INET)
		memcpy(&message->client, client, sizeof(struct sockaddr_in));
	else if (client && client->sa_family == AF_INET6)
		memcpy(&message->client, client, sizeof(struct sockaddr_in6));
	message->login_fits = strlen(origin->login) < sizeof(message->login);
	if (message->login_fits)
		snprintf(message->login, sizeof(message->login), "%s", origin->login);
	snprintf(message->host, sizeof(message->host), "%s", origin->host);
	message->announced_size = origin->size;
	message->sender_reading = mailbox_read(message->sender, sizeof(message->sender),
					       origin->sender, origin->parsed_sender);
	if (message->sender_reading != MAILBOX_GOOD)
		problem_quote(message->typed_sender, sizeof(message->typed_sender), origin->sender,
			      strlen(origin->sender));
}

void message_trust(struct message *message)
{
	message->trusted = true;
	message->role = ROLE_DIRECT;
}

void message_add_recipient(struct message *message, const char *recipient, char *const *parameters)
{
	envelope_add(&message->envelope, recipient, parameters);
}

void message_add_header(struct message *message, const char *name, const char *value,
			bool space_cut)
{
	headers_add(&message->headers, message->config->header, name, value, space_cut);
}

/* A dry run decides and tells, but does nothing. A probe is one by itself. */
static void disarm_if_dry(struct message *message)
{
	if (!message->config->dry_run || message->tag.probe)
		return;
	message->verdict.action = ACTION_ACCEPT;
	message->has_new_body = false;
	message->rerouted = false;
	header_edits_free(&message->edits);
}

/* The verdict is there before the body is. */
static enum message_next decided_early(struct message *message)
{
	message_write_log(message);
	disarm_if_dry(message);
	return MESSAGE_DECIDED;
}

/* The same, in a dry run too. */
static enum message_next put_off(struct message *message)
{
	message_write_log(message);
	return MESSAGE_DECIDED;
}

/* A tag from somebody who may not use it. */
static enum message_next handle_untrusted(struct message *message)
{
	int untrusted = message->config->untrusted;

	/* What looks like a stamp is never kept. */
	if (untrusted == UNTRUSTED_KEEP && message->headers.stamps > 0)
		untrusted = UNTRUSTED_STRIP;
	switch (untrusted) {
	case UNTRUSTED_KEEP:
		message_accept(message, OUTCOME_UNTRUSTED_KEPT);
		message_write_log(message);
		return MESSAGE_NOTHING_TO_DO;
	case UNTRUSTED_REJECT:
		message_decide(
			message, OUTCOME_UNTRUSTED_REJECTED,
			"this client may not cancel invites; it is in no trusted network and did not "
			"authenticate");
		return decided_early(message);
	default:
		if (!message_check_edits(message))
			return decided_early(message);
		message_accept(message, OUTCOME_UNTRUSTED_STRIPPED);
		message->strip_only = true;
		return MESSAGE_WANTS_NO_BODY;
	}
}

static bool start_scanner(struct message *message)
{
	unsigned char random[MIME_STEMS * MIME_STEM_DIGITS / 2];

	if (getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random))
		message->scanner = mime_scanner_new((struct span){message->headers.content.data,
								  message->headers.content.length},
						    random);
	if (!message->scanner)
		message_decide(message, OUTCOME_FAILED, "no memory for the message");
	return message->scanner != NULL;
}

static bool is_for_archive(const struct message *message)
{
	return message->envelope.count == 1 &&
	       policy_is_archive(message->config, envelope_first(&message->envelope));
}

/* Routed mode: is tagged mail where only the MTA's own routing may bring it? False: decided. */
static bool check_place(struct message *message)
{
	if (message->role == ROLE_MISPLACED)
		message_decide(
			message, OUTCOME_MISCONFIGURED,
			"mode = routed, and this listener is not named like queue_daemon: the MTA is "
			"to send tagged mail to the second listener, and the filter is to be there "
			"alone");
	else if (message->config->mode == MODE_ROUTED && message->role == ROLE_CANCEL &&
		 !message->trusted)
		message_decide(message, OUTCOME_MISCONFIGURED,
			       "mode = routed, and the second listener takes mail from "
			       "elsewhere: it is for this machine alone");
	return !message->decided;
}

/*
 * Queued mode: only stamped mail is sent to the second listener, and it is there to be cancelled. Where
 * that is not to be (any more), it waits: it must not go out with its stamp and without its calendar.
 */
static bool puts_off_at_second_listener(struct message *message)
{
	if (!message_needs_stamp(message))
		return false;
	if (message->headers.tags == 0)
		message_decide(message, OUTCOME_MISCONFIGURED,
			       "mail without this header came to the second listener; was it "
			       "renamed while mail was queued?");
	else if (message->config->dry_run && !message->tag.probe)
		message_decide(message, OUTCOME_MISCONFIGURED,
			       "dry_run = yes, and mail was stamped before: it waits until that is "
			       "over");
	return message->decided;
}

/* What there is to do with a message of this role that has a tag. */
static enum message_next begin_work(struct message *message)
{
	if (!check_place(message))
		return put_off(message);
	if (message_needs_stamp(message) && !message_check_stamp(message))
		return decided_early(message);
	if (puts_off_at_second_listener(message))
		return put_off(message);
	if (message->role != ROLE_CANCEL && !message->trusted)
		return handle_untrusted(message);
	if (!message_check_edits(message))
		return decided_early(message);
	if (message->role == ROLE_CANCEL && is_for_archive(message)) {
		message_accept(message, OUTCOME_ARCHIVED);
		message->strip_only = true;
		return MESSAGE_WANTS_NO_BODY;
	}
	if (!message_check(message) || !start_scanner(message))
		return decided_early(message);
	if (message->role != ROLE_GATE)
		return MESSAGE_WANTS_BODY;
	/* What the headers alone tell about the shape; the body is seen where the invite is cancelled. */
	return message_check_shape(message) ? MESSAGE_WANTS_NO_BODY : decided_early(message);
}

enum message_next message_end_headers(struct message *message, const char *queue_id)
{
	snprintf(message->queue_id, sizeof(message->queue_id), "%s", queue_id);
	if (message->envelope.suffixed && message_refuse_suffix(message))
		return decided_early(message);
	if (message->headers.tags > 0)
		return begin_work(message);
	if (puts_off_at_second_listener(message))
		return put_off(message);
	metrics_count_untagged(message->services->metrics);
	return MESSAGE_NOTHING_TO_DO;
}

enum message_next message_add_body(struct message *message, const char *data, size_t length)
{
	struct problem why;

	if (message->decided || !message->scanner || message->role == ROLE_GATE)
		return MESSAGE_WANTS_NO_BODY;
	if (!spool_add(&message->body, data, length, &why)) {
		message_decide(message, OUTCOME_FAILED, "%s", why.text);
		return MESSAGE_DECIDED;
	}
	if (message_is_too_large(message))
		return MESSAGE_DECIDED;
	mime_scanner_add(message->scanner, data, length);
	return MESSAGE_WANTS_BODY;
}

static void work(struct message *message, cancel_progress *progress, void *context)
{
	/* At the gate that was looked at already. */
	if (message->role != ROLE_GATE && !message_check_shape(message))
		return;
	if (message->tag.probe && message->role != ROLE_GATE)
		message_end_probe(message);
	else if (message->config->dry_run && !message->tag.probe)
		message_accept(message, OUTCOME_DRY_RUN);
	else if (message->role == ROLE_GATE)
		message_stamp(message);
	else if (!message_is_too_large(message))
		message_cancel(message, progress, context);
}

bool message_may_wait(const struct message *message)
{
	return message->strip_only ||
	       active_has_room(message->services->active, (size_t)message->config->max_active);
}

void message_finish(struct message *message, cancel_progress *progress, void *context)
{
	if (message->strip_only) {
		message->decided = true;
		header_edits_strip_tags(&message->headers, message->config->header,
					&message->edits);
	} else if (!message->decided && message->scanner) {
		work(message, progress, context);
	} else if (!message->decided) {
		message_decide(message, OUTCOME_FAILED, "the message ended before its headers did");
	}
	if (message->edits.failed)
		message_decide(message, OUTCOME_FAILED, "no memory for the headers");
	if (message->config->dry_run)
		message_write_log(message);
	disarm_if_dry(message);
}

const struct verdict *message_verdict(const struct message *message)
{
	return &message->verdict;
}

const struct header_edits *message_edits(const struct message *message)
{
	return &message->edits;
}

const struct envelope *message_rerouted(const struct message *message)
{
	return message->rerouted ? &message->envelope : NULL;
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
