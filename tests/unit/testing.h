/* testing: cmocka with the headers that it wants first, and what several tests say in one word. */
#ifndef TESTING_H
#define TESTING_H

#include "span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* For texts that hold NUL. */
#define span_of_literal(literal) ((struct span){literal, sizeof(literal) - 1})

static inline void check_span(struct span span, const char *text, const char *file, int line)
{
	if (span.length == strlen(text) && memcmp(span.at, text, span.length) == 0)
		return;
	print_error("\"%.*s\" != \"%s\"\n", (int)span.length, span.at, text);
	_fail(file, line);
}

#define assert_span(span, text) check_span(span, text, __FILE__, __LINE__)

static inline void check_contains(const char *text, const char *part, const char *file, int line)
{
	if (strstr(text, part))
		return;
	print_error("\"%s\" does not contain \"%s\"\n", text, part);
	_fail(file, line);
}

#define assert_contains(text, part) check_contains(text, part, __FILE__, __LINE__)

/* A text of `length` times the same character; the caller frees it. */
static inline char *text_of_length(size_t length, char character)
{
	char *text = malloc(length + 1);

	assert_non_null(text);
	memset(text, character, length);
	text[length] = '\0';
	return text;
}

#endif
