/*
 * fuzz: what the harnesses share. Each has one function that takes any bytes, calls one module
 * with them and ends the process if what comes back breaks the module's promises.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "buffer.h"
#include "span.h"
#include "problem.h"
#include "utf8.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that every input has to keep. */
#define must(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

_Noreturn static inline void fuzz_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, condition);
	abort();
}

static inline struct span fuzz_span(const uint8_t *data, size_t size)
{
	return (struct span){size > 0 ? (const char *)data : "", size};
}

/* Cuts the first line, without its LF, off the front. */
static inline struct span fuzz_take_line(struct span *rest)
{
	const char *newline = rest->length > 0 ? memchr(rest->at, '\n', rest->length) : NULL;
	struct span line = {rest->at, newline ? (size_t)(newline - rest->at) : rest->length};
	const size_t taken = newline ? line.length + 1 : line.length;

	rest->at += taken;
	rest->length -= taken;
	return line;
}

static inline bool fuzz_inside(struct span part, struct span whole)
{
	return part.length <= whole.length && part.at >= whole.at &&
	       part.at + part.length <= whole.at + whole.length;
}

/* One line of UTF-8, not empty, without control characters. */
static inline void fuzz_check_problem(const struct problem *why)
{
	const size_t length = strlen(why->text);

	must(length > 0);
	must(utf8_valid(why->text, length));
	for (size_t i = 0, n; i < length; i += n) {
		n = utf8_sequence(why->text + i, length - i);
		must(!utf8_is_control(why->text + i, n));
	}
}

#endif
