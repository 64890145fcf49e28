/* redact: addresses that are not to be shown. */
#include "redact.h"

#include "digest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HASH_LENGTH 32 /* of a digest's digits: nobody finds two that are the same */

static void write_hash(const char *key, const char *address, char out[REDACTED_MAXIMUM])
{
	char lower[REDACTED_MAXIMUM], digest[DIGEST_LENGTH + 1];
	size_t length = 0;

	for (; address[length] && length + 1 < sizeof(lower); length++)
		lower[length] = (char)tolower((unsigned char)address[length]);
	if (key && digest_with_key(key, &(struct span){lower, length}, 1, digest))
		snprintf(out, REDACTED_MAXIMUM, "%.*s", HASH_LENGTH, digest);
	else
		snprintf(out, REDACTED_MAXIMUM, "?"); /* no key, no memory: rather nothing */
}

const char *redact_address(const struct redact *redact, const char *address,
			   char out[REDACTED_MAXIMUM])
{
	const char *at = strrchr(address, '@');

	if (!address[0] || redact->form == REDACT_FULL)
		snprintf(out, REDACTED_MAXIMUM, "%s", address);
	else if (redact->form == REDACT_HASH)
		write_hash(redact->key, address, out);
	else
		snprintf(out, REDACTED_MAXIMUM, "*%s", at ? at : "");
	return out;
}

static bool is_of_domain(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '.' || c == '-';
}

/* RFC 5322, 3.2.3: atext; and the dot. */
static bool is_of_local_part(char c)
{
	return is_of_domain(c) || (c && strchr("!#$%&'*+/=?^_`{|}~", c));
}

/* Where the address begins whose @ this is; no earlier than `text`. */
static const char *beginning_of(const char *text, const char *at)
{
	const char *begin = at;

	if (begin > text && begin[-1] == '"') {
		do {
			begin--;
		} while (begin > text && begin[-1] != '"');
		return begin > text ? begin - 1 : at;
	}
	while (begin > text && is_of_local_part(begin[-1]))
		begin--;
	return begin;
}

static void append_address(const struct redact *redact, struct span address, struct buffer *out)
{
	char whole[REDACTED_MAXIMUM], shown[REDACTED_MAXIMUM];

	snprintf(whole, sizeof(whole), "%.*s", (int)address.length, address.at);
	buffer_append_text(out, redact_address(redact, whole, shown));
}

void redact_text(const struct redact *redact, const char *text, struct buffer *out)
{
	const char *rest = text;

	for (const char *at = strchr(text, '@'); at && redact->form != REDACT_FULL;
	     at = strchr(rest, '@')) {
		const char *begin = beginning_of(rest, at), *end = at + 1;

		while (is_of_domain(*end))
			end++;
		while (end > at + 1 && end[-1] == '.')
			end--; /* of the sentence */
		buffer_append(out, rest, (size_t)(begin - rest));
		append_address(redact, (struct span){begin, (size_t)(end - begin)}, out);
		rest = end;
	}
	buffer_append_text(out, rest);
}
