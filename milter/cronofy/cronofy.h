/*
 * cronofy: what is said in the cancel call, and what the answer means.
 *
 * After Cronofy's documentation of "Cancel Invite" (POST /v1/smart_invites). Pure: texts in, texts
 * and an answer out; who sends them is cancel's business.
 */
#ifndef CRONOFY_H
#define CRONOFY_H

#include "buffer.h"
#include "cronofy_answer.h"
#include "span.h"
#include "problem.h"

#include <stdbool.h>

/* Writes the request's JSON. Both are valid UTF-8. False if there is no memory. */
bool cronofy_write_request(struct buffer *json, const char *invite_id, const char *recipient);

/*
 * Reads the reply to the cancellation of this invite. CRONOFY_CANCELLED: `calendar` has the
 * iCalendar text appended, as Cronofy wrote it. All others: `why` says what went wrong, in
 * Cronofy's words where it has some.
 */
enum cronofy_answer cronofy_read_reply(long status, struct span body, const char *invite_id,
				       struct buffer *calendar, struct problem *why);

#endif
