/*
 * cronofy: what is said in the cancel call, and what the answer means.
 *
 * After Cronofy's documentation of "Cancel Invite" (POST /v1/smart_invites). Pure: texts in, texts
 * and an outcome out; who sends them is cancel's business.
 */
#ifndef CRONOFY_H
#define CRONOFY_H

#include "buffer.h"
#include "field.h"
#include "problem.h"

#include <stdbool.h>

enum cronofy_outcome {
	CRONOFY_CANCELLED,      /* 2xx with an iCalendar text */
	CRONOFY_INVALID,        /* 400, 422: it does not accept what we said */
	CRONOFY_UNKNOWN_INVITE, /* 404, 410 */
	CRONOFY_BAD_KEY,        /* 401: key unknown, or of another data center */
	CRONOFY_NOT_ALLOWED,    /* 402, 403: the plan or the privileges */
	CRONOFY_CREDENTIALS,    /* 423: of the calendar provider */
	CRONOFY_LIMIT,          /* 429 */
	CRONOFY_REDIRECT,       /* 3xx: never followed */
	CRONOFY_OUTAGE,         /* 5xx */
	CRONOFY_BAD_REPLY,      /* anything that the contract does not know */
};

/* A word for logs: "cancelled", "invalid", ... */
const char *cronofy_outcome_name(enum cronofy_outcome outcome);

/* Writes the request's JSON. Both are valid UTF-8. False if there is no memory. */
bool cronofy_write_request(struct buffer *json, const char *invite_id, const char *recipient);

/*
 * Reads the reply to the cancellation of this invite. CRONOFY_CANCELLED: `calendar` has the
 * iCalendar text appended, as Cronofy wrote it. All others: `why` says what went wrong, in
 * Cronofy's words where it has some.
 */
enum cronofy_outcome cronofy_read_reply(long status, struct span body, const char *invite_id,
					struct buffer *calendar, struct problem *why);

#endif
