/* sha256: the secure hash of FIPS 180-4, for names that must not tell what they stand for. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LENGTH     32 /* bytes */
#define SHA256_HEX_LENGTH 64 /* characters */

struct sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes so far */
	unsigned char block[64];
};

struct sha256 sha256_new(void);
void sha256_add(struct sha256 *hash, const void *data, size_t length);

/* Adds a text with the NUL at its end, so that "a", "bc" and "ab", "c" differ. */
void sha256_add_text(struct sha256 *hash, const char *text);

/* Writes the hash, and wipes what it was made of. */
void sha256_end(struct sha256 *hash, unsigned char out[SHA256_LENGTH]);

/* The same in lower-case hexadecimal digits, with a NUL. */
void sha256_end_hex(struct sha256 *hash, char out[SHA256_HEX_LENGTH + 1]);

#endif
