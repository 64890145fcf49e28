/* digest: SHA-256 and HMAC-SHA-256, by libcrypto. */
#include "digest.h"

#include "hex.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <string.h>

#define BYTES (DIGEST_LENGTH / 2)

bool digest_start(struct problem *why)
{
	/* FIPS 180-4's own example of nothing at all. */
	static const char right[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	char out[DIGEST_LENGTH + 1], keyed[DIGEST_LENGTH + 1];

	if (OPENSSL_init_crypto(0, NULL) == 1 && digest_of(NULL, 0, out) && digest_is(out, right) &&
	    digest_with_key("", NULL, 0, keyed))
		return true;
	problem_set(why, "libcrypto does not work: it gives no SHA-256, or a wrong one");
	return false;
}

/* Four bytes, the most significant one first. */
static void write_length(unsigned char out[4], size_t length)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(length >> (24 - 8 * i));
}

static bool add(EVP_MD_CTX *hash, struct span field)
{
	unsigned char length[4];

	write_length(length, field.length);
	return field.length <= UINT32_MAX && EVP_DigestUpdate(hash, length, sizeof(length)) == 1 &&
	       (field.length == 0 || EVP_DigestUpdate(hash, field.at, field.length) == 1);
}

bool digest_of(const struct span *fields, size_t count, char out[DIGEST_LENGTH + 1])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < count && good; i++)
		good = add(hash, fields[i]);
	good = good && EVP_DigestFinal_ex(hash, bytes, &length) == 1 && length == BYTES;
	EVP_MD_CTX_free(hash); /* zeroes it */
	if (good)
		hex_write(out, bytes, BYTES);
	return good;
}

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

		if (row->length + 4 > sizeof(row->bytes) ||
		    length > sizeof(row->bytes) - row->length - 4)
			return false;
		write_length(row->bytes + row->length, length);
		row->length += 4;
		if (length > 0)
			memcpy(row->bytes + row->length, fields[i].at, length);
		row->length += length;
	}
	return true;
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

bool digest_of_text(struct span text, char out[DIGEST_LENGTH + 1])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	if (EVP_Digest(text.at, text.length, bytes, &length, EVP_sha256(), NULL) != 1 ||
	    length != BYTES)
		return false;
	hex_write(out, bytes, BYTES);
	return true;
}

bool digest_is(const char one[DIGEST_LENGTH + 1], const char other[DIGEST_LENGTH + 1])
{
	return CRYPTO_memcmp(one, other, DIGEST_LENGTH) == 0;
}
