/* output: what a command prints, and says. Each gives an exit code of <sysexits.h>. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "buffer.h"
#include "calendar.h"

#include <stdbool.h>
#include <stddef.h>

/* Says on standard error, behind the program's name, what is wrong. Gives the exit code. */
int output_complain(int exit_code, const char *text);

/* Writes to a FILE; false if it does not take all. Of the form that writers of the core ask for. */
bool output_write(void *stream, const char *data, size_t length);

/* The end of standard output: what was printed is only printed when it is flushed without an error. */
int output_finish(void);

int output_text(const char *text);

/* What was found about a calendar, on standard error. */
void output_findings(const struct calendar *calendar);

/* Prints the buffer whole or, if it failed, not at all; and frees it. */
int output_buffer(struct buffer *text);

#endif
