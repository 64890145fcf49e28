/* span: a piece of somebody else's bytes, and the few things that everybody asks of one. */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>

/* Not NUL-terminated; the bytes belong to somebody else. An empty one may have no address. */
struct span {
	const char *at;
	size_t length;
};

/* NUL-terminated text, without its NUL. */
struct span span_of_text(const char *text);

/* Does the span hold this text, ASCII letters compared without case? */
bool span_is(struct span span, const char *text);

/* Do both hold the same bytes? */
bool span_equals(struct span span, struct span other);

/* Is it white space as it stands around and inside header fields: space, tab, CR, LF? */
bool span_is_space(char c);

/* The span without white space at its ends. */
struct span span_trim(struct span span);

/* Takes `length` bytes, which there have to be, off the front. */
void span_advance(struct span *span, size_t length);

#endif
