/* One internet mail address. */
#include "address.h"

#include "utf8.h"

#include <string.h>

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

bool address_is_valid(struct span text)
{
	const char *at, *const end = text.at + text.length;

	if (text.length == 0 || text.length > ADDRESS_MAXIMUM ||
	    !utf8_valid(text.at, text.length) || utf8_has_control(text.at, text.length))
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

bool address_copy(char *out, size_t size, const char *address)
{
	size_t length = strlen(address);

	if (length >= 2 && address[0] == '<' && address[length - 1] == '>') {
		address++;
		length -= 2;
	}
	out[0] = '\0';
	if (length >= size)
		return false;
	memcpy(out, address, length);
	out[length] = '\0';
	return true;
}
