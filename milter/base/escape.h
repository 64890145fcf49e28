/* escape: any bytes as a JSON string (RFC 8259, 7) or as a field of CSV (RFC 4180). */
#ifndef ESCAPE_H
#define ESCAPE_H

#include "buffer.h"

/*
 * Both take NUL-terminated text and append valid UTF-8: each byte that does not belong to a
 * well-formed sequence becomes U+FFFD.
 */

/* With its quotation marks; control and misleading characters (utf8.h) as \uNNNN. */
void escape_json(struct buffer *out, const char *text);

/*
 * In quotation marks if it needs them, without the comma. What a spreadsheet would take for a formula
 * (it begins with = + - @ or TAB, CR, spaces before it or not) gets an apostrophe in front.
 */
void escape_csv(struct buffer *out, const char *text);

#endif
