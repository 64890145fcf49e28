#include "problem.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void problem_set(struct problem *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
}

const char *problem_quote(char *out, size_t size, const char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length;) {
		size_t n = utf8_sequence(text + i, length - i);
		char piece[5];

		if (n == 0 || utf8_is_control(text + i, n)) {
			n = 1;
			snprintf(piece, sizeof(piece), "\\x%02x", (unsigned char)text[i]);
		} else {
			memcpy(piece, text + i, n);
			piece[n] = '\0';
		}
		if (used + strlen(piece) + sizeof("...") > size) {
			snprintf(out + used, size - used, "...");
			return out;
		}
		memcpy(out + used, piece, strlen(piece));
		used += strlen(piece);
		i += n;
	}
	out[used] = '\0';
	return out;
}
