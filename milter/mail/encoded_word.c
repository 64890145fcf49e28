/* Unfolding of a header value, and the encoded words in it. */
#include "encoded_word.h"

#include "base64.h"
#include "hex.h"

#include <string.h>

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
	struct buffer decoded = buffer_with_maximum(out->maximum);
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
		good = (encoding == 'B' || encoding == 'b') && base64_decode(words, &decoded);
	if (decoded.out_of_memory) {
		problem_cannot_tell(why, "no memory to decode the value");
	} else if (!good || decoded.failed) {
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

/* White space between two encoded words is not text (RFC 2047, 6.2). */
bool encoded_word_decode_value(struct span value, struct buffer *out, struct problem *why)
{
	bool after_word = false;

	while (value.length > 0) {
		struct span space = {value.at, 0};
		struct buffer word = buffer_with_maximum(out->maximum);
		enum encoded_word found;
		size_t length = 1;

		while (space.length < value.length && span_is_space(value.at[space.length]))
			space.length++;
		span_advance(&value, space.length);
		found = decode_word(value, &word, &length, why);
		if (!(after_word && found == ENCODED_WORD_DECODED))
			append_unfolded(space, out);
		if (found == ENCODED_WORD_DECODED)
			buffer_append(out, word.data, word.length);
		else if (found == ENCODED_WORD_NONE && value.length > 0)
			buffer_append(out, value.at, 1);
		out->failed |= word.failed;
		out->out_of_memory |= word.out_of_memory;
		buffer_free(&word);
		if (found == ENCODED_WORD_BAD)
			return false;
		if (value.length > 0)
			span_advance(&value, length);
		after_word = found == ENCODED_WORD_DECODED;
	}
	if (out->out_of_memory)
		problem_cannot_tell(why, "no memory to decode the value");
	else if (out->failed)
		problem_set(why, "the value is longer than %zu bytes", out->maximum);
	return !out->failed;
}
