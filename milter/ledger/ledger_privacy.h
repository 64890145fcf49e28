/*
 * ledger_privacy: keys and records with hashes in place of people's addresses. A look-up by an address
 * finds them by its hash; in the hash the case of letters does not matter.
 */
#ifndef LEDGER_PRIVACY_H
#define LEDGER_PRIVACY_H

#include "ledger_store.h"
#include "redact.h"

struct private_key {
	struct ledger_key key; /* its recipient is below */
	char recipient[REDACTED_MAXIMUM];
};

/* Fills `out` with the key as it is kept. Gives that key. */
const struct ledger_key *ledger_private_key(const struct redact *redact,
					    const struct ledger_key *key, struct private_key *out);

struct private_record {
	struct record record; /* its addresses and its reason are below */
	char recipient[REDACTED_MAXIMUM];
	char envelope_recipient[REDACTED_MAXIMUM];
	char sender[REDACTED_MAXIMUM];
	struct buffer reason; /* freed by the caller */
};

/* The same with a record; also the reason, where it names them. */
const struct record *ledger_private_record(const struct redact *redact, const struct record *record,
					   struct private_record *out);

#endif
