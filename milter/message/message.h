/*
 * message: one message's facts and its way: trust, account, cancel, check, rewrite, verdict.
 *
 * Knows no libmilter: the MTA, --try and the tests walk the same way. Calls come in the order
 * begin, recipients, headers, end of headers, body, finish; begin starts over at any point.
 * One thread at a time.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "cancel.h"
#include "clock.h"
#include "config.h"
#include "envelope.h"
#include "header_edits.h"
#include "http.h"
#include "metrics.h"
#include "ledger.h"
#include "active.h"
#include "outcome.h"
#include "rewrite.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* What messages share. */
struct message_services {
	struct http *http;
	struct active *active;
	struct metrics *metrics; /* or NULL: nothing is counted */
	struct ledger *ledger;   /* NULL: keep nothing */
	struct pace *pace;
	struct redis_store *store; /* the pace's; or NULL */
	struct breakers *breakers;
	struct clock_watch *clock; /* NULL: the time of day is always trusted */
};

struct message;

/* Where a message comes from, as the MTA tells it. Copied as far as it is needed. */
struct message_origin {
	const struct sockaddr *client; /* NULL if the MTA does not know it */
	const char *daemon;            /* the name of the MTA's listener; "" if it has none */
	const char *host;              /* the MTA's own name */
	const char *login;             /* SMTP AUTH name; "" if the client did not authenticate */
	const char *sender;            /* envelope sender as the client gave it, with or without <> */
	const char *parsed_sender;     /* ... as the MTA read it, {mail_addr}; NULL: it does not tell */
	long long size; /* bytes, as the client announced (RFC 1870); 0: it did not */
};

/* What the MTA should do next. */
enum message_next {
	MESSAGE_NOTHING_TO_DO, /* untagged: accept it as it is, now */
	MESSAGE_WANTS_BODY,
	MESSAGE_WANTS_NO_BODY, /* but finish has something to do */
	MESSAGE_DECIDED,       /* the verdict is there */
};

/* NULL if there is no memory. */
struct message *message_new(const struct message_services *services);
void message_free(struct message *message);

/* Lets go of all about the message at hand, and it is no longer active. So does begin. */
void message_forget(struct message *message);

/* A message begins. A reference to the config is taken until the message is forgotten. */
void message_begin(struct message *message, struct config *config,
		   const struct message_origin *origin);

/*
 * It is the administrator, by --try: trusted, whatever the configuration says, and the whole way is
 * gone at once, as in direct mode.
 */
void message_trust(struct message *message);

/* An envelope recipient and its RCPT parameters, as envelope_add() takes them. */
void message_add_recipient(struct message *message, const char *recipient, char *const *parameters);

/*
 * A header as it stands: the value is all that is behind the colon, folded with LF; or without the
 * one space there, if `space_cut`.
 */
void message_add_header(struct message *message, const char *name, const char *value,
			bool space_cut);

/* `queue_id` is the MTA's name for the message, "" if there is none. */
enum message_next message_end_headers(struct message *message, const char *queue_id);

/* A piece of the body. MESSAGE_DECIDED: no more of it is wanted. */
enum message_next message_add_body(struct message *message, const char *data, size_t length);

/* Will message_finish() take its time? Not if max_active are active already: then it only says so. */
bool message_may_wait(const struct message *message);

/*
 * The message is complete: does the work, blocks as long as it takes. `progress` is called about
 * every 5 seconds meanwhile; NULL if nobody wants to know.
 */
void message_finish(struct message *message, cancel_progress *progress, void *context);

/*
 * Writes the one line about this message into the log, after message_finish() and after what it
 * asked for was done, or (`taken` is false) could not be done. Messages that were decided before
 * have told already.
 */
void message_report(struct message *message, bool taken);

/* After MESSAGE_DECIDED or message_finish(). */
const struct verdict *message_verdict(const struct message *message);

/* After message_finish(), if the verdict is ACTION_ACCEPT: what is to be changed. */

/* The recipients that are to be replaced by what envelope_reroute() makes of them; or NULL. */
const struct envelope *message_rerouted(const struct message *message);
const struct header_edits *message_edits(const struct message *message);
bool message_has_new_body(const struct message *message);
bool message_write_body(struct message *message, rewrite_writer *write, void *context,
			struct problem *why);

#endif
