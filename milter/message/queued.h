/*
 * queued: the two listeners of queued mode. At submission the tag becomes a stamp, which says what
 * was decided there; after the queue the stamp says what is to be cancelled.
 */
#ifndef QUEUED_H
#define QUEUED_H

#include "header_edits.h"
#include "outcome.h"
#include "request.h"
#include "stamp.h"
#include "transaction.h"

#include <stdbool.h>

/* ---- submission ---- */

/* The edits that turn the tag into a stamp. The transaction has a Message-ID. False: `why` is set. */
bool queued_stamp(const struct transaction *transaction, const struct request *request,
		  long long now, struct header_edits *edits, struct verdict *why);

/* ---- after the queue ---- */

/*
 * Must the tag be a stamp? At the second listener, but for routed mode, where the MTA alone sends
 * mail there, as the application wrote it; stamped mail may still come from queued mode before.
 */
bool queued_needs_stamp(const struct transaction *transaction);

/* Reads the first stamp of the message. False if it is not one of ours, made for this message. */
bool queued_read_stamp(const struct transaction *transaction, struct stamp *stamp,
		       struct problem *why);

/* The time of day. */
struct queued_now {
	long long time; /* s since 1970 */
	bool trusted;   /* false: it may have been set by mistake */
};

/* The message has a stamp, one, and no tag beside it. */
bool queued_check_header(const struct transaction *transaction, struct verdict *why);

/*
 * The stamp is a valid one, of an account that there is: it says what is asked for.
 * Only stamped mail is sent to the second listener, and it is there to be cancelled: where that is not
 * to be (any more), it waits.
 */
bool queued_check_stamp(const struct transaction *transaction, struct queued_now now,
			struct request *request, struct verdict *why);

#endif
