/*
 * ical_reader: iCalendar text as content lines, strictly by RFC 5545, 3.1:
 *
 *	contentline = name *(";" param) ":" value CRLF
 *	param       = name "=" param-value *("," param-value)
 *
 * Octets are unfolded first, then read, so a fold may cut a character in two. LF alone ends a line
 * as CRLF does; a CR anywhere else is a fault, because programs disagree on what it means. Time is
 * linear in the text and memory in its longest line, whatever a stranger sends. Pure.
 */
#ifndef ICAL_READER_H
#define ICAL_READER_H

#include "buffer.h"
#include "calendar_rules.h"
#include "problem.h"
#include "span.h"

#include <stdbool.h>
#include <stddef.h>

#define ICAL_TEXT_MAXIMUM       ((size_t)1024 * 1024) /* bytes */
#define ICAL_LINES_MAXIMUM      10000                 /* unfolded */
#define ICAL_PARAMETERS_MAXIMUM 50                    /* in one line */
#define ICAL_COMPONENTS_MAXIMUM 1000                  /* in all */
#define ICAL_DEPTH_MAXIMUM      20                    /* components inside each other */
#define ICAL_NAME_MAXIMUM       64                    /* bytes, of a component's name */

enum ical_kind {
	ICAL_LINE_PROPERTY,
	ICAL_LINE_BEGIN, /* `value` names the component that begins; it is open already */
	ICAL_LINE_END,   /* `value` names the component that ends; it is closed already */
};

/* One unfolded content line. Its spans are the reader's, until the next line is read. */
struct ical_line {
	enum ical_kind kind;
	struct span name;
	struct span parameters; /* from the first ";" up to the ":"; empty if there are none */
	struct span value;      /* as it stands: escapes are still escapes */
	struct span whole;      /* name to value */
	size_t depth;           /* components that are open */
	const char *component;  /* the innermost of them; "" if there is none */
	bool had_control;       /* control characters (RFC 5545, 3.1) in it; they are gone */
};

struct ical_reader {
	struct span rest;
	struct buffer line;  /* the current one, unfolded */
	size_t line_number;  /* of the next line as it stands, from 1 */
	size_t first_number; /* of the current content line's first one */
	size_t lines, components, depth;
	struct {
		char name[ICAL_NAME_MAXIMUM + 1];
	} open[ICAL_DEPTH_MAXIMUM]; /* innermost last */
	bool dropped_empty_line;
};

enum ical_next {
	ICAL_NEXT_LINE,
	ICAL_NEXT_END,
	ICAL_NEXT_FAULT,
};

/*
 * Starts on a text, without its byte order mark and the white space around it. False, and why, if it
 * is none of a single VCALENDAR. ical_reader_free() in any case.
 */
bool ical_reader_start(struct ical_reader *reader, struct span text, struct problem *why);

/* The next content line; at a fault `why` says what is wrong, and in which line. */
enum ical_next ical_reader_next(struct ical_reader *reader, struct ical_line *line,
				struct problem *why);

void ical_reader_free(struct ical_reader *reader);

/*
 * Takes the next parameter off the front of a line's `parameters`; a quoted value comes without its
 * quotation marks, and of a list of values (a,b) all that it holds. False at the end.
 */
bool ical_next_parameter(struct span *parameters, struct span *name, struct span *value);

#endif
