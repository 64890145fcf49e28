/*
 * attempt: one look at one tagged message, as the ledger keeps it and the commands show it.
 *
 * All that is text is in one array, so that storing and showing go over it in a loop.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

/* In the order in which they are stored and shown. */
enum attempt_text {
	ATTEMPT_RESULT, /* the log's result= */
	ATTEMPT_KEPT,   /* same_message, fallback: a calendar of the ledger was used */
	ATTEMPT_ACCOUNT,
	ATTEMPT_INVITE,
	ATTEMPT_RECIPIENT, /* the invite's */
	ATTEMPT_ENVELOPE_RECIPIENT,
	ATTEMPT_SENDER,
	ATTEMPT_MESSAGE_ID, /* with <> */
	ATTEMPT_QUEUE_ID,
	ATTEMPT_UID, /* of the calendar, and its SEQUENCE */
	ATTEMPT_SEQUENCE,
	ATTEMPT_REPLY,  /* what the MTA was told: "451 4.4.1" */
	ATTEMPT_REASON, /* and in words */
	ATTEMPT_TEXTS,
};

struct attempt {
	long long time;                   /* ms since 1970 (UTC), when it was over */
	long long status;                 /* Cronofy's last HTTP status; 0 if it did not answer */
	long long ms;                     /* from the sender to the result */
	const char *texts[ATTEMPT_TEXTS]; /* NULL or "" if there is none */
};

/* Their names, as in the log and in the ledger. */
extern const char *const attempt_names[ATTEMPT_TEXTS];

/* The text, "" for none. */
const char *attempt_text(const struct attempt *attempt, enum attempt_text which);

/* A copy with all its texts, in one piece for free(). NULL if there is no memory. */
struct attempt *attempt_copy(const struct attempt *attempt);

/* Milliseconds since 1970 (UTC). */
long long attempt_time_now(void);

#endif
