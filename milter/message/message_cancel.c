#include "message_state.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

/* The invite was not cancelled, or there is no calendar to send: what the configuration chose. */
static void fall_back(struct message *message, const char *enhanced)
{
	switch (outcome_row(message->verdict.outcome)->choice) {
	case CHOICE_NONE:
		return;
	case CHOICE_ON_REFUSED:
		verdict_choose(&message->verdict, message->config->on_refused, enhanced);
		break;
	case CHOICE_ON_UNAVAILABLE:
		verdict_choose(&message->verdict, message->config->on_unavailable, enhanced);
		break;
	}
	if (message->verdict.action == ACTION_ACCEPT)
		header_edits_strip_tags(&message->headers, message->config->header,
					&message->edits);
}

static void handle_failure(struct message *message)
{
	const struct cancel_result *cancel = &message->cancel;
	char shown[96];

	problem_quote(shown, sizeof(shown), message->tag.id, strlen(message->tag.id));
	message_decide(message, outcome_of_cancel(cancel->outcome), "invite \"%s\" of <%.100s>: %s",
		       shown, message->invite_recipient, cancel->why.text);
	if (cronofy_meaning(cancel->answer)->needs_administrator)
		message->verdict.level = LOG_LEVEL_ERROR;
	fall_back(message, outcome_enhanced(cancel->answer));
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
		message_decide(message, OUTCOME_FAILED, "no memory for the calendar");
		return;
	}
	header_edits_strip_tags(&message->headers, message->config->header, &message->edits);
	header_edits_follow_rewrite(&message->headers, &message->rewrite, &message->edits);
	message->has_new_body = true;
	message_accept(message, OUTCOME_CANCELLED);
}

/* Cancelled, if Cronofy's calendar will do. */
static void take_calendar(struct message *message)
{
	struct problem why;

	if (accept_calendar(message, &why)) {
		if (message_keep(message))
			attach(message);
		return;
	}
	message_decide(message, OUTCOME_BAD_CALENDAR,
		       "Cronofy: the calendar cannot be sent: %.640s", why.text);
	fall_back(message, message->verdict.enhanced);
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
	message_accept(message, OUTCOME_PROBE);
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
		if (active_is_closed(message->services->active))
			message_decide(message, OUTCOME_STOPPING,
				       "the filter is being stopped; try again later");
		else
			message_decide(message, OUTCOME_BUSY,
				       "too many messages wait for Cronofy; try again later");
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
