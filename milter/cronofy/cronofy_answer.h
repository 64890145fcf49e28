/*
 * cronofy_answer: what each answer of Cronofy to a call means: one row of one table.
 *
 * An answer that is known by its HTTP status has the status in its row; the others are told apart
 * by who reads the reply (cronofy) or who made the call (cancel). message/ adds the SMTP code, and
 * nothing else knows a status by its number. A new answer is a line here, a row, and its SMTP code.
 */
#ifndef CRONOFY_ANSWER_H
#define CRONOFY_ANSWER_H

#include "breaker.h"

#include <stdbool.h>

enum cronofy_answer {
	CRONOFY_NO_ANSWER, /* nothing came that HTTP would call an answer, or nobody was asked */
	CRONOFY_CANCELLED, /* 2xx with an iCalendar text */
	CRONOFY_INVALID,   /* 422: it does not accept what we said */
	CRONOFY_UNKNOWN_INVITE,     /* 404, 410 */
	CRONOFY_SEVERAL_RECIPIENTS, /* the invite has more than one: other calls are for those */
	CRONOFY_BAD_KEY,            /* 401: the key is unknown, or of another data center */
	CRONOFY_PLAN,               /* 402: the application's plan at Cronofy */
	CRONOFY_NOT_ALLOWED,        /* 403: its privileges */
	CRONOFY_CREDENTIALS,        /* 423: of the calendar provider */
	CRONOFY_LIMIT,              /* 429 */
	CRONOFY_NOT_CRONOFY, /* 400: Cronofy never answers this call so; a proxy or firewall does */
	CRONOFY_TOO_EARLY,   /* 408, 425: of a proxy */
	CRONOFY_REDIRECT,    /* 3xx: never followed */
	CRONOFY_OUTAGE,      /* 5xx */
	CRONOFY_NO_CALENDAR, /* 2xx whose body holds no iCalendar text of this invite */
	CRONOFY_BAD_REPLY,   /* anything that the contract does not know */
	CRONOFY_MISCONFIGURED, /* our configuration names something that cannot be used */
	CRONOFY_NOT_READ, /* an answer, or the request, that there was no memory for: our fault */
	CRONOFY_ANSWERS,
};

/* What a call means for the message. */
enum cancel_outcome {
	CANCEL_DONE = 1,    /* there is a calendar */
	CANCEL_REFUSED,     /* for good: what the sender asked for is wrong */
	CANCEL_UNAVAILABLE, /* may go better later */
	CANCEL_FAILED,  /* may go better later, and the fault is in this process: never Cronofy's */
	CANCEL_NO_TURN, /* so many wait that Cronofy could not even be asked once in time */
	CANCEL_INTERRUPTED, /* the waiting party is gone */
};

struct cronofy_meaning {
	const char *word; /* for metrics and logs */
	const char *text; /* said to the sender behind "Cronofy: " */
	long statuses[2]; /* HTTP's, if it is known by them; 0: none */
	enum cancel_outcome outcome;
	bool try_again;           /* the same call may go better in a moment */
	bool needs_administrator; /* waiting does not mend it */
	bool may_be_cancelled;    /* the invite may be cancelled already, its calendar elsewhere */
	bool may_have_cancelled; /* this very call may have cancelled it, and there is no calendar */
	enum breaker_sign sign;  /* what it says about the data center */
};

/* Never NULL, for any answer but CRONOFY_ANSWERS. */
const struct cronofy_meaning *cronofy_meaning(enum cronofy_answer answer);

/* What a reply with this status says, if its body does not matter: of a 2xx it does. */
enum cronofy_answer cronofy_answer_of_status(long status);

#endif
