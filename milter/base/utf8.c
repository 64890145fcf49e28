/* Well-formed UTF-8. */
#include "utf8.h"

#include <string.h>

size_t utf8_sequence(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n;

	if (length == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (length < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* RFC 3629, 4: no overlong forms, no surrogates, nothing above U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool utf8_is_control(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	if (n == 1)
		return s[0] < 0x20 || s[0] == 0x7f;
	return n == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

bool utf8_is_misleading(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	if (n != 3 || s[0] != 0xe2)
		return false;
	return (s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) ||
	       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9);
}

bool utf8_has_control(const char *text, size_t length)
{
	for (size_t i = 0, n; i < length; i += n) {
		n = utf8_sequence(text + i, length - i);
		if (utf8_is_control(text + i, n))
			return true;
		n += n == 0;
	}
	return false;
}

/* How many leading bytes are ASCII; eight at a time where it can. */
static size_t ascii_prefix(const char *text, size_t length)
{
	size_t i = 0;

	for (; length - i >= 8; i += 8) {
		uint64_t word;

		memcpy(&word, text + i, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
	}
	while (i < length && !(text[i] & 0x80))
		i++;
	return i;
}

/* The number of bytes from the start that are whole, well-formed sequences. */
static size_t valid_prefix(const char *text, size_t length)
{
	size_t i = 0;

	while (i < length) {
		size_t n;

		i += ascii_prefix(text + i, length - i);
		if (i == length)
			break;
		n = utf8_sequence(text + i, length - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

bool utf8_is_ascii(const char *text, size_t length)
{
	return ascii_prefix(text, length) == length;
}

bool utf8_valid(const char *text, size_t length)
{
	return valid_prefix(text, length) == length;
}

void utf8_trim_end(char *text)
{
	const size_t length = strlen(text);
	size_t start = length;

	/* To the last byte that begins a sequence; it may be up to three bytes back. */
	while (start > 0 && length - start < 4 && (text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && (text[start - 1] & 0xc0) == 0xc0 &&
	    utf8_sequence(text + start - 1, length - start + 1) == 0)
		text[start - 1] = '\0';
}

void utf8_stream_add(struct utf8_stream *stream, const char *text, size_t length)
{
	size_t good;

	while (stream->held > 0 && length > 0 && !stream->broken) {
		stream->pending[stream->held++] = *text++;
		length--;
		if (utf8_sequence(stream->pending, stream->held) > 0)
			stream->held = 0;
		else if (stream->held == sizeof(stream->pending))
			stream->broken = true;
	}
	if (stream->broken || length == 0)
		return;
	good = valid_prefix(text, length);
	if (length - good >= sizeof(stream->pending)) {
		stream->broken = true;
		return;
	}
	memcpy(stream->pending, text + good, length - good);
	stream->held = (uint8_t)(length - good);
}

bool utf8_stream_valid(const struct utf8_stream *stream)
{
	return !stream->broken && stream->held == 0;
}
