/* invocation: the command line, read and checked by the table of commands. */
#ifndef INVOCATION_H
#define INVOCATION_H

#include "buffer.h"
#include "command.h"
#include "config.h"

#include <stdbool.h>

/* What was said. Texts are the command line's own; NULL: not given. */
struct invocation {
	const struct command *command;
	const char *argument; /* of the command's option */
	char *const *operands;
	int operand_count;
	const char *config_file; /* never NULL */
	const char *sender;
	const char *calendar;
	const char *account;
	long long since; /* ms back; -1: from the beginning */
	bool json;
	struct config *config; /* for the command to use, if it needs one; main's */
};

/* False if the command line is wrong; the fault was written to standard error. */
bool invocation_read(struct invocation *invocation, int count, char **arguments);

/* Appends how the program is used: each command, from the table. */
void invocation_write_usage(struct buffer *out);

#endif
