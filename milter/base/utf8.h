/* utf8: well-formed UTF-8 (RFC 3629), one sequence or a whole text; no tables, no locale. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length (1 to 4) of the well-formed sequence that `text` begins with; 0 if there is none. */
size_t utf8_sequence(const char *text, size_t length);

/* Is the sequence of `n` bytes at `text` a control character (U+0000-1F, U+7F-9F)? */
bool utf8_is_control(const char *text, size_t n);

/* Is there a control character in the text? Bytes that are no UTF-8 are none. */
bool utf8_has_control(const char *text, size_t length);

/*
 * Is it a character that makes a line look other than it is: a line or paragraph separator
 * (U+2028-2029), or one that turns the direction of the text around it (U+202A-202E, U+2066-2069)?
 */
bool utf8_is_misleading(const char *text, size_t n);

/* Are all bytes below 0x80? */
bool utf8_is_ascii(const char *text, size_t length);

/* Is the whole text well-formed? */
bool utf8_valid(const char *text, size_t length);

/* Cuts off a sequence that the end of a NUL-terminated text broke off. */
void utf8_trim_end(char *text);

/* Validation of a text that comes in pieces: start with a zeroed struct. */
struct utf8_stream {
	char pending[4]; /* the beginning of a sequence that the last piece cut off */
	uint8_t held;    /* how many bytes of it */
	bool broken;
};

void utf8_stream_add(struct utf8_stream *stream, const char *text, size_t length);

/* Call at the end: false too if the text ends inside a sequence. */
bool utf8_stream_valid(const struct utf8_stream *stream);

#endif
