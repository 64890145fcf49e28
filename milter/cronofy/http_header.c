/* http_header: Retry-After, by the server's own clock. */
#include "http_header.h"

#include <curl/curl.h>
#include <string.h>

static void keep(char *out, size_t size, struct span value)
{
	value = span_trim(value);
	if (value.length >= size || memchr(value.at, '\0', value.length))
		value.length = 0;
	memcpy(out, value.at, value.length);
	out[value.length] = '\0';
}

void http_header_take(struct http_header *header, struct span line)
{
	const char *colon = memchr(line.at, ':', line.length);
	struct span name, value;

	if (line.length >= 5 && memcmp(line.at, "HTTP/", 5) == 0)
		*header = (struct http_header){.date = ""};
	if (!colon)
		return;
	name = (struct span){line.at, (size_t)(colon - line.at)};
	value = (struct span){colon + 1, line.length - name.length - 1};
	if (span_is(name, "retry-after"))
		keep(header->retry_after, sizeof(header->retry_after), value);
	else if (span_is(name, "date"))
		keep(header->date, sizeof(header->date), value);
}

/* Decimal digits and nothing else; -1 if it is not that. What is too large is the largest. */
static long long read_seconds(const char *text)
{
	long long seconds = 0;

	if (!text[0] || text[strspn(text, "0123456789")])
		return -1;
	for (; *text && seconds <= HTTP_HEADER_LONGEST_RETRY_AFTER; text++)
		seconds = seconds * 10 + (*text - '0');
	return seconds;
}

/* Seconds until the date; -1 if it is none, or is over. */
static long long read_date(const struct http_header *header, time_t now)
{
	const time_t until = curl_getdate(header->retry_after, NULL);
	const time_t sent = header->date[0] ? curl_getdate(header->date, NULL) : -1;
	const time_t from = sent == (time_t)-1 ? now : sent;

	return until != (time_t)-1 && until > from ? (long long)(until - from) : -1;
}

long long http_header_retry_after(const struct http_header *header, time_t now)
{
	long long seconds = read_seconds(header->retry_after);

	if (seconds < 0 && header->retry_after[0])
		seconds = read_date(header, now);
	if (seconds > HTTP_HEADER_LONGEST_RETRY_AFTER)
		seconds = HTTP_HEADER_LONGEST_RETRY_AFTER;
	return seconds > 0 ? seconds * 1000 : -1;
}
