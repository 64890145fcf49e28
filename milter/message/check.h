/*
 * check: what can be wrong with a tagged message, in the order in which it is asked.
 *
 * Each check is true if all is well, and else has filled the verdict: a 5xx where the message is
 * proven wrong, a 451 where that cannot be told. Pure: nothing but `why` and what it is to read is
 * written.
 */
#ifndef CHECK_H
#define CHECK_H

#include "attach.h"
#include "outcome.h"
#include "request.h"
#include "transaction.h"

#include <stdbool.h>
#include <stddef.h>

/* No recipient has the suffix that only this filter may give it. */
bool check_suffix(const struct transaction *transaction, struct verdict *why);

/* Routed mode: tagged mail is where only the MTA's own routing can bring it. */
bool check_listener(const struct transaction *transaction, struct verdict *why);

/* It is little enough work to change its headers. */
bool check_edits(const struct transaction *transaction, struct verdict *why);

/* There is one tag, and it can be read. */
bool check_tag(const struct transaction *transaction, struct tag *tag, struct verdict *why);

/* It is certain who the envelope sender is; and where it is stamped, the MTA will not complete it. */
bool check_sender(const struct transaction *transaction, struct verdict *why);

/* The sender, or the login, belongs to an account. */
bool check_account(const struct transaction *transaction, const struct account **account,
		   struct verdict *why);

/* From can be the ORGANIZER of the account's calendars, or strict_calendar does not ask for that. */
bool check_organizer(const struct transaction *transaction, const struct request *request,
		     struct verdict *why);

/* There are no more recipients than this role takes with this tag. */
bool check_recipient_count(const struct transaction *transaction, const struct tag *tag,
			   struct verdict *why);

/* ROLE_SUBMISSION: each recipient can be queued, and be an invite's. */
bool check_recipients(const struct transaction *transaction, const struct tag *tag,
		      struct verdict *why);

/*
 * Else: whose invite it is: the recipient that the tag names, or the envelope's, or the one that
 * was written to before aliases were expanded. `recipient` has room for ADDRESS_MAXIMUM + 1 bytes.
 */
bool check_invite_recipient(const struct transaction *transaction, const struct tag *tag,
			    char *recipient, struct verdict *why);

/* The message's own Content-* headers are there in full. */
bool check_content(const struct transaction *transaction, struct verdict *why);

/* It is no larger than max_message_size, with as much of the body as was seen. */
bool check_size(const struct transaction *transaction, size_t body_length, struct verdict *why);

/* It can take a calendar, as far as it was seen. */
bool check_shape(struct attach *attach, struct verdict *why);

#endif
