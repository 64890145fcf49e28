/* hex: hexadecimal digits. */
#ifndef HEX_H
#define HEX_H

#include <stddef.h>

/* The value of a digit, capital or not; -1 if it is none. */
int hex_value(char digit);

/* The byte that two digits at `text` say; -1 if they are none. Looks no further than a NUL. */
int hex_byte(const char *text);

/* Writes two small digits for each byte, and a NUL: `out` holds 2 * length + 1 characters. */
void hex_write(char *out, const unsigned char *bytes, size_t length);

#endif
