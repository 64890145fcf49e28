/* message: the way of one message, from its sender to its verdict. */
#include "message_state.h"

#include "check.h"
#include "clock.h"
#include "queued.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- life ---- */

struct message *message_new(const struct message_services *services)
{
	struct message *message = calloc(1, sizeof(*message));

	if (!message)
		return NULL;
	message->services = services;
	message->transaction = transaction_new();
	return message;
}

void message_clear(struct message *message)
{
	const struct message_services *services = message->services;
	struct transaction transaction;

	if (!message->transaction.config)
		return; /* there is nothing since the last time: most mail passes here twice */
	if (message->is_active)
		active_leave(services->active, message->request.account->name);
	attach_free(&message->attach);
	cancellation_free(&message->cancellation);
	header_edits_free(&message->edits);
	transaction_clear(&message->transaction);
	transaction = message->transaction;
	memset(message, 0, sizeof(*message));
	message->services = services;
	message->transaction = transaction;
}

void message_free(struct message *message)
{
	if (!message)
		return;
	message_clear(message);
	transaction_free(&message->transaction);
	free(message);
}

/* ---- the headers ---- */

void message_begin(struct message *message, struct config *config,
		   const struct transaction_origin *origin)
{
	message_clear(message);
	transaction_begin(&message->transaction, config, origin);
	message->verdict.header = config->header;
}

void message_add_recipient(struct message *message, const char *recipient, char *const *parameters)
{
	transaction_add_recipient(&message->transaction, recipient, parameters);
}

void message_add_header(struct message *message, const char *name, const char *value,
			bool space_cut)
{
	transaction_add_header(&message->transaction, name, value, space_cut);
}

static enum message_next decided(struct message *message)
{
	message->decided = true;
	message->work = WORK_NONE;
	return MESSAGE_DECIDED;
}

/* The message continues, without its tags. */
static enum message_next strip(struct message *message, enum outcome outcome)
{
	verdict_accept(&message->verdict, outcome);
	message->work = WORK_STRIP;
	return MESSAGE_WANTS_NO_BODY;
}

/* A tag from somebody who may not use it. */
static enum message_next refuse_untrusted(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	const enum untrusted untrusted = transaction->config->untrusted;

	if (untrusted == UNTRUSTED_REJECT) {
		verdict_refuse(
			&message->verdict, OUTCOME_UNTRUSTED_REJECTED,
			"this client may not cancel invites: it is not in a trusted network and "
			"did not authenticate; log in, or ask the administrator to trust it");
		return decided(message);
	}
	/* What looks like a stamp is never kept. */
	if (untrusted == UNTRUSTED_STRIP || transaction->headers.stamps > 0)
		return check_edits(transaction, &message->verdict)
			       ? strip(message, OUTCOME_UNTRUSTED_STRIPPED)
			       : decided(message);
	verdict_accept(&message->verdict, OUTCOME_UNTRUSTED_KEPT);
	return decided(message);
}

/* Direct mode and submission: what the tag asks for. */
static bool check_request(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	struct request *request = &message->request;
	struct verdict *why = &message->verdict;

	return check_tag(transaction, &request->tag, why) && check_sender(transaction, why) &&
	       check_account(transaction, &request->account, why) &&
	       check_recipient_count(transaction, &request->tag, why);
}

static bool begin_attaching(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	const struct config *config = transaction->config;
	struct problem why;

	if (!check_content(transaction, &message->verdict))
		return false;
	return attach_begin(&message->attach, &transaction->headers, (size_t)config->body_memory,
			    config->temp_dir, &why) ||
	       verdict_refuse(&message->verdict, OUTCOME_FAILED, "%s", why.text);
}

/* Submission: what the headers alone show; the body is checked where the invite is cancelled. */
static enum message_next begin_stamping(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	struct verdict *why = &message->verdict;

	if (!check_request(message) || !check_organizer(transaction, &message->request, why) ||
	    !check_recipients(transaction, &message->request.tag, why) ||
	    !check_size(transaction, 0, why) || !begin_attaching(message) ||
	    !check_shape(&message->attach, why))
		return decided(message);
	message->work = WORK_STAMP;
	return MESSAGE_WANTS_NO_BODY;
}

/* Whose invite it is, and the body: the rest waits for its end. */
static enum message_next begin_cancelling(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	struct request *request = &message->request;
	struct verdict *why = &message->verdict;

	if (!check_organizer(transaction, request, why) ||
	    !check_invite_recipient(transaction, &request->tag, request->recipient, why) ||
	    !begin_attaching(message))
		return decided(message);
	message->work = WORK_CANCEL;
	return MESSAGE_WANTS_BODY;
}

static struct queued_now queued_now(const struct message_services *services)
{
	return (struct queued_now){
		.time = (long long)time(NULL),
		.trusted = !services->clock || clock_watch_look(services->clock) == CLOCK_TRUSTED,
	};
}

/* The second listener, where the stamp says what is asked for. */
static enum message_next begin_queued(struct message *message)
{
	const struct transaction *transaction = &message->transaction;
	struct request *request = &message->request;
	struct verdict *why = &message->verdict;

	if (!queued_check_header(transaction, why) || !check_sender(transaction, why) ||
	    !queued_check_stamp(transaction, queued_now(message->services), request, why) ||
	    !check_edits(transaction, why))
		return decided(message);
	if (transaction_is_for_archive(transaction))
		return strip(message, OUTCOME_ARCHIVED);
	if (!check_recipient_count(transaction, &request->tag, why))
		return decided(message);
	return begin_cancelling(message);
}

/* Direct and routed mode. */
static enum message_next begin_direct(struct message *message)
{
	if (message->transaction.role == ROLE_SECOND &&
	    transaction_is_for_archive(&message->transaction))
		return strip(message, OUTCOME_ARCHIVED);
	return check_request(message) ? begin_cancelling(message) : decided(message);
}

enum message_next message_end_headers(struct message *message, const char *queue_id)
{
	struct transaction *transaction = &message->transaction;
	struct verdict *why = &message->verdict;

	transaction_end_headers(transaction, queue_id);
	if (!check_suffix(transaction, why))
		return decided(message);
	if (queued_needs_stamp(transaction))
		return begin_queued(message);
	if (transaction->headers.tags == 0) {
		metrics_count_untagged(message->services->metrics);
		return MESSAGE_NOTHING_TO_DO;
	}
	if (!check_listener(transaction, why))
		return decided(message);
	if (!transaction->trusted)
		return refuse_untrusted(message);
	if (!check_edits(transaction, why))
		return decided(message);
	return transaction->role == ROLE_SUBMISSION ? begin_stamping(message)
						    : begin_direct(message);
}

/* ---- the body ---- */

enum message_next message_add_body(struct message *message, const char *data, size_t length)
{
	struct attach *body = &message->attach;
	struct problem why;

	if (message->work != WORK_CANCEL)
		return MESSAGE_WANTS_NO_BODY;
	if (!attach_add(body, data, length, &why)) {
		verdict_refuse(&message->verdict, OUTCOME_FAILED, "%s", why.text);
		return decided(message);
	}
	if (!check_size(&message->transaction, body->body.length, &message->verdict))
		return decided(message);
	return MESSAGE_WANTS_BODY;
}

/* ---- the end ---- */

/* A dry run decides and reports, but does nothing. A probe is one by itself. */
static bool is_dry_run(const struct message *message)
{
	return message->transaction.config->dry_run && !message->request.tag.probe;
}

static void strip_tags(struct message *message)
{
	header_edits_strip_tags(&message->transaction.headers, message->transaction.config->header,
				&message->edits);
}

static void stamp(struct message *message)
{
	struct transaction *transaction = &message->transaction;
	struct verdict *verdict = &message->verdict;

	if (is_dry_run(message)) {
		verdict_accept(verdict, OUTCOME_DRY_RUN);
	} else if (!transaction_ensure_message_id(transaction)) {
		verdict_refuse(verdict, OUTCOME_FAILED, "no Message-ID could be made");
	} else if (queued_stamp(transaction, &message->request, (long long)time(NULL),
				&message->edits, verdict)) {
		message->rerouted = transaction->config->route == ROUTE_DOMAIN ||
				    transaction->envelope.renamed;
		verdict_accept(verdict, OUTCOME_QUEUED);
	}
}

static struct active_limits active_limits_of(const struct message *message)
{
	const struct config *config = message->transaction.config;

	return (struct active_limits){.most = (size_t)config->max_active,
				      .accounts = config->account_count};
}

static bool become_active(struct message *message)
{
	const struct active_limits limits = active_limits_of(message);
	const char *account = message->request.account->name;

	switch (active_take(message->services->active, account, &limits)) {
	case ACTIVE_FREE:
		message->is_active = true;
		return true;
	case ACTIVE_CLOSED:
		return verdict_refuse(&message->verdict, OUTCOME_STOPPING,
				      "the filter is being stopped; try again later");
	case ACTIVE_SHARED:
		return verdict_refuse(
			&message->verdict, OUTCOME_BUSY,
			"too many messages of account %s wait for Cronofy; try again later",
			account);
	case ACTIVE_FULL:
		break;
	}
	return verdict_refuse(&message->verdict, OUTCOME_BUSY,
			      "too many messages wait for Cronofy; try again later");
}

/* The invite cancelled; blocks. False: the verdict says why not. */
static bool obtain_calendar(struct message *message, cancel_progress *progress, void *context)
{
	struct cancellation *cancellation = &message->cancellation;

	cancellation->services = message->services;
	cancellation->transaction = &message->transaction;
	cancellation->request = &message->request;
	return become_active(message) &&
	       cancellation_obtain(cancellation, progress, context, &message->verdict);
}

static void attach(struct message *message)
{
	struct problem why;

	if (attach_calendar(&message->attach, buffer_span(&message->cancellation.calendar.text),
			    message->transaction.config->header, &message->edits, &why))
		verdict_accept(&message->verdict, OUTCOME_CANCELLED);
	else
		verdict_refuse(&message->verdict, OUTCOME_FAILED, "%s", why.text);
}

static void cancel(struct message *message, cancel_progress *progress, void *context)
{
	struct verdict *verdict = &message->verdict;

	if (!check_size(&message->transaction, message->attach.body.length, verdict) ||
	    !check_shape(&message->attach, verdict))
		return;
	if (message->request.tag.probe)
		verdict_accept(verdict, OUTCOME_PROBE);
	else if (is_dry_run(message))
		verdict_accept(verdict, OUTCOME_DRY_RUN);
	else if (obtain_calendar(message, progress, context))
		attach(message);
	else if (verdict->action == ACTION_ACCEPT) /* without a calendar, as configured */
		strip_tags(message);
}

bool message_may_wait(const struct message *message)
{
	const struct active_limits limits = active_limits_of(message);
	const struct account *account = message->request.account;

	return message->work == WORK_STRIP || !account ||
	       active_look(message->services->active, account->name, &limits) == ACTIVE_FREE;
}

void message_finish(struct message *message, cancel_progress *progress, void *context)
{
	switch (message->work) {
	case WORK_STRIP:
		strip_tags(message);
		break;
	case WORK_STAMP:
		stamp(message);
		break;
	case WORK_CANCEL:
		cancel(message, progress, context);
		break;
	case WORK_NONE:
		if (!message->decided)
			verdict_refuse(&message->verdict, OUTCOME_FAILED,
				       "the message ended before its headers did");
		break;
	}
	if (message->edits.failed)
		verdict_refuse(&message->verdict, OUTCOME_FAILED, "no memory for the headers");
	decided(message);
}

void message_report(struct message *message, bool taken)
{
	const struct account *account = message->request.account;
	const long long ms = clock_now() - message->transaction.begun;

	if (!taken)
		verdict_not_taken(&message->verdict);
	message_write_log(message, ms);
	metrics_count_message(message->services->metrics, account ? account->name : NULL,
			      message->verdict.outcome, ms);
	message_write_record(message, ms);
}

/* ---- what the MTA is to do ---- */

const struct verdict *message_verdict(const struct message *message)
{
	return &message->verdict;
}

/* Queued mail that cannot be cancelled waits in a dry run, too: it must not go out with its stamp. */
static bool does_nothing(const struct message *message)
{
	return is_dry_run(message) && !queued_needs_stamp(&message->transaction) &&
	       message->verdict.outcome != OUTCOME_MISCONFIGURED;
}

enum action message_action(const struct message *message)
{
	return does_nothing(message) ? ACTION_ACCEPT : message->verdict.action;
}

const struct header_edits *message_edits(const struct message *message)
{
	static const struct header_edits none = {.count = 0};

	return does_nothing(message) ? &none : &message->edits;
}

/* What is held at the second listener comes by it again, whoever releases it, and however. */
static bool is_held_by_domain(const struct message *message)
{
	return message_action(message) == ACTION_HOLD && message->transaction.role == ROLE_SECOND &&
	       message->transaction.config->route == ROUTE_DOMAIN;
}

const struct envelope *message_rerouted(const struct message *message)
{
	return message->rerouted || is_held_by_domain(message) ? &message->transaction.envelope
							       : NULL;
}

const char *message_suffix(const struct message *message)
{
	return message->transaction.config->route == ROUTE_DOMAIN ? ENVELOPE_SUFFIX : "";
}

bool message_has_new_body(const struct message *message)
{
	return message->attach.has_calendar;
}

bool message_write_body(struct message *message, rewrite_writer *write, void *context,
			struct problem *why)
{
	return attach_write(&message->attach, write, context, why);
}
