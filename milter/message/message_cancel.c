#include "message_state.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALENDAR_TRIES 4 /* in Postfix's queue they take half an hour */

/* on_unavailable; what no further try can mend is never put off. */
static enum fallback choice_if_unavailable(const struct message *message)
{
	const enum fallback choice = message->config->on_unavailable;
	const bool is_final = message->verdict.action == ACTION_REJECT;

	return is_final && choice == FALLBACK_TEMPFAIL ? FALLBACK_REJECT : choice;
}

/* The invite was not cancelled, or there is no calendar to send: what the configuration chose. */
static void fall_back(struct message *message, const char *enhanced)
{
	struct verdict *verdict = &message->verdict;

	switch (outcome_row(verdict->outcome)->choice) {
	case CHOICE_NONE:
		return;
	case CHOICE_ON_REFUSED:
		verdict_choose(verdict, message->config->on_refused, enhanced);
		break;
	case CHOICE_ON_UNAVAILABLE:
		verdict_choose(verdict, choice_if_unavailable(message), enhanced);
		break;
	case CHOICE_ON_MAYBE_CANCELLED:
		verdict_choose(verdict, message->config->on_maybe_cancelled, enhanced);
		break;
	}
	if (verdict->action == ACTION_ACCEPT)
		header_edits_strip_tags(&message->headers, message->config->header,
					&message->edits);
}

/* Cronofy refuses, and that may be because an earlier call had cancelled the invite. */
static void handle_doubt(struct message *message)
{
	char shown[96];

	problem_quote(shown, sizeof(shown), message->tag.id, strlen(message->tag.id));
	message_decide(
		message, OUTCOME_MAYBE_CANCELLED,
		"invite \"%s\" of <%.100s>: %.300s; an earlier call whose answer was lost may "
		"have cancelled it, and there is no calendar to send: the event may still be in "
		"the recipient's calendar",
		shown, message->invite_recipient, message->cancel.why.text);
	fall_back(message, message->verdict.enhanced);
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

/* Who waits for another message's calendar to be checked: as long as for Cronofy. */
struct calendar_turn {
	const struct cancel_request *request;
	long long progress_due; /* clock_now() */
};

#define CALENDAR_TURN_PAUSE_MS    2
#define CALENDAR_TURN_PROGRESS_MS 1000

static bool wait_for_turn(void *context)
{
	const struct timespec pause = {.tv_nsec = CALENDAR_TURN_PAUSE_MS * 1000000L};
	struct calendar_turn *turn = context;
	const struct cancel_request *request = turn->request;
	const long long now = clock_now();

	if (now >= request->deadline)
		return false;
	if (request->progress && now >= turn->progress_due) {
		turn->progress_due = now + CALENDAR_TURN_PROGRESS_MS;
		if (!request->progress(request->context))
			return false;
	}
	nanosleep(&pause, NULL);
	return true;
}

static bool accept_calendar(struct message *message, const struct cancel_request *request,
			    struct problem *why)
{
	struct calendar_turn turn = {request, clock_now() + CALENDAR_TURN_PROGRESS_MS};
	const struct calendar_question question = {
		.recipient = message->invite_recipient,
		.from = message->headers.from,
		.wait = wait_for_turn,
		.context = &turn,
	};

	if (!calendar_accept(&message->calendar, buffer_span(&message->cancel.calendar), &question,
			     why))
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

/*
 * The invite is cancelled, and its calendar cannot be sent. It is kept, and judged again when the
 * message comes again: another version of this filter, or strict_calendar = no, may take it. After
 * some tries that is not to be expected any more.
 */
static void refuse_calendar(struct message *message, const struct problem *why)
{
	const long long tries = message_count_bad_calendars(message) + 1;

	if (tries < CALENDAR_TRIES)
		message_decide(message, OUTCOME_BAD_CALENDAR,
			       "Cronofy: the calendar cannot be sent: %.640s", why->text);
	else
		message_decide(message, OUTCOME_UNUSABLE_CALENDAR,
			       "the invite is cancelled, but Cronofy's calendar cannot be sent: "
			       "%.580s; tried %lld times",
			       why->text, tries);
	fall_back(message, message->verdict.enhanced);
}

static void use_calendar(struct message *message, const struct cancel_request *request)
{
	struct problem why;

	if (accept_calendar(message, request, &why))
		attach(message);
	else if (why.cannot_tell)
		message_decide(message, OUTCOME_FAILED, "%s", why.text);
	else
		refuse_calendar(message, &why);
}

/* Kept before anything reads it: what reading does to us, the next try has it. */
static void take_calendar(struct message *message, const struct cancel_request *request)
{
	if (message_keep(message))
		use_calendar(message, request);
}

/* `kept`: whence in the ledger it came. */
static void use_kept_calendar(struct message *message, const struct cancel_request *request,
			      const char *kept)
{
	message->kept = kept;
	use_calendar(message, request);
}

/* There is no answer that can be sent; perhaps there was one before. */
static void handle_no_calendar(struct message *message, const struct cancel_request *request)
{
	const bool may_be = cronofy_meaning(message->cancel.answer)->may_be_cancelled;

	message_end_call(message);
	if (may_be && message_find_latest(message))
		use_kept_calendar(message, request, "fallback");
	else if (may_be && message->call.in_doubt)
		handle_doubt(message);
	else
		handle_failure(message);
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
	if (message_find_same(message)) {
		use_kept_calendar(message, &request, "same_message");
		return;
	}
	if (message->decided)
		return;
	if (!message_begin_call(message, &request)) {
		if (!message->decided)
			use_kept_calendar(message, &request, "same_message");
		return;
	}
	cancel_invite(message->services->http, &request, &message->cancel);
	if (message->cancel.outcome == CANCEL_DONE)
		take_calendar(message, &request);
	else
		handle_no_calendar(message, &request);
}
