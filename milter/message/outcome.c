/* outcome: the table of what can become of a message, and verdicts made from it. */
#include "outcome.h"

#include "problem.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off: a row each */
static const struct outcome_row rows[] = {
	[OUTCOME_CANCELLED] = {"cancelled", ACTION_ACCEPT, "", "", LOG_LEVEL_INFO, CHOICE_NONE,
			       true, "the message continues with the calendar"},
	[OUTCOME_QUEUED] = {"queued", ACTION_ACCEPT, "", "", LOG_LEVEL_INFO, CHOICE_NONE, false,
			    "queued mode: checked and stamped, in the mail server's queue"},
	[OUTCOME_ARCHIVED] =
		{"archived", ACTION_ACCEPT, "", "", LOG_LEVEL_INFO, CHOICE_NONE, false,
		 "queued and routed mode: a copy for one of archives continues without a calendar"},
	[OUTCOME_PROBE] = {"probe", ACTION_DISCARD, "", "", LOG_LEVEL_INFO, CHOICE_NONE, false,
			   "a probe arrived; nothing was cancelled or delivered"},
	[OUTCOME_DRY_RUN] =
		{"dry_run", ACTION_ACCEPT, "", "", LOG_LEVEL_INFO, CHOICE_NONE, false,
		 "dry_run = yes: nothing was cancelled, the message continues unchanged"},
	[OUTCOME_UNTRUSTED_STRIPPED] =
		{"untrusted_stripped", ACTION_ACCEPT, "", "", LOG_LEVEL_WARNING, CHOICE_NONE, false,
		 "the client may not cancel invites: the header was removed"},
	[OUTCOME_UNTRUSTED_REJECTED] = {"untrusted_rejected", ACTION_REJECT, "550", "5.7.1",
					LOG_LEVEL_WARNING, CHOICE_NONE, false,
					"the client may not cancel invites"},
	[OUTCOME_UNTRUSTED_KEPT] =
		{"untrusted_kept", ACTION_ACCEPT, "", "", LOG_LEVEL_WARNING, CHOICE_NONE, false,
		 "the client may not cancel invites: the message continues unchanged"},
	[OUTCOME_BAD_TAG] = {"bad_tag", ACTION_REJECT, "554", "5.6.0", LOG_LEVEL_INFO, CHOICE_NONE,
			     false, "the header is malformed"},
	[OUTCOME_BAD_RECIPIENT] = {"bad_recipient", ACTION_REJECT, "554", "5.1.3", LOG_LEVEL_INFO,
				   CHOICE_NONE, false, "a recipient is not user@domain"},
	[OUTCOME_RESERVED_DOMAIN] =
		{"reserved_domain", ACTION_REJECT, "550", "5.1.2", LOG_LEVEL_INFO, CHOICE_NONE,
		 false, "a recipient has the domain suffix that only the filter may add"},
	[OUTCOME_BAD_SENDER] =
		{"bad_sender", ACTION_REJECT, "550", "5.1.7", LOG_LEVEL_INFO, CHOICE_NONE, false,
		 "the envelope sender is not a plain address, or the mail server reads it as "
		 "another"},
	[OUTCOME_TOO_MANY_RECIPIENTS] =
		{"too_many_recipients", ACTION_REJECT, "554", "5.5.3", LOG_LEVEL_INFO, CHOICE_NONE,
		 false, "direct mode, or a header with recipient=, allows one recipient"},
	[OUTCOME_NO_ACCOUNT] = {"no_account", ACTION_REJECT, "550", "5.7.1", LOG_LEVEL_INFO,
				CHOICE_NONE, false, "the sender belongs to no account"},
	[OUTCOME_NOT_ORGANIZER] =
		{"not_organizer", ACTION_REJECT, "554", "5.6.0", LOG_LEVEL_INFO, CHOICE_NONE, false,
		 "strict_calendar = yes, and From is not the account's organizer"},
	[OUTCOME_TOO_LARGE] = {"too_large", ACTION_REJECT, "552", "5.3.4", LOG_LEVEL_INFO,
			       CHOICE_NONE, false, "the message is larger than max_message_size"},
	[OUTCOME_BAD_HEADERS] = {"bad_headers", ACTION_REJECT, "554", "5.6.0", LOG_LEVEL_INFO,
				 CHOICE_NONE, false,
				 "more headers than the filter changes in one message"},
	[OUTCOME_BAD_SHAPE] = {"bad_shape", ACTION_REJECT, "554", "5.6.1", LOG_LEVEL_INFO,
			       CHOICE_NONE, false, "the message cannot take a calendar"},
	[OUTCOME_BAD_STAMP] = {"bad_stamp", ACTION_REJECT, "554", "5.7.1", LOG_LEVEL_ERROR,
			       CHOICE_NONE, false,
			       "second listener: no valid stamp; an attack or a misconfiguration"},
	[OUTCOME_MISCONFIGURED] = {"misconfigured", ACTION_DEFER, "451", "4.3.5", LOG_LEVEL_ERROR,
				   CHOICE_NONE, false,
				   "the mail server's two listeners and the filter do not match"},
	[OUTCOME_REFUSED] = {"refused", ACTION_REJECT, "554", "", LOG_LEVEL_INFO, CHOICE_ON_REFUSED,
			     true, "Cronofy refuses permanently"},
	[OUTCOME_UNAVAILABLE] = {"unavailable", ACTION_DEFER, "451", "", LOG_LEVEL_WARNING,
				 CHOICE_ON_UNAVAILABLE, true,
				 "Cronofy cannot be reached, or does not answer as it should"},
	[OUTCOME_MAYBE_CANCELLED] =
		{"maybe_cancelled", ACTION_REJECT, "554", "5.5.0", LOG_LEVEL_WARNING,
		 CHOICE_ON_MAYBE_CANCELLED, true,
		 "Cronofy refuses, and an earlier call whose answer was lost may have cancelled"},
	[OUTCOME_BAD_CALENDAR] = {"bad_calendar", ACTION_DEFER, "451", "4.5.0", LOG_LEVEL_ERROR,
				  CHOICE_ON_UNAVAILABLE, true,
				  "Cronofy's calendar is not a cancellation that can be sent"},
	[OUTCOME_UNUSABLE_CALENDAR] = {"unusable_calendar", ACTION_REJECT, "554", "5.6.0",
				       LOG_LEVEL_ERROR, CHOICE_ON_UNAVAILABLE, true,
				       "the same after several tries: the filter gives up"},
	[OUTCOME_NO_TURN] = {"no_turn", ACTION_DEFER, "451", "4.4.5", LOG_LEVEL_WARNING,
			     CHOICE_NONE, false,
			     "its turn to call Cronofy would come after deadline"},
	[OUTCOME_INTERRUPTED] = {"interrupted", ACTION_DEFER, "451", "4.4.2", LOG_LEVEL_WARNING,
				 CHOICE_NONE, false,
				 "the mail server hung up before Cronofy answered"},
	[OUTCOME_IN_PROGRESS] = {"in_progress", ACTION_DEFER, "451", "4.4.5", LOG_LEVEL_WARNING,
				 CHOICE_NONE, false,
				 "another delivery attempt of this message is calling Cronofy"},
	[OUTCOME_BUSY] = {"busy", ACTION_DEFER, "451", "4.3.2", LOG_LEVEL_WARNING, CHOICE_NONE,
			  false, "max_active messages are active already"},
	[OUTCOME_STOPPING] = {"stopping", ACTION_DEFER, "451", "4.3.2", LOG_LEVEL_WARNING,
			      CHOICE_NONE, false, "the filter is being stopped"},
	[OUTCOME_NO_LEDGER] = {"no_ledger", ACTION_DEFER, "451", "4.3.0", LOG_LEVEL_ERROR,
			       CHOICE_NONE, false, "the ledger cannot be used, and is needed"},
	[OUTCOME_FAILED] = {"failed", ACTION_DEFER, "451", "4.3.0", LOG_LEVEL_ERROR, CHOICE_NONE,
			    false, "memory or disk is full"},
	[OUTCOME_NOT_TAKEN] = {"not_taken", ACTION_DEFER, "", "", LOG_LEVEL_ERROR, CHOICE_NONE,
			       false, "the mail server did not accept the changed message"},
};
/* clang-format on */

_Static_assert(sizeof(rows) / sizeof(rows[0]) == OUTCOME_COUNT, "each outcome has its row");

const struct outcome_row *outcome_row(enum outcome outcome)
{
	return &rows[outcome];
}

const char *outcome_word(size_t outcome)
{
	return rows[outcome].word;
}

/* No default, here and below: what is forgotten does not compile. */
enum outcome outcome_of_cancel(enum cancel_outcome cancel)
{
	switch (cancel) {
	case CANCEL_DONE:
		return OUTCOME_CANCELLED;
	case CANCEL_REFUSED:
		return OUTCOME_REFUSED;
	case CANCEL_UNAVAILABLE:
		return OUTCOME_UNAVAILABLE;
	case CANCEL_NO_TURN:
		return OUTCOME_NO_TURN;
	case CANCEL_INTERRUPTED:
		return OUTCOME_INTERRUPTED;
	case CANCEL_FAILED:
		break;
	}
	return OUTCOME_FAILED;
}

const char *outcome_enhanced(enum cronofy_answer answer)
{
	switch (answer) {
	case CRONOFY_INVALID:
	case CRONOFY_SEVERAL_RECIPIENTS:
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
	case CRONOFY_NO_CALENDAR:
	case CRONOFY_BAD_REPLY:
	case CRONOFY_ANSWERS:
		break;
	}
	return "4.5.0";
}

/* ---- verdicts ---- */

static void take_row(struct verdict *verdict, enum outcome outcome)
{
	const struct outcome_row *row = outcome_row(outcome);

	verdict->outcome = outcome;
	verdict->action = row->action;
	verdict->code = row->code;
	verdict->enhanced = row->enhanced;
	verdict->level = row->level;
}

void verdict_accept(struct verdict *verdict, enum outcome outcome)
{
	take_row(verdict, outcome);
	verdict->text[0] = '\0';
}

void verdict_not_taken(struct verdict *verdict)
{
	take_row(verdict, OUTCOME_NOT_TAKEN);
}

bool verdict_refuse(struct verdict *verdict, enum outcome outcome, const char *format, ...)
{
	char reason[sizeof(verdict->text)], shown[sizeof(verdict->text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	take_row(verdict, outcome);
	/* Addresses stand in it as the client gave them: whatever octets they have. */
	utf8_trim_end(reason);
	problem_quote(shown, sizeof(shown), reason, strlen(reason));
	snprintf(verdict->text, sizeof(verdict->text), "%s: %s", verdict->header, shown);
	utf8_trim_end(verdict->text);
	return false;
}

static void set_reply(struct verdict *verdict, enum action action, const char *code,
		      const char *enhanced)
{
	verdict->action = action;
	verdict->code = code;
	verdict->enhanced = enhanced;
}

void verdict_choose(struct verdict *verdict, enum fallback fallback, const char *enhanced)
{
	switch (fallback) {
	case FALLBACK_REJECT:
		set_reply(verdict, ACTION_REJECT, "554", enhanced);
		break;
	case FALLBACK_HOLD:
		set_reply(verdict, ACTION_HOLD, "", "");
		break;
	case FALLBACK_DELIVER:
		set_reply(verdict, ACTION_ACCEPT, "", "");
		if (verdict->level > LOG_LEVEL_WARNING)
			verdict->level = LOG_LEVEL_WARNING;
		break;
	case FALLBACK_TEMPFAIL:
		set_reply(verdict, ACTION_DEFER, "451", enhanced[0] == '5' ? "4.5.0" : enhanced);
		break;
	}
}

/* ---- the table as text ---- */

static const char *const levels[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
};

static const char *const choices[] = {
	[CHOICE_NONE] = "-",
	[CHOICE_ON_REFUSED] = "on_refused",
	[CHOICE_ON_UNAVAILABLE] = "on_unavailable",
	[CHOICE_ON_MAYBE_CANCELLED] = "on_maybe_cancelled",
};

static const char *const actions[] = {
	[ACTION_ACCEPT] = "accept", [ACTION_REJECT] = "reject",   [ACTION_DEFER] = "defer",
	[ACTION_HOLD] = "hold",     [ACTION_DISCARD] = "discard",
};

/* Where the enhanced code is that of Cronofy's answer, all that go with the row's own. */
static void write_codes(enum outcome outcome, char *out, size_t size)
{
	const struct outcome_row *row = outcome_row(outcome);
	int used = snprintf(out, size, "%s %s", row->code, row->enhanced);

	if (!row->code[0])
		snprintf(out, size, "none");
	if (!row->code[0] || row->enhanced[0])
		return;
	used--; /* the space */
	for (int answer = 0; answer < CRONOFY_ANSWERS; answer++) {
		const enum cancel_outcome cancel =
			cronofy_meaning((enum cronofy_answer)answer)->outcome;
		const char *code = outcome_enhanced((enum cronofy_answer)answer);

		if (outcome_of_cancel(cancel) == outcome && !strstr(out, code))
			used += snprintf(out + used, size - (size_t)used, " %s", code);
	}
}

void outcome_write_table(struct buffer *out)
{
	static const char format[] = "%-19s  %-7s  %-18s  %-7s  %-7s  %-45s  %s\n";
	char codes[64];

	buffer_printf(out, format, "RESULT", "ACTION", "CHOICE", "LEVEL", "CRONOFY", "REPLY",
		      "MEANING");
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_row *row = &rows[i];

		write_codes((enum outcome)i, codes, sizeof(codes));
		buffer_printf(out, format, row->word, actions[row->action], choices[row->choice],
			      levels[row->level], row->by_cronofy ? "yes" : "-", codes,
			      row->meaning);
	}
}
