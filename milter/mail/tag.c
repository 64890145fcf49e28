#include "tag.h"

#include "buffer.h"
#include "hex.h"
#include "utf8.h"

#include <string.h>

/* More than this in one tag is no id with an address: refused before any work is done on it. */
#define VALUE_MAXIMUM 8192

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 2047, 4.2. */
static bool decode_q(struct span text, struct buffer *out)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.at[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=') {
			const int byte = text.length - i < 3 ? -1 : hex_byte(text.at + i + 1);

			if (byte < 0)
				return false;
			c = (char)byte;
			i += 2;
		}
		buffer_append(out, &c, 1);
	}
	return true;
}

static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* RFC 2047, 4.1. Missing padding is forgiven, anything else is not. */
static bool decode_b(struct span text, struct buffer *out)
{
	unsigned int bits = 0, held = 0;

	while (text.length > 0 && text.at[text.length - 1] == '=')
		text.length--;
	for (size_t i = 0; i < text.length; i++) {
		int value = base64_value(text.at[i]);

		if (value < 0)
			return false;
		held = held << 6 | (unsigned int)value;
		bits += 6;
		if (bits >= 8) {
			char c = (char)(held >> (bits - 8));

			buffer_append(out, &c, 1);
			bits -= 8;
			held &= (1U << bits) - 1;
		}
	}
	return bits < 6;
}

static void append_latin1_as_utf8(struct span text, struct buffer *out)
{
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.at[i];
		char pair[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};

		if (c < 0x80)
			buffer_append(out, text.at + i, 1);
		else
			buffer_append(out, pair, 2);
	}
}

enum encoded_word {
	ENCODED_WORD_NONE,
	ENCODED_WORD_DECODED,
	ENCODED_WORD_BAD,
};

/*
 * Is there an encoded word, =?charset[*language]?Q|B?text?= (RFC 2047, 2; RFC 2231, 5), at the
 * start of `text`? Appends what it says to `out`, as UTF-8, and gives its length in `text`.
 */
static enum encoded_word decode_word(struct span text, struct buffer *out, size_t *length,
				     struct problem *why)
{
	const char *const text_end = text.at + text.length;
	struct buffer decoded = buffer_with_maximum(VALUE_MAXIMUM);
	struct span charset, words;
	const char *question, *end, *star;
	enum encoded_word result = ENCODED_WORD_BAD;
	char encoding, shown[64];
	bool good;

	if (text.length < 2 || memcmp(text.at, "=?", 2) != 0)
		return ENCODED_WORD_NONE;
	question = memchr(text.at + 2, '?', text.length - 2);
	if (!question || text_end - question < 4 || question[2] != '?')
		return ENCODED_WORD_NONE;
	charset = (struct span){text.at + 2, (size_t)(question - text.at - 2)};
	encoding = question[1];
	words.at = question + 3;
	end = memchr(words.at, '?', (size_t)(text_end - words.at));
	if (!end || end + 1 == text_end || end[1] != '=')
		return ENCODED_WORD_NONE;
	words.length = (size_t)(end - words.at);
	*length = (size_t)(end + 2 - text.at);
	star = memchr(charset.at, '*', charset.length);
	if (star)
		charset.length = (size_t)(star - charset.at);

	if (encoding == 'Q' || encoding == 'q')
		good = decode_q(words, &decoded);
	else
		good = (encoding == 'B' || encoding == 'b') && decode_b(words, &decoded);
	if (!good || decoded.failed) {
		problem_set(why, "the encoded word \"%s\" cannot be decoded (RFC 2047)",
			    problem_quote(shown, sizeof(shown), text.at, *length));
	} else if (span_is(charset, "utf-8") || span_is(charset, "us-ascii")) {
		buffer_append(out, decoded.data, decoded.length);
		result = ENCODED_WORD_DECODED;
	} else if (span_is(charset, "iso-8859-1")) {
		append_latin1_as_utf8((struct span){decoded.data, decoded.length}, out);
		result = ENCODED_WORD_DECODED;
	} else {
		problem_set(why,
			    "the encoded word's character set \"%s\" is not known here; use UTF-8",
			    problem_quote(shown, sizeof(shown), charset.at, charset.length));
	}
	buffer_free(&decoded);
	return result;
}

/*
 * Appends white space unfolded: a line end before a blank goes, the blank stays (RFC 5322, 2.2.3).
 * A folding library may put a tab where there was a space: it is one again.
 */
static void append_unfolded(struct span space, struct buffer *out)
{
	for (size_t i = 0; i < space.length; i++) {
		char next = i + 1 < space.length ? space.at[i + 1] : '\0';

		if (space.at[i] == '\r' && next == '\n')
			continue;
		if (space.at[i] == '\n' && is_blank(next))
			continue;
		buffer_append(out, space.at[i] == '\t' ? " " : space.at + i, 1);
	}
}

/* Unfolds the value and decodes its encoded words. White space between two of them is not text. */
static bool decode_value(struct span value, struct buffer *out, struct problem *why)
{
	bool after_word = false;

	while (value.length > 0) {
		struct span space = {value.at, 0};
		struct buffer word = buffer_with_maximum(VALUE_MAXIMUM);
		enum encoded_word found;
		size_t length = 1;

		while (space.length < value.length && strchr(" \t\r\n", value.at[space.length]) &&
		       value.at[space.length])
			space.length++;
		value.at += space.length;
		value.length -= space.length;
		found = decode_word(value, &word, &length, why);
		if (!(after_word && found == ENCODED_WORD_DECODED))
			append_unfolded(space, out);
		if (found == ENCODED_WORD_DECODED)
			buffer_append(out, word.data, word.length);
		else if (found == ENCODED_WORD_NONE && value.length > 0)
			buffer_append(out, value.at, 1);
		buffer_free(&word);
		if (found == ENCODED_WORD_BAD)
			return false;
		if (value.length > 0) {
			value.at += length;
			value.length -= length;
		}
		after_word = found == ENCODED_WORD_DECODED;
	}
	if (out->failed)
		problem_set(why, "the value is longer than %d bytes", VALUE_MAXIMUM);
	return !out->failed;
}

/* Cuts `"quoted"` or plain text up to the next ; off the front of `rest`; false if malformed. */
static bool take_text(struct span *rest, char *out, size_t size, struct problem *why)
{
	size_t used = 0;

	*rest = span_trim(*rest);
	if (rest->length > 0 && rest->at[0] == '"') {
		size_t i = 1;

		for (; i < rest->length && rest->at[i] != '"'; i++) {
			if (rest->at[i] == '\\' && i + 1 < rest->length)
				i++;
			if (used + 1 < size)
				out[used] = rest->at[i];
			used++;
		}
		if (i == rest->length) {
			problem_set(why, "a quotation mark is never closed");
			return false;
		}
		rest->at += i + 1;
		rest->length -= i + 1;
		*rest = span_trim(*rest);
	} else {
		const char *end = memchr(rest->at, ';', rest->length);
		struct span text = *rest;

		if (end)
			text.length = (size_t)(end - rest->at);
		rest->at += text.length;
		rest->length -= text.length;
		text = span_trim(text);
		if (text.length > 0 && memchr(text.at, '"', text.length)) {
			problem_set(why, "a quotation mark (\") inside a value that is not quoted");
			return false;
		}
		used = text.length;
		if (used < size)
			memcpy(out, text.at, used);
	}
	if (used >= size) {
		problem_set(why, "longer than %zu bytes", size - 1);
		return false;
	}
	out[used] = '\0';
	if (rest->length > 0 && rest->at[0] != ';') {
		char shown[64];

		problem_set(why, "unexpected text \"%s\" after a quoted value",
			    problem_quote(shown, sizeof(shown), rest->at, rest->length));
		return false;
	}
	return true;
}

/* The value of recipient= off the front of `rest`. */
static bool take_recipient(struct tag *tag, struct span *rest, struct problem *why)
{
	char shown[64];

	if (tag->recipient[0]) {
		problem_set(why, "the parameter recipient is given twice");
		return false;
	}
	if (!take_text(rest, tag->recipient, sizeof(tag->recipient), why))
		return false;
	if (tag_is_address((struct span){tag->recipient, strlen(tag->recipient)}))
		return true;
	problem_set(why, "recipient=\"%s\" is no address",
		    problem_quote(shown, sizeof(shown), tag->recipient, strlen(tag->recipient)));
	return false;
}

/*
 * The value of probe= off the front of `rest`. A message whose tag asks for it is never delivered,
 * so nobody is to ask for it by mistake: the id has to say the same.
 */
static bool take_probe(struct tag *tag, struct span *rest, struct problem *why)
{
	char value[64];

	if (!take_text(rest, value, sizeof(value), why))
		return false;
	if (strcmp(value, "yes") != 0 ||
	    strncmp(tag->id, TAG_PROBE_PREFIX, strlen(TAG_PROBE_PREFIX)) != 0) {
		problem_set(why, "probe=yes goes with an id that begins with " TAG_PROBE_PREFIX
				 ", and takes no other value");
		return false;
	}
	tag->probe = true;
	return true;
}

static bool take_parameters(struct tag *tag, struct span rest, struct problem *why)
{
	char shown[64];

	while (rest.length > 0) {
		struct span name;
		const char *equals;

		rest.at++;
		rest.length--;
		rest = span_trim(rest);
		if (rest.length == 0)
			return true;
		equals = memchr(rest.at, '=', rest.length);
		name = (struct span){rest.at, equals ? (size_t)(equals - rest.at) : rest.length};
		name = span_trim(name);
		if (!equals || !(span_is(name, "recipient") || span_is(name, "probe"))) {
			problem_set(
				why,
				"unknown parameter \"%s\"; the one parameter is recipient=ADDRESS",
				problem_quote(shown, sizeof(shown), name.at, name.length));
			return false;
		}
		rest.length -= (size_t)(equals + 1 - rest.at);
		rest.at = equals + 1;
		if (span_is(name, "probe") ? !take_probe(tag, &rest, why)
					   : !take_recipient(tag, &rest, why))
			return false;
	}
	return true;
}

static bool has_control(struct span text)
{
	for (size_t i = 0, n; i < text.length; i += n) {
		n = utf8_sequence(text.at + i, text.length - i);
		if (utf8_is_control(text.at + i, n))
			return true;
	}
	return false;
}

bool tag_parse(struct tag *tag, struct span value, struct problem *why)
{
	struct buffer decoded = buffer_with_maximum(VALUE_MAXIMUM);
	struct span rest;
	char shown[128];
	bool good = false;

	*tag = (struct tag){0};
	value = span_trim(value);
	if (!decode_value(value, &decoded, why))
		goto out;
	rest = (struct span){decoded.data ? decoded.data : "", decoded.length};
	problem_quote(shown, sizeof(shown), rest.at, rest.length);
	if (!utf8_valid(rest.at, rest.length)) {
		problem_set(why, "not valid UTF-8: \"%s\"", shown);
		goto out;
	}
	if (has_control(rest)) {
		problem_set(why, "a control character in \"%s\"", shown);
		goto out;
	}
	if (!take_text(&rest, tag->id, sizeof(tag->id), why))
		goto out;
	if (!tag->id[0]) {
		problem_set(why, "it is empty; it has to name the invite (smart_invite_id)");
		goto out;
	}
	good = take_parameters(tag, rest, why);
out:
	buffer_free(&decoded);
	return good;
}

bool tag_is_id(struct span text)
{
	return text.length > 0 && text.length <= TAG_ID_MAXIMUM &&
	       utf8_valid(text.at, text.length) && !has_control(text);
}

/* "quoted"@domain (RFC 5321, 4.1.2): where its @ is; NULL if the quotes do not end before one. */
static const char *end_of_quoted_local_part(struct span text)
{
	for (size_t i = 1; i + 1 < text.length; i++) {
		if (text.at[i] == '\\')
			i++;
		else if (text.at[i] == '"')
			return i > 1 && text.at[i + 1] == '@' ? text.at + i + 1 : NULL;
	}
	return NULL;
}

bool tag_is_address(struct span text)
{
	const char *at, *const end = text.at + text.length;

	if (text.length == 0 || text.length > TAG_ADDRESS_MAXIMUM ||
	    !utf8_valid(text.at, text.length) || has_control(text))
		return false;
	if (text.at[0] == '"')
		at = end_of_quoted_local_part(text);
	else
		at = memchr(text.at, '@', text.length);
	if (!at || at == text.at || at + 1 == end)
		return false;
	for (const char *c = text.at[0] == '"' ? at + 1 : text.at; c < end; c++)
		if (strchr(" <>\"", *c) || (*c == '@' && c != at))
			return false;
	return true;
}
