/*
 * problem: why something could not be done, in words that a person can act on.
 *
 * A function that can fail takes a struct problem and fills it when it fails; it is left alone
 * when the function succeeds. Texts are one line of UTF-8 without control characters of their own
 * making; quoted input is made printable by problem_quote().
 *
 * There are three answers: right, wrong, cannot tell. `cannot_tell` is the third: memory, or another
 * means of ours, ran out before anything was proven, and the same question may get another answer
 * another time. Only what is proven wrong may be refused for good.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

struct problem {
	char text[768];
	bool cannot_tell;
};

/* Fills the problem, wrong, as printf would; what does not fit is cut. */
void problem_set(struct problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same where nothing is proven. */
void problem_cannot_tell(struct problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Writes `length` bytes of `text` into `out` (of `size` bytes) so that they can be shown: control
 * characters, misleading ones (utf8.h) and invalid UTF-8 become \xNN, what does not fit is cut and ends in "...".
 * Gives `out`.
 */
const char *problem_quote(char *out, size_t size, const char *text, size_t length);

#endif
