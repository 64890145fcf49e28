/*
 * http_header: what is read of a reply's header lines (RFC 9110, 10.2.3 and 6.6.1). Pure.
 */
#ifndef HTTP_HEADER_H
#define HTTP_HEADER_H

#include "span.h"

#include <time.h>

#define HTTP_HEADER_LONGEST_RETRY_AFTER 86400 /* s; more is no use to anybody */

/* Values as they came; "" if they did not, or are longer than any good one. */
struct http_header {
	char retry_after[64];
	char date[64];
};

/* The next line, with its line end or without. A status line begins another reply. */
void http_header_take(struct http_header *header, struct span line);

/*
 * How long to wait, in ms; -1 if the server did not say. A date counts from the reply's own Date:
 * the two clocks may disagree. `now` is ours, for a reply without Date.
 */
long long http_header_retry_after(const struct http_header *header, time_t now);

#endif
