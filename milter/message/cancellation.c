/* cancellation: ledger, call and calendar of one message. */
#include "cancellation.h"

#include "clock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TURN_PAUSE     2    /* ms between two tries to get a turn at libical */
#define TURN_PROGRESS  1000 /* ms between two signs to the MTA meanwhile */
#define CALENDAR_TRIES 4    /* in Postfix's queue they take half an hour */

/* on_unavailable; what no further try can mend is never deferred. */
static enum fallback choice_if_unavailable(const struct config *config,
					   const struct verdict *verdict)
{
	const bool is_final = verdict->action == ACTION_REJECT;

	return is_final && config->on_unavailable == FALLBACK_TEMPFAIL ? FALLBACK_REJECT
								       : config->on_unavailable;
}

/* The invite was not cancelled, or there is no calendar to send: what the configuration chose. */
static bool refuse_as_chosen(const struct cancellation *cancellation, const char *enhanced,
			     struct verdict *why)
{
	const struct config *config = cancellation->transaction->config;

	switch (outcome_row(why->outcome)->choice) {
	case CHOICE_NONE:
		break;
	case CHOICE_ON_REFUSED:
		verdict_choose(why, config->on_refused, enhanced);
		break;
	case CHOICE_ON_UNAVAILABLE:
		verdict_choose(why, choice_if_unavailable(config, why), enhanced);
		break;
	case CHOICE_ON_MAYBE_CANCELLED:
		verdict_choose(why, config->on_maybe_cancelled, enhanced);
		break;
	}
	return false;
}

static const char *show_id(const struct cancellation *cancellation, char *out, size_t size)
{
	const char *id = cancellation->request->tag.id;

	return problem_quote(out, size, id, strlen(id));
}

/* Cronofy refuses, and that may be because an earlier call had cancelled the invite. */
static bool refuse_in_doubt(const struct cancellation *cancellation, struct verdict *why)
{
	char shown[96];

	verdict_refuse(
		why, OUTCOME_MAYBE_CANCELLED,
		"invite \"%s\" of <%.100s>: %.300s; an earlier call whose answer was lost may "
		"have cancelled it, and there is no calendar to send: the event may still be in "
		"the recipient's calendar",
		show_id(cancellation, shown, sizeof(shown)), cancellation->request->recipient,
		cancellation->result.why.text);
	return refuse_as_chosen(cancellation, why->enhanced, why);
}

static bool refuse_call(const struct cancellation *cancellation, struct verdict *why)
{
	const struct cancel_result *result = &cancellation->result;
	const bool refused = result->outcome == CANCEL_REFUSED;
	char shown[96];

	verdict_refuse(why, outcome_of_cancel(result->outcome), "invite \"%s\" of <%.100s>: %s%s",
		       show_id(cancellation, shown, sizeof(shown)),
		       cancellation->request->recipient, result->why.text,
		       refused ? tag_fold_hint(&cancellation->request->tag) : "");
	if (cronofy_meaning(result->answer)->needs_administrator)
		why->level = LOG_LEVEL_ERROR;
	return refuse_as_chosen(cancellation, outcome_enhanced(result->answer), why);
}

/* ---- the calendar ---- */

/* Waits for another message's calendar to be checked, as for Cronofy's answer. */
struct turn {
	const struct cancel_request *ask;
	long long progress_due; /* clock_now() */
};

static bool wait_for_turn(void *context)
{
	struct turn *turn = context;
	const struct cancel_request *ask = turn->ask;
	const long long now = clock_now();

	if (now >= ask->deadline)
		return false;
	if (ask->progress && now >= turn->progress_due) {
		turn->progress_due = now + TURN_PROGRESS;
		if (!ask->progress(ask->context))
			return false;
	}
	poll(NULL, 0, TURN_PAUSE);
	return true;
}

static bool accept_calendar(struct cancellation *cancellation, const struct buffer *text,
			    struct calendar *calendar, struct problem *why)
{
	const struct transaction *transaction = cancellation->transaction;
	struct turn turn = {&cancellation->ask, clock_now() + TURN_PROGRESS};
	const struct calendar_question question = {
		.recipient = cancellation->request->recipient,
		.from = transaction->headers.from,
		.wait = wait_for_turn,
		.context = &turn,
	};

	if (!calendar_accept(calendar, buffer_span(text), &question, why))
		return false;
	if (!transaction->config->strict_calendar || !calendar->warning.text[0])
		return true;
	*why = calendar->warning;
	return false;
}

/*
 * The invite is cancelled, and its calendar cannot be sent. It is kept, and judged again when the
 * message comes again: another version of this filter, or strict_calendar = no, may take it. After
 * some tries that is not to be expected any more.
 */
static bool refuse_calendar(const struct cancellation *cancellation, const struct problem *problem,
			    struct verdict *why)
{
	const long long tries = cancellation_count_bad_calendars(cancellation) + 1;

	if (problem->cannot_tell)
		return verdict_refuse(why, OUTCOME_FAILED, "the calendar: %s", problem->text);
	if (tries < CALENDAR_TRIES)
		verdict_refuse(why, OUTCOME_BAD_CALENDAR,
			       "Cronofy: the calendar cannot be sent: %.640s", problem->text);
	else
		verdict_refuse(why, OUTCOME_UNUSABLE_CALENDAR,
			       "the invite is cancelled, but Cronofy's calendar cannot be sent: "
			       "%.580s; tried %lld times",
			       problem->text, tries);
	return refuse_as_chosen(cancellation, why->enhanced, why);
}

/* `kept`: the log's word for whence in the ledger it came. */
static bool use_kept_calendar(struct cancellation *cancellation, const char *kept,
			      struct verdict *why)
{
	struct problem problem;

	cancellation->kept = kept;
	return accept_calendar(cancellation, &cancellation->result.calendar,
			       &cancellation->calendar, &problem) ||
	       refuse_calendar(cancellation, &problem, why);
}

/*
 * The last resort for a calendar that was lost: Cronofy is asked what has become of the invite. What
 * it shows of a cancelled one is not documented, and may be the invitation: its calendar counts only
 * if it says METHOD:CANCEL, is this recipient's, and has the UID of the one that would not do.
 */
static bool find_by_status(struct cancellation *cancellation)
{
	const char *uid = cancellation->calendar.uid;
	struct calendar calendar = {.uid = ""};
	struct cancel_result status;
	struct problem problem;

	cancel_ask_status(cancellation->services->http, &cancellation->ask, &status);
	if (status.outcome != CANCEL_DONE ||
	    !accept_calendar(cancellation, &status.calendar, &calendar, &problem) ||
	    !calendar.says_cancel || !calendar.names_recipient ||
	    (uid[0] && strcmp(uid, calendar.uid) != 0)) {
		calendar_free(&calendar);
		buffer_free(&status.calendar);
		return false;
	}
	cancellation_free(cancellation);
	cancellation->result.calendar = status.calendar;
	cancellation->calendar = calendar;
	cancellation->kept = "status";
	return true;
}

/* Kept before anything reads it: what reading does to us, the next try has it. */
static bool use_answer(struct cancellation *cancellation, struct verdict *why)
{
	struct problem problem;

	if (!cancellation_keep(cancellation, why))
		return false;
	if (accept_calendar(cancellation, &cancellation->result.calendar, &cancellation->calendar,
			    &problem))
		return true;
	if (!problem.cannot_tell && find_by_status(cancellation))
		return cancellation_keep(cancellation, why);
	return refuse_calendar(cancellation, &problem, why);
}

/* ---- the way ---- */

static struct cancel_request request_of(const struct cancellation *cancellation,
					cancel_progress *progress, void *context)
{
	const struct message_services *services = cancellation->services;
	const struct request *request = cancellation->request;

	return (struct cancel_request){
		.account = request->account,
		.pace = services->pace,
		.breakers = services->breakers,
		.invite_id = request->tag.id,
		.recipient = request->recipient,
		.deadline = clock_now() + request->account->deadline,
		.progress = progress,
		.context = context,
		.metrics = services->metrics,
	};
}

/* There is no answer that can be sent; perhaps there was one before. */
static bool do_without_answer(struct cancellation *cancellation, struct verdict *why)
{
	enum ledger_found latest;

	cancellation_end(cancellation);
	if (!cronofy_meaning(cancellation->result.answer)->may_be_cancelled)
		return refuse_call(cancellation, why);
	latest = cancellation_find_latest(cancellation);
	if (latest == LEDGER_FOUND)
		return use_kept_calendar(cancellation, "fallback", why);
	if (find_by_status(cancellation))
		return cancellation_keep(cancellation, why);
	if (latest == LEDGER_FAILED)
		return verdict_refuse(why, OUTCOME_NO_LEDGER,
				      "the ledger cannot be used, so it is not known whether the "
				      "invite was cancelled before; try again later");
	/* Without a refusal there is hope: what is kept in doubt waits for a calendar. */
	return cancellation->in_doubt && cancellation->result.outcome == CANCEL_REFUSED
		       ? refuse_in_doubt(cancellation, why)
		       : refuse_call(cancellation, why);
}

bool cancellation_obtain(struct cancellation *cancellation, cancel_progress *progress,
			 void *context, struct verdict *why)
{
	cancellation->ask = request_of(cancellation, progress, context);
	switch (cancellation_begin(cancellation, why)) {
	case CANCELLATION_KEPT:
		return use_kept_calendar(cancellation, "same_message", why);
	case CANCELLATION_REFUSED:
		return false;
	case CANCELLATION_CALL:
		break;
	}
	cancel_invite(cancellation->services->http, &cancellation->ask, &cancellation->result);
	if (cancellation->result.outcome != CANCEL_DONE)
		return do_without_answer(cancellation, why);
	return use_answer(cancellation, why);
}

void cancellation_free(struct cancellation *cancellation)
{
	buffer_free(&cancellation->result.calendar);
	calendar_free(&cancellation->calendar);
}
