/*
 * redact: people's addresses as logs and the ledger may show them: whole, the domain only, or a keyed
 * hash, by which one can look for an address but not find out whose it is. Pure.
 */
#ifndef REDACT_H
#define REDACT_H

#include "buffer.h"

#include <stddef.h>

enum redact_form {
	REDACT_FULL,
	REDACT_DOMAIN, /* *@example.com */
	REDACT_HASH,   /* 32 hexadecimal digits, of HMAC-SHA-256 (RFC 2104); case does not matter */
};

struct redact {
	enum redact_form form;
	const char *key; /* of REDACT_HASH */
};

#define REDACTED_MAXIMUM 400 /* bytes, with the NUL */

/*
 * Writes the address as it may be shown; "" stays "". What is longer than an address can be is cut.
 * Gives `out`.
 */
const char *redact_address(const struct redact *redact, const char *address,
			   char out[REDACTED_MAXIMUM]);

/* Appends the text with each address in it as it may be shown: whatever is of the form user@domain. */
void redact_text(const struct redact *redact, const char *text, struct buffer *out);

#endif
