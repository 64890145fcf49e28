/*
 * postfix_text: reading Postfix's main.cf and master.cf as text (postconf(5), master(5)).
 *
 * Nothing here fails: what is longer than POSTFIX_TEXT_VALUE_MAXIMUM, or does not fit in memory, is
 * as if it were not there. Spans that are given stay the caller's.
 */
#ifndef POSTFIX_TEXT_H
#define POSTFIX_TEXT_H

#include "buffer.h"
#include "span.h"

#include <stdbool.h>

#define POSTFIX_TEXT_VALUE_MAXIMUM ((size_t)16 * 1024) /* bytes, every $name replaced */

#define POSTFIX_TEXT_BLANKS " \t\r"
#define POSTFIX_TEXT_COMMAS POSTFIX_TEXT_BLANKS ","

/* The next logical line: a line and those behind white space that it goes on with. */
bool postfix_text_next_line(struct span *rest, struct buffer *out);

/*
 * A parameter's value, every $name in it replaced, or `initial`, Postfix's default, if main.cf does
 * not set it. The last of a name counts. The caller frees it.
 */
struct buffer postfix_text_parameter(struct span main_cf, const char *name, const char *initial);

/* `value` with every $name in it replaced. The caller frees it. */
struct buffer postfix_text_expanded(struct span main_cf, struct span value);

/* A whole number, and the letter behind it, or '\0'; -1 if it is none. */
long long postfix_text_number(struct span main_cf, const char *name, const char *initial,
			      char *unit);

/* Is it set to something that is not empty? */
bool postfix_text_is_set(struct span main_cf, const char *name);

/* Does the word stand somewhere in its value? */
bool postfix_text_has(struct span main_cf, const char *name, const char *initial, const char *word);

/* Cuts the next element, {in braces} or up to a separator, off the front of a list. */
bool postfix_text_next_element(struct span *rest, const char *separators, struct span *element);

/* Cuts the next "-o name=value" or "-o { name = value }" off a service's arguments. */
bool postfix_text_next_option(struct span *rest, struct span *name, struct span *value);

#endif
