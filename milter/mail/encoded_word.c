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

/* The pieces of an encoded word. */
struct word {
	struct span whole, charset, text;
	char encoding;
};

/*
 * Is there an encoded word, =?charset[*language]?Q|B?text?= (RFC 2047, 2; RFC 2231, 5), at the
 * start of `text`?
 */
static bool find_word(struct span text, struct word *word)
{
	const char *const text_end = text.at + text.length;
	const char *question, *end, *star;

	if (text.length < 2 || memcmp(text.at, "=?", 2) != 0)
		return false;
	question = memchr(text.at + 2, '?', text.length - 2);
	if (!question || text_end - question < 4 || question[2] != '?')
		return false;
	word->charset = (struct span){text.at + 2, (size_t)(question - text.at - 2)};
	word->encoding = question[1];
	word->text.at = question + 3;
	end = memchr(word->text.at, '?', (size_t)(text_end - word->text.at));
	if (!end || end + 1 == text_end || end[1] != '=')
		return false;
	word->text.length = (size_t)(end - word->text.at);
	word->whole = (struct span){text.at, (size_t)(end + 2 - text.at)};
	star = memchr(word->charset.at, '*', word->charset.length);
	if (star)
		word->charset.length = (size_t)(star - word->charset.at);
	return true;
}

static bool decode_octets(const struct word *word, struct buffer *out)
{
	if (word->encoding == 'Q' || word->encoding == 'q')
		return decode_q(word->text, out);
	return (word->encoding == 'B' || word->encoding == 'b') && base64_decode(word->text, out);
}

/* Appends what the word says, as UTF-8. */
static bool decode_word(const struct word *word, struct buffer *out, struct problem *why)
{
	struct buffer decoded = buffer_with_maximum(out->maximum);
	const struct span charset = word->charset;
	const bool good = decode_octets(word, &decoded);
	bool result = false;
	char shown[64];

	if (decoded.out_of_memory) {
		problem_cannot_tell(why, "no memory to decode the value");
	} else if (!good || decoded.failed) {
		problem_set(
			why, "the encoded word \"%s\" cannot be decoded (RFC 2047)",
			problem_quote(shown, sizeof(shown), word->whole.at, word->whole.length));
	} else if (span_is(charset, "utf-8") || span_is(charset, "us-ascii")) {
		buffer_append(out, decoded.data, decoded.length);
		result = true;
	} else if (span_is(charset, "iso-8859-1")) {
		append_latin1_as_utf8((struct span){decoded.data, decoded.length}, out);
		result = true;
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

static struct span take_space(struct span *value)
{
	struct span space = {value->at, 0};

	while (space.length < value->length && span_is_space(value->at[space.length]))
		space.length++;
	span_advance(value, space.length);
	return space;
}

bool encoded_word_decode_value(struct span value, struct buffer *out, struct problem *why)
{
	bool after_word = false;

	while (value.length > 0) {
		const struct span space = take_space(&value);
		struct word word;
		const bool found = find_word(value, &word);

		/* RFC 2047, 6.2: white space between two encoded words is not text. */
		if (!(after_word && found))
			append_unfolded(space, out);
		if (found && !decode_word(&word, out, why))
			return false;
		if (!found && value.length > 0)
			buffer_append(out, value.at, 1);
		if (value.length > 0)
			span_advance(&value, found ? word.whole.length : 1);
		after_word = found;
	}
	if (out->out_of_memory)
		problem_cannot_tell(why, "no memory to decode the value");
	else if (out->failed)
		problem_set(why, "the value is longer than %zu bytes", out->maximum);
	return !out->failed;
}

void encoded_word_guess_value(struct span value, struct buffer *out)
{
	bool after_word = false;

	while (value.length > 0) {
		const struct span space = take_space(&value);
		struct word word;
		const bool found = find_word(value, &word);

		if (!(after_word && found))
			append_unfolded(space, out);
		if (found)
			decode_octets(&word, out);
		else if (value.length > 0)
			buffer_append(out, value.at, 1);
		if (value.length > 0)
			span_advance(&value, found ? word.whole.length : 1);
		after_word = found;
	}
}
