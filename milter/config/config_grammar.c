/* config_grammar: what single texts of the configuration have to look like. */
#include "config_grammar.h"

#include "address.h"
#include "config.h"
#include "headers.h"
#include "socket_address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX_MAXIMUM 64  /* characters */
#define URL_MAXIMUM    512 /* characters; the path of the call comes behind it */

static bool expected(struct problem *why, bool is, const char *what)
{
	if (!is)
		problem_set(why, "expected %s", what);
	return is;
}

bool config_is_header_name(const char *value, struct problem *why)
{
	bool good = strncasecmp(value, "X-", 2) == 0 && strlen(value) <= HEADERS_NAME_MAXIMUM;

	for (const char *at = value; *at; at++)
		good &= *at > ' ' && *at < 0x7f && *at != ':';
	return expected(why, good,
			"the name of a header of your own: X-..., at most 79 characters");
}

bool config_is_listener_name(const char *value, struct problem *why)
{
	return expected(why, value[0] && strlen(value) <= CONFIG_DAEMON_MAXIMUM,
			"the second listener's name, at most 63 characters");
}

bool config_is_pattern(const char *value, struct problem *why)
{
	const char *at = strchr(value, '@');

	return expected(why, strcmp(value, "*") == 0 || (at && at[1] && !strchr(value, '*')),
			"an address, @domain or *");
}

bool config_is_facility(const char *value, struct problem *why)
{
	return expected(why, log_facility(value) >= 0, "a facility of syslog(3), such as mail");
}

bool config_is_for_an_outage(const char *value, struct problem *why)
{
	return expected(why, strcmp(value, "reject") != 0,
			"tempfail, hold or deliver, as reject would bounce mail for an outage");
}

bool config_is_final(const char *value, struct problem *why)
{
	return expected(why, strcmp(value, "tempfail") != 0,
			"reject, hold or deliver, as no further try can mend it");
}

bool config_is_for_ledger(const char *value, struct problem *why)
{
	return expected(why, strcmp(value, "domain") != 0, "full or hash");
}

bool config_is_listening_address(const char *value, struct problem *why)
{
	struct socket_address where;

	return expected(why, !value[0] || socket_address_read(&where, value),
			"an address with a port, such as 127.0.0.1:9895 or [::1]:9895");
}

bool config_is_prefix(const char *value, struct problem *why)
{
	return expected(why, strlen(value) <= PREFIX_MAXIMUM, "at most 64 characters");
}

bool config_is_redis(const char *value, struct problem *why)
{
	struct redis_address address;
	const bool good = !value[0] || redis_address_parse(&address, value, why);

	explicit_bzero(&address, sizeof(address));
	return good;
}

bool config_is_organizer(const char *value, struct problem *why)
{
	return expected(
		why, !value[0] || address_is_valid(span_of_text(value)),
		"the address that your invites have as ORGANIZER, such as desk@shop.example");
}

/* ---- URLs ---- */

/* NULL if it is none, or there is no memory. */
static CURLU *parse_url(const char *text)
{
	CURLU *url = curl_url();

	if (!url || curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		return url;
	curl_url_cleanup(url);
	return NULL;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	const bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static bool part_is(CURLU *url, CURLUPart part, const char *wanted)
{
	char *text = NULL;
	const bool is =
		curl_url_get(url, part, &text, 0) == CURLUE_OK && strcasecmp(text, wanted) == 0;

	curl_free(text);
	return is;
}

/* Is the host this machine itself? There the key may go unencrypted. */
static bool is_loopback(CURLU *url)
{
	struct in_addr address;
	char *host = NULL;
	bool is = false;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		is = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
		     (inet_pton(AF_INET, host, &address) == 1 &&
		      ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET);
	curl_free(host);
	return is;
}

bool config_is_cronofy_url(const char *value, struct problem *why)
{
	CURLU *url;
	bool good;

	if (!value[0])
		return true;
	url = strlen(value) <= URL_MAXIMUM && !strpbrk(value, "\\\"<>^`{|}") ? parse_url(value)
									     : NULL;
	good = url && !has_part(url, CURLUPART_USER) && !has_part(url, CURLUPART_PASSWORD) &&
	       !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT);
	if (!good)
		problem_set(why, "expected https:// and a host, without user, ? and #");
	else if (part_is(url, CURLUPART_SCHEME, "http") && !is_loopback(url))
		problem_set(why, "expected https://, as http:// would send the key unencrypted; it "
				 "is for loopback addresses");
	else if (!part_is(url, CURLUPART_SCHEME, "http") &&
		 !part_is(url, CURLUPART_SCHEME, "https"))
		problem_set(why, "expected https://");
	else
		why = NULL;
	curl_url_cleanup(url);
	return !why;
}

bool config_is_proxy(const char *value, struct problem *why)
{
	CURLU *url = curl_url();
	const unsigned int flags = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
	const bool good =
		!value[0] || (url && curl_url_set(url, CURLUPART_URL, value, flags) == CURLUE_OK);

	curl_url_cleanup(url);
	return expected(why, good, "the URL of a proxy, such as http://proxy.example:3128");
}
