/* Why something could not be done. */
#include "problem.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct problem *problem, bool cannot_tell, const char *format, va_list arguments)
{
	problem->cannot_tell = cannot_tell;
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	utf8_trim_end(problem->text);
}

void problem_set(struct problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fill(problem, false, format, arguments);
	va_end(arguments);
}

void problem_cannot_tell(struct problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fill(problem, true, format, arguments);
	va_end(arguments);
}

const char *problem_quote(char *out, size_t size, const char *text, size_t length)
{
	static const char more[] = "...";
	size_t used = 0, fits = 0; /* `fits`: what of it leaves room for the dots */

	for (size_t i = 0; i < length;) {
		size_t n = utf8_sequence(text + i, length - i);
		char piece[5];
		size_t piece_length = n;

		if (n == 0 || utf8_is_control(text + i, n) || utf8_is_misleading(text + i, n)) {
			n = 1;
			piece_length = (size_t)snprintf(piece, sizeof(piece), "\\x%02x",
							(unsigned char)text[i]);
		} else {
			memcpy(piece, text + i, n);
		}
		if (used + piece_length >= size) {
			snprintf(out + fits, size - fits, "%s", more);
			return out;
		}
		memcpy(out + used, piece, piece_length);
		used += piece_length;
		if (used + sizeof(more) <= size)
			fits = used;
		i += n;
	}
	out[used] = '\0';
	return out;
}
