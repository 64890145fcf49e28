/* audit: what the commands share that show what is in the ledger. */
#ifndef AUDIT_H
#define AUDIT_H

#include "buffer.h"
#include "config.h"
#include "ledger_store.h"
#include "problem.h"
#include "redact.h"

#include <stdbool.h>

#define AUDIT_LINE_MAXIMUM ((size_t)64 * 1024) /* bytes, of one record as it is printed */

/* The ledger that there is. NULL, a complaint, and the exit code, if it cannot be opened so. */
struct ledger_store *audit_open(const struct config *config, enum ledger_store_mode mode,
				int *exit_code);

/*
 * What the ledger may have kept in place of an address: its hash; "" if it keeps addresses whole. False if
 * the key cannot be read, so that it cannot be told.
 */
bool audit_hash(const struct config *config, const char *address, char out[REDACTED_MAXIMUM],
		struct problem *why);

/* Closes it, and gives the exit code. `why` is of interest if it did not go well. */
int audit_finish(struct ledger_store *store, bool good, const struct problem *why);

/* Prints what was written into the buffer and empties it; false if nobody takes it. */
bool audit_print(struct buffer *out);

/* The moment so many ms ago; the beginning of time if it is -1. */
long long audit_moment(long long since);

/* Appends a moment in UTC (RFC 3339), or as people here say it, with the zone. */
void audit_write_utc(struct buffer *out, long long time);
void audit_write_local(struct buffer *out, long long time);

#endif
