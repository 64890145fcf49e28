/* base64: the encoding of RFC 4648, 4, by libcrypto. */
#ifndef BASE64_H
#define BASE64_H

#include "buffer.h"
#include "span.h"

#include <stdbool.h>

/* Appends the data in lines of 76 characters that end in CRLF (RFC 2045, 6.8). */
void base64_append_lines(struct buffer *out, struct span data);

/*
 * Appends what `text`, one line, says. Missing padding is forgiven. False if it is no base64; `out`
 * may have failed as well.
 */
bool base64_decode(struct span text, struct buffer *out);

#endif
