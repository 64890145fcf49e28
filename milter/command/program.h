/* program: asks another program, such as postconf(1), and reads what it prints. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "buffer.h"
#include "problem.h"

enum program_answer {
	PROGRAM_SAID,
	PROGRAM_ABSENT, /* there is none, in PATH or /usr/sbin */
	PROGRAM_FAILED, /* there is; why it said nothing is in the problem */
};

/*
 * Runs it with these arguments, which end in NULL (the first is its name), without a shell, and appends
 * what it prints on standard output. It is ended if that takes longer than `timeout` ms or is more than
 * the buffer takes.
 */
enum program_answer program_ask(char *const *arguments, long long timeout, struct buffer *out,
				struct problem *why);

#endif
