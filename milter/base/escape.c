/* escape: text for JSON strings and CSV fields. */
#include "escape.h"

#include "utf8.h"

#include <string.h>

/* Appends the character at `text`, or what stands for a broken one; gives its bytes. */
static size_t append_character(struct buffer *out, const char *text, size_t length)
{
	const size_t n = utf8_sequence(text, length);

	if (n > 0)
		buffer_append(out, text, n);
	else
		buffer_append_text(out, "\xef\xbf\xbd");
	return n > 0 ? n : 1;
}

void escape_json(struct buffer *out, const char *text)
{
	const size_t length = strlen(text);

	buffer_append_text(out, "\"");
	for (size_t i = 0; i < length;) {
		const size_t n = utf8_sequence(text + i, length - i);

		if (n > 0 && utf8_is_control(text + i, n)) {
			/* U+0000-1F and 7F-9F: the last byte is the whole number. */
			buffer_printf(out, "\\u%04x", (unsigned char)text[i + n - 1]);
			i += n;
			continue;
		}
		if (n > 0 && utf8_is_misleading(text + i, n)) {
			/* U+2000 and the six bits of each of the last two bytes. */
			buffer_printf(out, "\\u20%02x",
				      (unsigned int)((text[i + 1] & 0x3) << 6 | (text[i + 2] & 0x3f)));
			i += n;
			continue;
		}
		if (text[i] == '"' || text[i] == '\\')
			buffer_append_text(out, "\\");
		i += append_character(out, text + i, length - i);
	}
	buffer_append_text(out, "\"");
}

static bool is_like_formula(const char *text)
{
	const char first = text[strspn(text, " ")];

	return first && strchr("=+-@\t\r", first);
}

void escape_csv(struct buffer *out, const char *text)
{
	const size_t length = strlen(text);
	const bool quoted = strpbrk(text, ",\"\r\n") || (length > 0 && text[0] == ' ') ||
			    (length > 0 && text[length - 1] == ' ');

	if (quoted)
		buffer_append_text(out, "\"");
	if (is_like_formula(text))
		buffer_append_text(out, "'");
	for (size_t i = 0; i < length;) {
		if (text[i] == '"')
			buffer_append_text(out, "\"");
		i += append_character(out, text + i, length - i);
	}
	if (quoted)
		buffer_append_text(out, "\"");
}
