/* stamp: writes and verifies stamps. */
#include "stamp.h"

#include "digest.h"
#include "hex.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE      72 /* characters, where the value is folded */
#define ID_LENGTH 8  /* digits of a key's id */

static const char version[] = "v1;";

/* ---- the proof ---- */

/* A domain is the same in capitals (RFC 5321, 2.4), and some MTAs change them. */
static struct span lower_domain(const char *sender, char lowered[ADDRESS_MAXIMUM + 1])
{
	const char *at = strrchr(sender, '@');
	const size_t length = strnlen(sender, ADDRESS_MAXIMUM);

	for (size_t i = 0; i < length; i++)
		lowered[i] =
			at && sender + i > at ? (char)tolower((unsigned char)sender[i]) : sender[i];
	return (struct span){lowered, length};
}

static bool make_mac(const struct stamp *stamp, const struct stamp_bond *bond, const char *key,
		     char mac[DIGEST_LENGTH + 1])
{
	char time[32], lowered[ADDRESS_MAXIMUM + 1];
	const struct span fields[] = {
		span_of_text(version),
		span_of_text(stamp->account),
		span_of_text(stamp->id),
		span_of_text(stamp->recipient),
		span_of_text(stamp->probe ? "probe" : ""),
		{time, (size_t)snprintf(time, sizeof(time), "%lld", stamp->time)},
		lower_domain(bond->sender, lowered),
		span_of_text(bond->message_id),
	};

	return digest_with_key(key, fields, sizeof(fields) / sizeof(fields[0]), mac);
}

/* What a key is known by; nothing of the key can be found out from it. */
static bool make_key_id(const char *key, char id[ID_LENGTH + 1])
{
	const struct span purpose = span_of_text("cancel-invite-milter, the id of a stamp key");
	char digest[DIGEST_LENGTH + 1];

	if (!digest_with_key(key, &purpose, 1, digest))
		return false;
	memcpy(id, digest, ID_LENGTH);
	id[ID_LENGTH] = '\0';
	return true;
}

/* ---- writing ---- */

static void append_encoded(struct buffer *value, const char *name, const char *text)
{
	buffer_printf(value, "%s=\"", name);
	for (; *text; text++) {
		if (*text > ' ' && *text < 0x7f && !strchr("\"%;\\", *text))
			buffer_append(value, text, 1);
		else
			buffer_printf(value, "%%%02X", (unsigned char)*text);
	}
	buffer_append_text(value, "\";");
}

/* Behind semicolons where that is possible, else in the middle of a text. */
static void append_folded(struct buffer *value, const char *text)
{
	size_t line = 0;

	while (*text) {
		const char *end = strchr(text, ';');
		size_t length = end ? (size_t)(end - text) + 1 : strlen(text);

		if (line > 0 && line + 1 + length > LINE) {
			buffer_append_text(value, "\n\t");
			line = 0;
		} else if (line > 0) {
			buffer_append_text(value, " ");
		}
		if (length > LINE)
			length = LINE;
		buffer_append(value, text, length);
		line += 1 + length;
		text += length;
	}
}

bool stamp_write(const struct stamp *stamp, const struct stamp_bond *bond, struct buffer *value)
{
	struct buffer plain = buffer_with_maximum(STAMP_VALUE_MAXIMUM);
	char mac[DIGEST_LENGTH + 1], id[ID_LENGTH + 1];
	bool good = make_mac(stamp, bond, bond->key, mac) && make_key_id(bond->key, id);

	if (good) {
		buffer_printf(&plain, "%saccount=%s;", version, stamp->account);
		append_encoded(&plain, "id", stamp->id);
		if (stamp->recipient[0])
			append_encoded(&plain, "recipient", stamp->recipient);
		buffer_printf(&plain, "%stime=%lld;key=%s;mac=%s", stamp->probe ? "probe=yes;" : "",
			      stamp->time, id, mac);
		good = !plain.failed;
	}
	if (good)
		append_folded(value, plain.data);
	buffer_free(&plain);
	return good && !value->failed;
}

/* ---- reading ---- */

/* The value without its white space, as NUL-terminated text; false if it is too long or has a NUL. */
static bool squeeze(struct span value, char out[STAMP_VALUE_MAXIMUM + 1])
{
	size_t used = 0;

	for (size_t i = 0; i < value.length; i++) {
		if (span_is_space(value.at[i]))
			continue;
		if (value.at[i] == '\0' || used == STAMP_VALUE_MAXIMUM)
			return false;
		out[used++] = value.at[i];
	}
	out[used] = '\0';
	return true;
}

bool stamp_is_like(struct span value)
{
	char text[STAMP_VALUE_MAXIMUM + 1];
	size_t first = 0;

	while (first < value.length && span_is_space(value.at[first]))
		first++;
	/* Most tags are none: not one byte of them is copied. */
	if (first == value.length || (value.at[first] | 0x20) != 'v')
		return false;
	return squeeze(value, text) && strncasecmp(text, version, strlen(version)) == 0 &&
	       strstr(text, ";mac=");
}

/* "%XX..." into what it says; false if it is malformed or does not fit. */
static bool decode(struct span text, char *out, size_t size)
{
	size_t used = 0;

	if (text.length < 2 || text.at[0] != '"' || text.at[text.length - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < text.length; i++) {
		char c = text.at[i];

		if (c == '%') {
			const int byte = i + 3 < text.length ? hex_byte(text.at + i + 1) : -1;

			if (byte <= 0)
				return false;
			c = (char)byte;
			i += 2;
		}
		if (used + 1 >= size)
			return false;
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

static bool copy(struct span text, char *out, size_t size)
{
	if (text.length == 0 || text.length >= size)
		return false;
	memcpy(out, text.at, text.length);
	out[text.length] = '\0';
	return true;
}

static bool read_time(struct span text, long long *time)
{
	char digits[20];

	if (!copy(text, digits, sizeof(digits)) || strspn(digits, "0123456789") != strlen(digits))
		return false;
	*time = strtoll(digits, NULL, 10);
	return true;
}

/* What a stamp is proven by. */
struct proof {
	char key_id[ID_LENGTH + 1]; /* "": it does not say */
	char mac[DIGEST_LENGTH + 1];
};

/* One name=value; each comes once, as its part in the proof shows. */
static bool take_parameter(struct stamp *stamp, struct proof *proof, struct span text)
{
	const char *equals = memchr(text.at, '=', text.length);
	struct span name = {text.at, equals ? (size_t)(equals - text.at) : 0}, value;

	if (!equals)
		return false;
	value = (struct span){equals + 1, text.length - name.length - 1};
	if (span_is(name, "account"))
		return copy(value, stamp->account, sizeof(stamp->account));
	if (span_is(name, "id"))
		return decode(value, stamp->id, sizeof(stamp->id));
	if (span_is(name, "recipient"))
		return decode(value, stamp->recipient, sizeof(stamp->recipient));
	if (span_is(name, "probe"))
		return stamp->probe = span_is(value, "yes");
	if (span_is(name, "time"))
		return read_time(value, &stamp->time);
	if (span_is(name, "key"))
		return value.length == ID_LENGTH &&
		       copy(value, proof->key_id, sizeof(proof->key_id));
	return span_is(name, "mac") && value.length == DIGEST_LENGTH &&
	       copy(value, proof->mac, sizeof(proof->mac));
}

/* Is it proven, by one of the keys? False, and why. */
static bool is_proven(const struct stamp *stamp, const struct proof *proof,
		      const struct stamp_bond *bond, struct problem *why)
{
	const char *const keys[] = {bond->key, bond->previous};
	char right[DIGEST_LENGTH + 1], id[ID_LENGTH + 1];
	bool known = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && keys[i]; i++) {
		if (!make_mac(stamp, bond, keys[i], right) || !make_key_id(keys[i], id)) {
			problem_cannot_tell(why, "no memory to verify it");
			return false;
		}
		if (proof->key_id[0] && strcmp(proof->key_id, id) != 0)
			continue;
		known = true;
		if (strlen(proof->mac) == DIGEST_LENGTH && digest_is(proof->mac, right))
			return true;
	}
	if (!known)
		problem_set(why, "made with another key, which has the id %s", proof->key_id);
	else if (proof->key_id[0])
		problem_set(why, "for another sender or message, or changed");
	else
		problem_set(why,
			    "made with another key, or for another sender or message, or changed");
	return false;
}

bool stamp_read(struct stamp *stamp, struct span value, const struct stamp_bond *bond,
		struct problem *why)
{
	char text[STAMP_VALUE_MAXIMUM + 1];
	struct proof proof = {.mac = ""};
	struct span part;

	*stamp = (struct stamp){.time = 0};
	problem_set(why, "malformed");
	if (!stamp_is_like(value) || !squeeze(value, text))
		return false;
	for (const char *at = text + strlen(version); *at;
	     at += part.length + (at[part.length] == ';')) {
		part = (struct span){at, strcspn(at, ";")};
		if (!take_parameter(stamp, &proof, part))
			return false;
	}
	return is_proven(stamp, &proof, bond, why);
}
