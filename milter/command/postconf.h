/* postconf: asks Postfix's postconf(1) about its configuration. */
#ifndef POSTCONF_H
#define POSTCONF_H

#include "buffer.h"
#include "problem.h"

enum postconf_answer {
	POSTCONF_SAID,
	POSTCONF_ABSENT, /* there is no postconf, in PATH or /usr/sbin */
	POSTCONF_FAILED, /* there is; why it said nothing is in the problem */
};

/*
 * Runs postconf with these arguments, which end in NULL (the first is its name), without a shell, and
 * appends what it prints. It is ended if that takes longer than `timeout` ms or is more than the buffer
 * takes.
 */
enum postconf_answer postconf_ask(char *const *arguments, long long timeout, struct buffer *out,
				  struct problem *why);

#endif
