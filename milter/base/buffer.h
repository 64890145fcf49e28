/*
 * buffer: bytes that grow up to a stated maximum.
 *
 * Failure sticks: once an append did not fit or memory ran out, `failed` is set and later appends
 * do nothing, so a writer appends freely and looks once at the end. `out_of_memory` tells the two
 * apart: what does not fit is too long, what there was no memory for may fit another time.
 */
#ifndef BUFFER_H
#define BUFFER_H

#include "span.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data;         /* always NUL-terminated once something was appended; else NULL */
	size_t length;      /* bytes, the NUL not counted */
	size_t capacity;    /* bytes allocated */
	size_t maximum;     /* bytes that `length` may reach */
	bool failed;        /* not all that was appended is there */
	bool out_of_memory; /* `failed`, and not because of the maximum */
};

/* An empty buffer; nothing is allocated yet. */
struct buffer buffer_with_maximum(size_t maximum);

void buffer_append(struct buffer *buffer, const char *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What is in it; never without an address. */
struct span buffer_span(const struct buffer *buffer);

/* Empties the buffer and forgets a failure; the memory is kept for the next use. */
void buffer_clear(struct buffer *buffer);

/* Frees the memory; the buffer can be used again. */
void buffer_free(struct buffer *buffer);

#endif
