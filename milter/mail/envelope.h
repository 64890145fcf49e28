/*
 * envelope: a message's recipients as the MTA gave them, with the parameters that a delivery report
 * depends on (RFC 3461).
 *
 * Kept for every message, tagged or not, so adding one is cheap. One thread at a time.
 */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "buffer.h"
#include "tag.h"

#include <stdbool.h>
#include <stddef.h>

#define ENVELOPE_MAXIMUM ((size_t)4 * 1024 * 1024) /* bytes of all recipients of one message */

/* Behind a recipient's domain: Sendmail takes such mail to the second listener (route = domain). */
#define ENVELOPE_SUFFIX ".cancel-invite"

#define ENVELOPE_REROUTED_MAXIMUM 253 /* bytes, of an address with the suffix (Sendmail: MAXNAME) */

struct envelope {
	struct buffer text; /* address, NOTIFY, ORCPT of each, each with its NUL */
	size_t count;       /* recipients; the first one only counts once */
	bool suffixed;      /* there is one with the suffix */
	bool renamed;       /* there is one whose ORCPT is another address than it has here */
};

/* Texts are the envelope's; "" for a parameter that was not given. */
struct envelope_recipient {
	const char *address; /* without <>; "" if it was longer than any address may be */
	const char *notify;  /* NOTIFY's value */
	const char *orcpt;   /* ORCPT's value: type;xtext */
};

struct envelope envelope_new(void);

/* Forgets the recipients; the memory is kept for the next message. */
void envelope_clear(struct envelope *envelope);
void envelope_free(struct envelope *envelope);

/*
 * `address` with or without <>; `parameters` are those of RCPT (NOTIFY=..., ORCPT=..., others are
 * left out) up to a NULL, or NULL if there are none.
 */
void envelope_add(struct envelope *envelope, const char *address, char *const *parameters);

/* Goes through the recipients: start with `*at` 0. False at the end, or if `text` has failed. */
bool envelope_next(const struct envelope *envelope, size_t *at,
		   struct envelope_recipient *recipient);

/* The first recipient's address; "" if there is none. */
const char *envelope_first(const struct envelope *envelope);

/*
 * The address that the sender used, before aliases: what ORCPT says (RFC 3461, 4.2). False if it
 * says nothing, or nothing that is an internet mail address.
 */
bool envelope_original(const struct envelope_recipient *recipient, char *out, size_t size);

/*
 * Would Sendmail understand the recipient's new name? If not it would accept the message all the
 * same, and forget this recipient.
 */
bool envelope_can_reroute(const struct envelope_recipient *recipient);

/*
 * The recipient as the MTA is to know it from now on: <user@host>, with `suffix` ("" or
 * ENVELOPE_SUFFIX) behind the host, and its parameters for RCPT. ORCPT is the address that it has
 * here, whatever the client says: whose invite it is has to come to the second listener. False if
 * there is no memory.
 */
bool envelope_reroute(const struct envelope_recipient *recipient, const char *suffix,
		      struct buffer *address, struct buffer *parameters);

#endif
