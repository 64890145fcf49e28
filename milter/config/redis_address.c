#include "redis_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT     6379
#define DATABASE_MAXIMUM 65535

static int digit_of(char character)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *at = character ? strchr(digits, character) : NULL;
	const int value = at ? (int)(at - digits) : -1;

	return value > 15 ? value - 6 : value;
}

/* Copies `length` bytes with %XX decoded; false if they do not fit or are no text. */
static bool decode(char *out, size_t size, const char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++, used++) {
		char character = text[i];

		if (used + 1 >= size)
			return false;
		if (character == '%') {
			if (i + 2 >= length || digit_of(text[i + 1]) < 0 ||
			    digit_of(text[i + 2]) < 0)
				return false;
			character = (char)(digit_of(text[i + 1]) * 16 + digit_of(text[i + 2]));
			i += 2;
		}
		if (character == '\0')
			return false;
		out[used] = character;
	}
	out[used] = '\0';
	return true;
}

/* A whole number from 0 to `most` and nothing else. */
static bool parse_number(int *out, const char *text, size_t length, int most)
{
	long value = 0;

	if (length == 0 || length > 5)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*out = (int)value;
	return value <= most;
}

/* "user:password", "password" with a colon before it, or what stands before an @ otherwise. */
static bool parse_login(struct redis_address *address, const char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);

	if (!colon)
		return false;
	return decode(address->user, sizeof(address->user), text, (size_t)(colon - text)) &&
	       decode(address->password, sizeof(address->password), colon + 1,
		      length - (size_t)(colon + 1 - text));
}

/* host[:port][/database] */
static bool parse_place(struct redis_address *address, const char *text)
{
	const bool bracketed = text[0] == '[';
	const size_t length = bracketed ? strcspn(text, "]") : strcspn(text, ":/");
	const char *host = text + bracketed, *rest = text + length + (bracketed && text[length]);
	const size_t host_length = length - bracketed;
	size_t digits;

	if (host_length == 0 || host_length >= sizeof(address->host) ||
	    strcspn(host, " \t?#@\\") < host_length || (bracketed && !text[length]))
		return false;
	memcpy(address->host, host, host_length);
	address->host[host_length] = '\0';
	if (*rest == ':') {
		digits = strcspn(rest + 1, "/");
		if (!parse_number(&address->port, rest + 1, digits, 65535) || address->port == 0)
			return false;
		rest += 1 + digits;
	}
	if (*rest == '/' && rest[1] != '\0')
		return parse_number(&address->database, rest + 1, strlen(rest + 1),
				    DATABASE_MAXIMUM);
	return *rest == '\0' || *rest == '/';
}

static bool parse(struct redis_address *address, const char *text)
{
	const char *at;

	if (strncmp(text, "unix:", 5) == 0) {
		if (text[5] != '/' || strlen(text + 5) >= sizeof(address->path))
			return false;
		snprintf(address->path, sizeof(address->path), "%s", text + 5);
		snprintf(address->shown, sizeof(address->shown), "unix:%s", address->path);
		return true;
	}
	if (strncmp(text, "redis://", 8) != 0)
		return false;
	text += 8;
	at = strrchr(text, '@'); /* the last one: passwords hold anything */
	if (at && !parse_login(address, text, (size_t)(at - text)))
		return false;
	if (!parse_place(address, at ? at + 1 : text))
		return false;
	snprintf(address->shown, sizeof(address->shown),
		 strchr(address->host, ':') ? "[%s]:%d" : "%s:%d", address->host, address->port);
	return true;
}

bool redis_address_parse(struct redis_address *address, const char *text, struct problem *why)
{
	const char *at = strrchr(text, '@');

	*address = (struct redis_address){.port = DEFAULT_PORT};
	if (parse(address, text))
		return true;
	explicit_bzero(address, sizeof(*address));
	problem_set(why,
		    "\"%s%.256s\" names no Redis; right would be "
		    "redis://[user:password@]host[:port][/database] or unix:/path",
		    at ? "...@" : "", at ? at + 1 : text);
	return false;
}
