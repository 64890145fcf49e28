/*
 * record: one look at one tagged message, as the ledger keeps it and the commands show it.
 *
 * All that is text is in one array, so that storing and showing go over it in a loop.
 */
#ifndef RECORD_H
#define RECORD_H

/* In the order in which they are stored and shown. */
enum record_text {
	RECORD_RESULT, /* the log's result= */
	RECORD_KEPT,   /* same_message, fallback: a calendar of the ledger was used */
	RECORD_ACCOUNT,
	RECORD_INVITE,
	RECORD_RECIPIENT, /* the invite's */
	RECORD_ENVELOPE_RECIPIENT,
	RECORD_SENDER,
	RECORD_MESSAGE_ID, /* with <> */
	RECORD_QUEUE_ID,
	RECORD_UID, /* of the calendar, and its SEQUENCE */
	RECORD_SEQUENCE,
	RECORD_REPLY,  /* the reply to the MTA: "451 4.4.1" */
	RECORD_REASON, /* and in words */
	RECORD_TEXTS,
};

struct record {
	long long time;                  /* ms since 1970 (UTC), when it was over */
	long long status;                /* Cronofy's last HTTP status; 0 if it did not answer */
	long long ms;                    /* from the sender to the result */
	const char *texts[RECORD_TEXTS]; /* NULL or "" if there is none */
};

/* Their names, as in the log and in the ledger. */
extern const char *const record_names[RECORD_TEXTS];

/* The text, "" for none. */
const char *record_text(const struct record *record, enum record_text which);

/* A copy with all its texts, in one piece for free(). NULL if there is no memory. */
struct record *record_copy(const struct record *record);

#endif
