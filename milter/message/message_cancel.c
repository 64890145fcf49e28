#include "message_state.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/* SMTP's enhanced status code (RFC 3463) for what Cronofy said, or did not say. */
static const char *enhanced_status(enum cronofy_answer answer)
{
	switch (answer) {
	case CRONOFY_INVALID:
		return "5.5.4"; /* invalid command arguments */
	case CRONOFY_UNKNOWN_INVITE:
		return "5.5.0";
	case CRONOFY_BAD_KEY:
		return "4.7.8"; /* authentication credentials invalid */
	case CRONOFY_PLAN:
	case CRONOFY_NOT_ALLOWED:
	case CRONOFY_CREDENTIALS:
		return "4.7.0";
	case CRONOFY_LIMIT:
		return "4.4.5"; /* congestion */
	case CRONOFY_NOT_CRONOFY:
	case CRONOFY_REDIRECT:
		return "4.4.4"; /* unable to route */
	case CRONOFY_NO_ANSWER:
	case CRONOFY_TOO_EARLY:
	case CRONOFY_OUTAGE:
		return "4.4.1"; /* no answer from host */
	case CRONOFY_MISCONFIGURED:
		return "4.3.5"; /* system incorrectly configured */
	case CRONOFY_NOT_READ:
		return "4.3.0";
	case CRONOFY_CANCELLED: /* ... but the calendar was not usable */
	case CRONOFY_BAD_REPLY:
	case CRONOFY_ANSWERS:
		break;
	}
	return "4.5.0";
}

static void handle_failure(struct message *message)
{
	const struct cancel_result *cancel = &message->cancel;
	const char *enhanced = enhanced_status(cancel->answer);
	char reason[sizeof(cancel->why.text) + 256], shown[96];

	problem_quote(shown, sizeof(shown), message->tag.id, strlen(message->tag.id));
	snprintf(reason, sizeof(reason), "invite \"%s\" of <%.100s>: %s", shown,
		 message->invite_recipient, cancel->why.text);
	message->verdict.by_cronofy = cancel->outcome != CANCEL_FAILED;
	switch (cancel->outcome) {
	case CANCEL_REFUSED:
		message->result = "refused";
		message->level = LOG_LEVEL_INFO;
		message_fall_back(message, message->config->on_refused, enhanced, reason);
		break;
	case CANCEL_INTERRUPTED:
		message_tempfail(message, "4.4.2", "interrupted", LOG_LEVEL_WARNING, reason);
		break;
	case CANCEL_FAILED: /* not on_unavailable: Cronofy has nothing to do with it */
		message_fail_here(message, cancel->why.text);
		break;
	case CANCEL_NO_TURN: /* not on_unavailable: nothing is wrong with Cronofy */
		message_tempfail(message, "4.4.5", "no_turn", LOG_LEVEL_WARNING, reason);
		break;
	default:
		message->result = "unavailable";
		message->level = cronofy_meaning(cancel->answer)->needs_administrator
					 ? LOG_LEVEL_ERROR
					 : LOG_LEVEL_WARNING;
		message_fall_back(message, message->config->on_unavailable, enhanced, reason);
		break;
	}
}

static bool accept_calendar(struct message *message, struct problem *why)
{
	const struct buffer *text = &message->cancel.calendar;

	if (!calendar_accept(&message->calendar, (struct span){text->data, text->length},
			     message->invite_recipient, message->headers.from, why))
		return false;
	if (!message->config->strict_calendar || !message->calendar.warning.text[0])
		return true;
	*why = message->calendar.warning;
	return false;
}

/* The calendar, which was accepted, into the message. */
static void attach(struct message *message)
{
	if (!rewrite_make(
		    &message->rewrite, &message->plan,
		    (struct span){message->headers.content.data, message->headers.content.length},
		    (struct span){message->calendar.text.data, message->calendar.text.length})) {
		message_fail_here(message, "no memory for the calendar");
		return;
	}
	header_edits_strip_tags(&message->headers, message->config->header, &message->edits);
	header_edits_follow_rewrite(&message->headers, &message->rewrite, &message->edits);
	message->has_new_body = true;
	message_accept(message, "cancelled");
}

/* Cancelled, if Cronofy's calendar will do. */
static void take_calendar(struct message *message)
{
	struct problem why, whole;

	if (accept_calendar(message, &why)) {
		if (message_keep(message))
			attach(message);
		return;
	}
	problem_set(&whole, "Cronofy: the calendar cannot be sent: %.640s", why.text);
	message->result = "bad_calendar";
	message->level = LOG_LEVEL_ERROR;
	message_fall_back(message, message->config->on_unavailable, "4.5.0", whole.text);
}

/* Attaches the kept calendar that was found. False if it will not do (any more). */
static bool use_kept_calendar(struct message *message, const char *kept)
{
	struct problem why;

	if (accept_calendar(message, &why)) {
		message->kept = kept;
		attach(message);
		return true;
	}
	log_write(LOG_LEVEL_WARNING, "the kept calendar of invite %.100s cannot be sent: %s",
		  message->tag.id, why.text);
	calendar_free(&message->calendar);
	buffer_free(&message->cancel.calendar);
	message->calendar = (struct calendar){.uid = ""};
	return false;
}

void message_end_probe(struct message *message)
{
	message->result = "probe";
	message->level = LOG_LEVEL_INFO;
	message->decided = true;
	message->verdict.action = MESSAGE_DISCARD;
}

void message_cancel(struct message *message, cancel_progress *progress, void *context)
{
	struct cancel_request request = {
		.account = message->account,
		.pace = message->services->pace,
		.breakers = message->services->breakers,
		.invite_id = message->tag.id,
		.recipient = message->invite_recipient,
		.deadline = clock_now() + message->account->deadline,
		.progress = progress,
		.context = context,
		.metrics = message->services->metrics,
	};

	message->is_active =
		active_take(message->services->active, (size_t)message->config->max_active);
	if (!message->is_active) {
		bool stopping = active_is_closed(message->services->active);

		message_tempfail(message, "4.3.2", stopping ? "stopping" : "busy",
				 LOG_LEVEL_WARNING,
				 stopping ? "the filter is being stopped; try again later"
					  : "too many messages wait for Cronofy; try again later");
		return;
	}
	if (message_find_same(message) && use_kept_calendar(message, "same_message"))
		return;
	if (message->decided)
		return;
	cancel_invite(message->services->http, &request, &message->cancel);
	if (message->cancel.outcome == CANCEL_DONE)
		take_calendar(message);
	else if (!cronofy_meaning(message->cancel.answer)->may_be_cancelled ||
		 !message_find_latest(message) || !use_kept_calendar(message, "fallback"))
		handle_failure(message);
}
