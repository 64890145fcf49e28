/*
 * digest: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) of fields, as lower-case hexadecimal digits.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include "problem.h"
#include "span.h"

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_LENGTH 64 /* characters */

/* Bytes that are digested with a key, all together and with their lengths. */
#define DIGEST_FIELDS_MAXIMUM ((size_t)8 * 1024)

/*
 * Makes libcrypto ready, before other threads use it, and proves that it gives what it should: what it
 * loads at its first use it can fail to load. False, and why.
 */
bool digest_start(struct problem *why);

/*
 * Each field counts with its length, four bytes, in front of it, so that no two sets of fields give the
 * same. What it is made of is wiped. False if a field is longer than 4 GiB, or libcrypto has no
 * memory.
 */
bool digest_of(const struct span *fields, size_t count, char out[DIGEST_LENGTH + 1]);

/*
 * The same, which only who knows the key (NUL-terminated text) can make. False also if the fields are
 * longer than DIGEST_FIELDS_MAXIMUM.
 */
bool digest_with_key(const char *key, const struct span *fields, size_t count,
		     char out[DIGEST_LENGTH + 1]);

/* Of one text of any length, without its length. False if libcrypto has no memory. */
bool digest_of_text(struct span text, char out[DIGEST_LENGTH + 1]);

/* Are they the same? Takes as long whatever differs. */
bool digest_is(const char one[DIGEST_LENGTH + 1], const char other[DIGEST_LENGTH + 1]);

#endif
