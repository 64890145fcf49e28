/*
 * postfix_check: what in Postfix's configuration this filter would stumble over.
 *
 * Looks at main.cf and master.cf as text, without Postfix: "name = value" with lines that go on
 * behind white space, the last of a name counts, $name in values (postconf(5), master(5)). Where a
 * parameter isn't set Postfix's default counts. A file that cannot be understood gives fewer
 * warnings, never an error. conf/postfix/setup warns of the same before it changes anything.
 */
#ifndef POSTFIX_CHECK_H
#define POSTFIX_CHECK_H

#include "buffer.h"
#include "config.h"
#include "span.h"

#include <stdbool.h>

#define POSTFIX_CHECK_FILE_MAXIMUM ((size_t)256 * 1024) /* bytes; what is behind it is not seen */

/* Appends a line of UTF-8 to `warnings` for each thing that is wrong. Pure. */
void postfix_check(struct span main_cf, struct span master_cf, const struct config *config,
		   struct buffer *warnings);

/* The same for the files in a folder, such as /etc/postfix. False if there is no main.cf to see. */
bool postfix_check_folder(const char *folder, const struct config *config, struct buffer *warnings);

#endif
