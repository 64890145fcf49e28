#include "digest.h"

#include "hex.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>

#define BYTES (DIGEST_LENGTH / 2)

/* All fields in one row; on the stack, because a row that grows leaves its earlier places behind. */
struct row {
	unsigned char bytes[DIGEST_FIELDS_MAXIMUM];
	size_t length;
};

static bool fill(struct row *row, const struct span *fields, size_t count)
{
	row->length = 0;
	for (size_t i = 0; i < count; i++) {
		const size_t length = fields[i].length;

		if (length > UINT32_MAX || row->length + 4 > sizeof(row->bytes) ||
		    length > sizeof(row->bytes) - row->length - 4)
			return false;
		for (int shift = 24; shift >= 0; shift -= 8)
			row->bytes[row->length++] = (unsigned char)(length >> shift);
		if (length > 0)
			memcpy(row->bytes + row->length, fields[i].at, length);
		row->length += length;
	}
	return true;
}

bool digest_of(const struct span *fields, size_t count, char out[DIGEST_LENGTH + 1])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	struct row row;
	const bool good =
		fill(&row, fields, count) &&
		EVP_Digest(row.bytes, row.length, bytes, &length, EVP_sha256(), NULL) == 1 &&
		length == BYTES;

	OPENSSL_cleanse(&row, sizeof(row));
	if (good)
		hex_write(out, bytes, BYTES);
	return good;
}

bool digest_with_key(const char *key, const struct span *fields, size_t count,
		     char out[DIGEST_LENGTH + 1])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	struct row row;
	const bool good =
		fill(&row, fields, count) &&
		HMAC(EVP_sha256(), key, (int)strlen(key), row.bytes, row.length, bytes, &length) &&
		length == BYTES;

	OPENSSL_cleanse(&row, sizeof(row));
	if (good)
		hex_write(out, bytes, BYTES);
	return good;
}

bool digest_is(const char one[DIGEST_LENGTH + 1], const char other[DIGEST_LENGTH + 1])
{
	return CRYPTO_memcmp(one, other, DIGEST_LENGTH) == 0;
}
