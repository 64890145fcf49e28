/*
 * stamp: the tag as the first listener hands it on to the second one in queued mode: what was
 * decided at the first, and the proof that it was decided there.
 *
 *	v1; account=NAME; id="ID"; recipient="ADDRESS"; probe=yes; time=SECONDS; key=HEX; mac=HEX
 *
 * In ID and ADDRESS every byte that is no visible ASCII, and each of " % ; \ is %XX. White space
 * means nothing, so an MTA may fold the value, or break a long line, wherever it likes. mac is
 * HMAC-SHA-256 (RFC 2104, RFC 6234) over all of it but key, the envelope sender and the Message-ID.
 * key tells which secret it was made with, without telling the secret; stamps of before have none.
 *
 * A stamp holds for one sender and one message, as often as it is shown: recipients are not in it,
 * because the MTA expands aliases after the first listener.
 */
#ifndef STAMP_H
#define STAMP_H

#include "address.h"
#include "buffer.h"
#include "span.h"
#include "problem.h"
#include "tag.h"

#include <stdbool.h>

#define STAMP_ACCOUNT_MAXIMUM 64   /* bytes, of an account's name */
#define STAMP_VALUE_MAXIMUM   8192 /* bytes, white space not counted */

struct stamp {
	char account[STAMP_ACCOUNT_MAXIMUM + 1];
	char id[TAG_ID_MAXIMUM + 1];
	char recipient[ADDRESS_MAXIMUM + 1]; /* "" if the tag named none */
	bool probe;                          /* nothing is to be cancelled */
	long long time;                      /* seconds since 1970, when it was made */
};

/* What a stamp is bound to, beside what it says. */
struct stamp_bond {
	const char *key;        /* secret; NUL-terminated text */
	const char *previous;   /* the one before: stamps of it are read still; NULL: none */
	const char *sender;     /* envelope sender, without <> */
	const char *message_id; /* with <> */
};

/* Does a tag's value look like a stamp, a true one or not? */
bool stamp_is_like(struct span value);

/* Appends the value, folded with LF. False if there is no memory. */
bool stamp_write(const struct stamp *stamp, const struct stamp_bond *bond, struct buffer *value);

/*
 * Reads a value. False, and why, if it is malformed or was not made by stamp_write() with one of these
 * keys, for this sender and this message; or (problem_cannot_tell) if memory ran out before that was
 * seen.
 */
bool stamp_read(struct stamp *stamp, struct span value, const struct stamp_bond *bond,
		struct problem *why);

#endif
