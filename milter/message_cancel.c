#include "message_state.h"

#include "monotonic.h"

#include <stdio.h>
#include <string.h>

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
		message_fall_back(message, message->config->on_refused, enhanced, reason);
		break;
	case CANCEL_INTERRUPTED:
		message_tempfail(message, "4.4.2", "interrupted", LOG_LEVEL_WARNING, reason);
		break;
	default:
		message->result = "unavailable";
		message->level = cancel->needs_administrator ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
		message_fall_back(message, message->config->on_unavailable, enhanced, reason);
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
		message_fall_back(message, message->config->on_unavailable, "4.5.0", whole.text);
		return;
	}
	if (!rewrite_make(
		    &message->rewrite, &message->plan,
		    (struct span){message->headers.content.data, message->headers.content.length},
		    (struct span){message->calendar.text.data, message->calendar.text.length})) {
		message_fail_here(message, "no memory for the calendar");
		return;
	}
	headers_strip_tags(&message->headers, message->config->header, &message->edits);
	headers_follow_rewrite(&message->headers, &message->rewrite, &message->edits);
	message->has_new_body = true;
	message_accept(message, "cancelled");
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

void message_cancel(struct message *message, cancel_progress *progress, void *context)
{
	struct cancel_request request = {
		.account = message->account,
		.invite_id = message->tag.id,
		.recipient = message->invite_recipient,
		.deadline = monotonic_now() + message->account->deadline,
		.progress = progress,
		.context = context,
		.metrics = message->services->metrics,
	};

	if (!take_place(message, request.deadline, progress, context)) {
		bool stopping = places_are_closed(message->services->places);

		message_tempfail(message, "4.3.2", stopping ? "stopping" : "busy",
				 LOG_LEVEL_WARNING,
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
