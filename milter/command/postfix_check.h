/*
 * postfix_check: what in Postfix's configuration this filter would stumble over.
 *
 * Looks at what postconf(1) says, which postfix.h holds. A list of rules, each for one thing; a rule for
 * another way to set Postfix up is a function and a line in that list.
 */
#ifndef POSTFIX_CHECK_H
#define POSTFIX_CHECK_H

#include "buffer.h"
#include "config.h"
#include "postfix.h"

/* Appends a line of UTF-8 to `warnings` for each thing that is wrong. Pure. */
void postfix_check(const struct postfix *postfix, const struct config *config,
		   struct buffer *warnings);

#endif
