/* A piece of somebody else's bytes. */
#include "span.h"

#include <string.h>
#include <strings.h>

struct span span_of_text(const char *text)
{
	return (struct span){text, strlen(text)};
}

bool span_is(struct span span, const char *text)
{
	return strlen(text) == span.length && strncasecmp(span.at, text, span.length) == 0;
}

bool span_equals(struct span span, struct span other)
{
	return span.length == other.length &&
	       (span.length == 0 || memcmp(span.at, other.at, span.length) == 0);
}

bool span_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span span)
{
	while (span.length > 0 && span_is_space(span.at[0]))
		span_advance(&span, 1);
	while (span.length > 0 && span_is_space(span.at[span.length - 1]))
		span.length--;
	return span;
}

void span_advance(struct span *span, size_t length)
{
	span->at += length;
	span->length -= length;
}
