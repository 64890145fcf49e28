/*
 * mime: where in a message the calendar goes (RFC 2045, 2046).
 *
 * A scanner that is fed the message's Content-* fields and then its body, in pieces of any size,
 * in one pass and in constant memory. It changes and keeps nothing of the body: its answer is a
 * shape and a few offsets. Messages that must not be touched are refused, with the reason.
 *
 * What cannot be understood safely (a boundary that is missing, bad or ambiguous, a multipart that
 * never ends) is not descended into: the calendar then goes beside the message, not into it.
 */
#ifndef MIME_H
#define MIME_H

#include "entity.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define MIME_DEPTH_MAXIMUM        20
#define MIME_PARTS_MAXIMUM        1000
#define MIME_PART_HEADERS_MAXIMUM ((size_t)64 * 1024)
#define MIME_BOUNDARY_MAXIMUM     ENTITY_BOUNDARY_MAXIMUM

/* Boundaries of ours are "=_", this many hexadecimal digits (128 bits), "-", and a digit. */
#define MIME_STEM_DIGITS 32
#define MIME_STEMS       4 /* drawn before the message is seen; one that occurs in it is not used */

/* How the calendar joins the original entity E. */
enum mime_shape {
	MIME_BESIDE, /* mixed(E, CAL, ATT): E is no text that could have an alternative */
	MIME_WRAP,   /* an entity, E or its first part, becomes alternative(entity, CAL) */
	MIME_INTO,   /* an alternative, E or inside it, gets CAL as its last part */
};

/* A body offset that is not known (yet). */
#define MIME_NOWHERE ((size_t)-1)

struct mime_plan {
	enum mime_shape shape;
	/* E is a mixed and stays the top: ATT goes before its close delimiter. Else a mixed is put
	 * around E. */
	bool keeps_mixed;
	size_t mixed_close; /* keeps_mixed: where the line of its close delimiter begins */
	size_t wrap_start;  /* MIME_WRAP: the wrapped entity's first byte; 0 when it is E */
	size_t wrap_end; /* MIME_WRAP: where the delimiter line after it begins, or the body's end */
	size_t alternative_close;                             /* MIME_INTO: like mixed_close */
	char mixed_boundary[MIME_BOUNDARY_MAXIMUM + 1];       /* keeps_mixed */
	char alternative_boundary[MIME_BOUNDARY_MAXIMUM + 1]; /* MIME_INTO */
	size_t body_length;
	bool eight_bit;                  /* an octet >= 0x80 in the body or in E's own fields */
	bool binary;                     /* a part, or E itself, says that it is binary */
	bool utf8;                       /* the body is valid UTF-8 */
	char stem[MIME_STEM_DIGITS + 1]; /* what our boundaries are made of */
};

struct mime_scanner;

/*
 * A scanner for one message. `fields` is a block of the message's own Content-* fields, complete
 * with names, as field_next() walks them (an empty block: the message has none). `random` gives
 * MIME_STEMS * 16 random bytes. NULL if memory ran out.
 */
struct mime_scanner *mime_scanner_new(struct span fields, const unsigned char *random);

void mime_scanner_add(struct mime_scanner *scanner, const char *body, size_t length);

/*
 * The body is complete: what is to be done. False, and why, if this message must not be touched, or
 * if memory ran out and we cannot tell.
 */
bool mime_scanner_finish(struct mime_scanner *scanner, struct mime_plan *plan, struct problem *why);

void mime_scanner_free(struct mime_scanner *scanner);

#endif
