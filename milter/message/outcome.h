/*
 * outcome: what can become of a message. One table has a row for each: its word, which the log, the
 * ledger and the metrics show as `result`, what the MTA does, the reply, and how the log takes it.
 *
 * Pure. `cancel-invite-milter --outcomes` prints the table, and the manual's is checked against it.
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "buffer.h"
#include "config.h"
#include "cronofy_answer.h"
#include "log.h"

#include <stdbool.h>
#include <stddef.h>

enum action {
	ACTION_ACCEPT,  /* the message continues, with the changes that there are */
	ACTION_REJECT,  /* 5xx: permanent */
	ACTION_DEFER,   /* 4xx: temporary */
	ACTION_HOLD,    /* into the MTA's hold queue, unchanged */
	ACTION_DISCARD, /* a probe: it arrived, and nobody gets it */
};

enum outcome {
	OUTCOME_CANCELLED,
	OUTCOME_QUEUED,
	OUTCOME_ARCHIVED,
	OUTCOME_PROBE,
	OUTCOME_DRY_RUN,
	OUTCOME_UNTRUSTED_STRIPPED,
	OUTCOME_UNTRUSTED_REJECTED,
	OUTCOME_UNTRUSTED_KEPT,
	OUTCOME_BAD_TAG,
	OUTCOME_BAD_RECIPIENT,
	OUTCOME_RESERVED_DOMAIN,
	OUTCOME_BAD_SENDER,
	OUTCOME_TOO_MANY_RECIPIENTS,
	OUTCOME_NO_ACCOUNT,
	OUTCOME_NOT_ORGANIZER,
	OUTCOME_TOO_LARGE,
	OUTCOME_BAD_HEADERS,
	OUTCOME_BAD_SHAPE,
	OUTCOME_BAD_STAMP,
	OUTCOME_MISCONFIGURED,
	OUTCOME_REFUSED,
	OUTCOME_UNAVAILABLE,
	OUTCOME_MAYBE_CANCELLED,
	OUTCOME_BAD_CALENDAR,
	OUTCOME_UNUSABLE_CALENDAR,
	OUTCOME_NO_TURN,
	OUTCOME_INTERRUPTED,
	OUTCOME_IN_PROGRESS,
	OUTCOME_BUSY,
	OUTCOME_STOPPING,
	OUTCOME_NO_LEDGER,
	OUTCOME_FAILED,
	OUTCOME_NOT_TAKEN,
	OUTCOME_COUNT
};

/* Who says what is done about it. */
enum outcome_choice {
	CHOICE_NONE,           /* the row's action */
	CHOICE_ON_REFUSED,     /* the configuration's on_refused (enum fallback) */
	CHOICE_ON_UNAVAILABLE, /* ... on_unavailable; tempfail rejects what no try can mend */
	CHOICE_ON_MAYBE_CANCELLED,
};

struct outcome_row {
	const char *word;
	enum action action;   /* by default, where the configuration has a choice */
	const char *code;     /* SMTP reply code (RFC 5321); "": there is no reply of ours */
	const char *enhanced; /* RFC 3463; "": none, or what Cronofy's answer calls for */
	enum log_level level;
	enum outcome_choice choice;
	bool by_cronofy; /* Cronofy was asked, and its answer, or none, decided: rates count these */
	const char *meaning;
};

const struct outcome_row *outcome_row(enum outcome outcome);

/* The row's word, for the metrics. */
const char *outcome_word(size_t outcome);

/* What becomes of a message with the call that came out so. */
enum outcome outcome_of_cancel(enum cancel_outcome cancel);

/* The enhanced status code (RFC 3463) for an answer of Cronofy's that did not cancel. */
const char *outcome_enhanced(enum cronofy_answer answer);

/* What was decided about one message, and why. */
struct verdict {
	enum outcome outcome;
	enum action action;
	const char *code; /* as in the row; "" unless rejected or deferred */
	const char *enhanced;
	enum log_level level;
	const char *header; /* the tag's name: what a reason begins with. The owner's, set first */
	char text[900];     /* the reply's text, or why it is held; one line of UTF-8 */
};

/*
 * The row's verdict, with a reason for the sender and the log; what cannot be shown in it is made
 * printable (problem_quote()). Gives false, for a check to return.
 */
bool verdict_refuse(struct verdict *verdict, enum outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The row's verdict where there is nothing to explain. */
void verdict_accept(struct verdict *verdict, enum outcome outcome);

/* The MTA did not do what was decided. The reason that there was stays. */
void verdict_not_taken(struct verdict *verdict);

/*
 * The verdict of an outcome that is the administrator's choice, with that choice (enum fallback)
 * made. `enhanced` is for a reply; a permanent one is no good for a deferral.
 */
void verdict_choose(struct verdict *verdict, enum fallback fallback, const char *enhanced);

/* Appends the table as text: a line for each outcome and each reply of ours that it can have. */
void outcome_write_table(struct buffer *out);

#endif
