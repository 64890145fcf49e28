/* redis_address: where a Redis is, as the configuration says it. */
#include "redis_address.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT     6379
#define DATABASE_MAXIMUM 65535

/* A whole number from 0 to `most` and nothing else. */
static bool parse_number(int *out, const char *text, int most)
{
	const size_t length = strspn(text, "0123456789");

	if (length == 0 || length > 5 || text[length] != '\0')
		return false;
	*out = (int)strtol(text, NULL, 10);
	return *out <= most;
}

/* Copies a part of the URL, "" if it has none. False if it does not fit or is no text. */
static bool copy_part(char *out, size_t size, CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const CURLUcode result = curl_url_get(url, part, &text, CURLU_URLDECODE);
	bool good = result != CURLUE_URLDECODE && result != CURLUE_OUT_OF_MEMORY;

	out[0] = '\0';
	if (result == CURLUE_OK)
		good = (size_t)snprintf(out, size, "%s", text) < size;
	if (text)
		explicit_bzero(text, strlen(text)); /* it may be the password */
	curl_free(text);
	return good;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static bool parse_login(struct redis_address *address, CURLU *url)
{
	return copy_part(address->user, sizeof(address->user), url, CURLUPART_USER) &&
	       copy_part(address->password, sizeof(address->password), url, CURLUPART_PASSWORD) &&
	       (address->password[0] || !address->user[0] || has_part(url, CURLUPART_PASSWORD));
}

/* host[:port][/database], and no more. */
static bool parse_place(struct redis_address *address, CURLU *url)
{
	char port[8], path[16];
	size_t length;

	if (!copy_part(address->host, sizeof(address->host), url, CURLUPART_HOST) ||
	    !copy_part(port, sizeof(port), url, CURLUPART_PORT) ||
	    !copy_part(path, sizeof(path), url, CURLUPART_PATH) || !address->host[0] ||
	    has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return false;
	length = strlen(address->host);
	if (address->host[0] == '[') { /* RFC 3986, 3.2.2: an IPv6 address */
		address->host[length - 1] = '\0';
		memmove(address->host, address->host + 1, length - 1);
	}
	if (port[0] && (!parse_number(&address->port, port, 65535) || address->port == 0))
		return false;
	return !path[0] || !path[1] || parse_number(&address->database, path + 1, DATABASE_MAXIMUM);
}

static bool parse_url(struct redis_address *address, const char *text)
{
	CURLU *url = curl_url();
	const bool good =
		url &&
		curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		parse_login(address, url) && parse_place(address, url);

	curl_url_cleanup(url);
	if (good)
		snprintf(address->shown, sizeof(address->shown),
			 strchr(address->host, ':') ? "[%s]:%d" : "%s:%d", address->host,
			 address->port);
	return good;
}

static bool parse(struct redis_address *address, const char *text)
{
	if (strncmp(text, "unix:", 5) == 0) {
		if (text[5] != '/' || strlen(text + 5) >= sizeof(address->path))
			return false;
		snprintf(address->path, sizeof(address->path), "%s", text + 5);
		snprintf(address->shown, sizeof(address->shown), "unix:%s", address->path);
		return true;
	}
	address->tls = strncmp(text, "rediss://", 9) == 0;
	if (!address->tls && strncmp(text, "redis://", 8) != 0)
		return false;
	/* To libcurl a third slash is nothing. */
	return strstr(text, "://")[3] != '/' && parse_url(address, text);
}

bool redis_address_parse(struct redis_address *address, const char *text, struct problem *why)
{
	*address = (struct redis_address){.port = DEFAULT_PORT};
	if (parse(address, text))
		return true;
	explicit_bzero(address, sizeof(*address));
	problem_set(why, "expected redis://[user:password@]host[:port][/database], rediss:// for "
			 "TLS, or unix:/path; in user and password %%XX for any of @:/?#");
	return false;
}
