/*
 * postfix: Postfix's configuration as its own postconf(1) tells it: every $name replaced, defaults
 * filled in, services and what they override.
 */
#ifndef POSTFIX_H
#define POSTFIX_H

#include "buffer.h"
#include "program.h"
#include "problem.h"
#include "span.h"

#include <stdbool.h>

struct postfix {
	struct buffer parameters; /* postconf -x: name = value, a line each */
	struct buffer services;   /* postconf -M: the lines of master.cf */
	struct buffer overrides;  /* postconf -Px: service/type/name = value */
};

struct postfix postfix_new(void);
void postfix_free(struct postfix *postfix);

/* Asks about the configuration in a folder, such as /etc/postfix. */
enum program_answer postfix_ask(struct postfix *postfix, const char *folder, struct problem *why);

/* A parameter's value; empty if it has none or postconf did not tell it. */
struct span postfix_parameter(const struct postfix *postfix, const char *name);

/*
 * The value that a parameter has in a service, as "submission/inet": what the service says with -o, or
 * else the parameter's own.
 */
struct span postfix_service_parameter(const struct postfix *postfix, struct span service,
				      const char *name);

/* Does the service itself say what the parameter is? Then its value is put into `value`. */
bool postfix_override(const struct postfix *postfix, struct span service, const char *name,
		      struct span *value);

bool postfix_has_service(const struct postfix *postfix, const char *service);

/* Takes the next service, as service/type, off `rest`, which begins as all of `services`. */
bool postfix_next_service(struct span *rest, struct buffer *service);

/* Cuts the next element, {in braces} or up to a comma or blank, off the front of a list. */
bool postfix_next_element(struct span *rest, struct span *element);

/* Is this text, whatever the case of its letters, somewhere in the span? */
bool postfix_span_has(struct span span, const char *text);

/* A whole number, and the letter behind it, or '\0'; -1 if it is none. */
long long postfix_number(struct span text, char *unit);

/* A time of Postfix's in seconds: a number and s, m, h, d or w; `unit` is the one without a letter. */
long long postfix_seconds(struct span text, char unit);

#endif
