/*
 * rewrite: the text that is inserted into a message, and the headers that change with it.
 *
 * The rewritten body is the original body with a few texts inserted; not one of its bytes changes.
 * Layout, after the CalConnect "iMIP Best Practices" and RFC 6047: the calendar as the last
 * alternative of the text, and once more as an attachment, application/ics.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include "buffer.h"
#include "field.h"
#include "mime.h"

#include <stdbool.h>
#include <stddef.h>

#define REWRITE_INSERTIONS 4

/* What changes in a body: insertions, by rising offset. */
struct rewrite {
	struct {
		size_t offset;      /* in the original body */
		struct buffer text; /* what is put in front of that byte; CRLF line ends */
	} insertions[REWRITE_INSERTIONS];
	size_t count;
	char content_type[128];        /* the top's new one; "" if it keeps its own */
	const char *transfer_encoding; /* the top's; "" if it has none */
};

/*
 * Makes the insertions. `fields` are the message's own Content-* fields, which go inside with it
 * (Content-Length and Content-Class excepted), with LF or CRLF line ends; `calendar` is the
 * iCalendar text as calendar_accept() gives it. False if memory ran out. rewrite_free() always.
 */
bool rewrite_make(struct rewrite *rewrite, const struct mime_plan *plan, struct span fields,
		  struct span calendar);

void rewrite_free(struct rewrite *rewrite);

/* Takes the next bytes of the new body; false to stop. */
typedef bool rewrite_writer(void *context, const char *data, size_t length);

/*
 * Writes a piece of the original body, which begins at `offset`, with what is inserted inside it;
 * what is inserted at its very end comes with the next piece, or with a last, empty one.
 */
bool rewrite_write(const struct rewrite *rewrite, size_t offset, struct span piece, bool last,
		   rewrite_writer *write, void *context);

#endif
