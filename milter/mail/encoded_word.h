/*
 * encoded_word: a header value as a person means it: unfolded (RFC 5322, 2.2.3), its encoded words
 * decoded (RFC 2047; UTF-8, US-ASCII and ISO-8859-1, languages of RFC 2231, 5 skipped). Pure.
 */
#ifndef ENCODED_WORD_H
#define ENCODED_WORD_H

#include "buffer.h"
#include "problem.h"
#include "span.h"

#include <stdbool.h>

/*
 * Appends what the value says to `out`, whose maximum bounds it; whether that is valid UTF-8 is for
 * the caller to see. False, and why, if an encoded word cannot be decoded, the value is too long, or
 * (problem_cannot_tell) memory ran out.
 */
bool encoded_word_decode_value(struct span value, struct buffer *out, struct problem *why);

/*
 * Appends what the value says as far as it can be made out, the octets of encoded words in whatever
 * character set: for a look at names, most of which are ASCII.
 */
void encoded_word_guess_value(struct span value, struct buffer *out);

#endif
