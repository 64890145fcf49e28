/* base64, by libcrypto. */
#include "base64.h"

#include <openssl/evp.h>
#include <string.h>

#define LINE_BYTES 57 /* give 76 characters */

void base64_append_lines(struct buffer *out, struct span data)
{
	while (data.length > 0) {
		const size_t n = data.length < LINE_BYTES ? data.length : LINE_BYTES;
		char line[LINE_BYTES / 3 * 4 + 1];
		const int length = EVP_EncodeBlock((unsigned char *)line,
						   (const unsigned char *)data.at, (int)n);

		buffer_append(out, line, (size_t)length);
		buffer_append_text(out, "\r\n");
		span_advance(&data, n);
	}
}

static bool is_base64(struct span text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < text.length; i++)
		if (!text.at[i] || !strchr(alphabet, text.at[i]))
			return false;
	return text.length % 4 != 1;
}

bool base64_decode(struct span text, struct buffer *out)
{
	while (text.length > 0 && text.at[text.length - 1] == '=')
		text.length--;
	if (!is_base64(text))
		return false;
	/* Four characters at a time: libcrypto wants the padding, and says how much of it was text. */
	while (text.length > 0) {
		const size_t n = text.length < 4 ? text.length : 4;
		unsigned char four[] = {'=', '=', '=', '='}, three[3];

		memcpy(four, text.at, n);
		EVP_DecodeBlock(three, four, 4);
		buffer_append(out, (const char *)three, n - 1);
		span_advance(&text, n);
	}
	return true;
}
