/*
 * message: the way of one message: trust, account, header, size, shape, stamp, ledger, call,
 * calendar, attach; at its end there is a verdict.
 *
 * Knows no libmilter: the MTA, --try and the tests go the same way. Calls come in the order begin,
 * recipients, headers, end of headers, body, finish, report; begin starts over at any point. One
 * thread at a time.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "cancel.h"
#include "envelope.h"
#include "header_edits.h"
#include "outcome.h"
#include "rewrite.h"
#include "services.h"
#include "transaction.h"

#include <stdbool.h>
#include <stddef.h>

struct message;

/* What the MTA should do next. */
enum message_next {
	MESSAGE_NOTHING_TO_DO, /* untagged: accept it as it is, now; there is nothing to report */
	MESSAGE_WANTS_BODY,
	MESSAGE_WANTS_NO_BODY, /* but finish has something to do */
	MESSAGE_DECIDED,       /* the verdict is there */
};

/* NULL if there is no memory. The services outlive it. */
struct message *message_new(const struct message_services *services);
void message_free(struct message *message);

/* Forgets the message at hand, which is no longer active. So does begin. */
void message_clear(struct message *message);

/* ---- what the MTA reports: as transaction.h has it ---- */

void message_begin(struct message *message, struct config *config,
		   const struct transaction_origin *origin);
void message_add_recipient(struct message *message, const char *recipient, char *const *parameters);
void message_add_header(struct message *message, const char *name, const char *value,
			bool space_cut);

/* `queue_id` is the MTA's name for the message, "" if there is none. */
enum message_next message_end_headers(struct message *message, const char *queue_id);

/* A piece of the body. MESSAGE_DECIDED: no more of it is wanted. */
enum message_next message_add_body(struct message *message, const char *data, size_t length);

/* ---- the end ---- */

/* May message_finish() wait? Not if too many are active already: then it only says so. */
bool message_may_wait(const struct message *message);

/*
 * The message is complete: does the work, blocks as long as it takes. `progress` is called about
 * every 5 seconds meanwhile; NULL if nobody wants to know.
 */
void message_finish(struct message *message, cancel_progress *progress, void *context);

/*
 * Writes the one line about this message into the log, its record into the ledger, and counts it: once
 * its action was carried out, or (`taken` is false) could not be, which is then its verdict.
 */
void message_report(struct message *message, bool taken);

/* After MESSAGE_DECIDED or message_finish(). */
const struct verdict *message_verdict(const struct message *message);

/* What the MTA is to do: the verdict's action; a dry run only lets pass. */
enum action message_action(const struct message *message);

/* ---- ACTION_ACCEPT: what is to be changed ---- */

const struct header_edits *message_edits(const struct message *message);

/* The recipients that are to be replaced by what envelope_reroute() makes of them; or NULL. */
const struct envelope *message_rerouted(const struct message *message);

/* What goes behind their domains; "". */
const char *message_suffix(const struct message *message);
bool message_has_new_body(const struct message *message);
bool message_write_body(struct message *message, rewrite_writer *write, void *context,
			struct problem *why);

#endif
