/*
 * problem: why something could not be done, in words that a person can act on.
 *
 * A function that can fail takes a struct problem and fills it when it fails; it is left alone
 * when the function succeeds. Texts are one line of UTF-8 without control characters of their own
 * making; quoted input is made printable by problem_quote().
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include <stddef.h>

struct problem {
	char text[768];
};

/* Fills the problem as printf would; what does not fit is cut. */
void problem_set(struct problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Writes `length` bytes of `text` into `out` (of `size` bytes) so that they can be shown: control
 * characters and invalid UTF-8 become \xNN, what does not fit is cut and ends in "...".
 * Gives `out`.
 */
const char *problem_quote(char *out, size_t size, const char *text, size_t length);

#endif
