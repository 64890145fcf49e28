/*
 * transaction: one mail transaction (RFC 5321, 3.3) as the MTA reports it: who sends, for whom, which
 * headers. The callbacks fill it, up to the end of the headers; everybody else only reads it.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "address.h"
#include "config.h"
#include "envelope.h"
#include "headers.h"
#include "mailbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Which part of the way of a message this transaction is. */
enum role {
	ROLE_DIRECT,     /* all of it: cancel in the sender's own transaction */
	ROLE_SUBMISSION, /* queued mode, first listener (RFC 6409): check and stamp */
	ROLE_SECOND,     /* second listener, after the queue: verify the stamp, if any; cancel */
	ROLE_MISPLACED,  /* routed mode: no listener of ours */
};

struct transaction {
	struct config *config; /* the one in force when it began; a reference */
	long long begun;       /* clock_now() */
	enum role role;
	bool trusted;                   /* this client may cancel invites */
	struct sockaddr_storage client; /* AF_UNSPEC: the MTA does not know it */
	char login[256]; /* SMTP AUTH name; "" if there is none, or it does not fit */
	bool login_fits;
	char sender[ADDRESS_MAXIMUM + 1]; /* as the MTA read it */
	enum mailbox_reading sender_reading;
	char typed_sender[128]; /* as the client gave it, for people; if the reading is not good */
	char host[256];         /* the MTA's own name */
	char queue_id[64];      /* the MTA's name for the message; "": none yet */
	long long size;         /* bytes, as the client announced; 0: it did not */
	struct envelope envelope;
	struct headers headers;
	bool made_message_id; /* the one in `headers` is ours, and the message has none yet */
};

/* Where a message comes from. Texts are copied. */
struct transaction_origin {
	const struct sockaddr *client; /* NULL if the MTA does not know it */
	const char *daemon;            /* the name of the MTA's listener; "" if it has none */
	const char *host;              /* the MTA's own name */
	const char *login;             /* SMTP AUTH name; "" if the client did not authenticate */
	const char *sender;        /* envelope sender as the client gave it, with or without <> */
	const char *parsed_sender; /* ... as the MTA read it, {mail_addr}; NULL: not given */
	long long size;            /* bytes, MAIL's SIZE= (RFC 1870); 0: it was not there */
	bool by_administrator; /* --try: trusted in any case, and the whole way, as in direct mode */
};

struct transaction transaction_new(void);

/* Starts over. A reference to the configuration is taken, until the transaction is cleared. */
void transaction_begin(struct transaction *transaction, struct config *config,
		       const struct transaction_origin *origin);

/* An envelope recipient and its RCPT parameters, as envelope_add() takes them. */
void transaction_add_recipient(struct transaction *transaction, const char *recipient,
			       char *const *parameters);

/*
 * A header as it stands: the value is all that is behind the colon, folded with LF; or without the
 * one space there, if `space_cut`.
 */
void transaction_add_header(struct transaction *transaction, const char *name, const char *value,
			    bool space_cut);

/* The headers are complete. */
void transaction_end_headers(struct transaction *transaction, const char *queue_id);

/*
 * Some MTAs make a Message-ID only when the message has passed the filter, but a stamp is bound to it:
 * makes one where there is none. False if there is no randomness for it.
 */
bool transaction_ensure_message_id(struct transaction *transaction);

/* Its one recipient is the archive's, whom the MTA itself adds to all mail. */
bool transaction_is_for_archive(const struct transaction *transaction);

/* From is the account's organizer, or the configuration does not say who that is. */
bool transaction_is_from_organizer(const struct transaction *transaction,
				   const struct account *account);

/* Forgets everything; memory is kept for the next one. */
void transaction_clear(struct transaction *transaction);
void transaction_free(struct transaction *transaction);

#endif
