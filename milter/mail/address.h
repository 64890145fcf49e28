/* address: one internet mail address, user@domain (RFC 5321, 4.1.2; RFC 6531). Pure. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "span.h"

#include <stdbool.h>

#define ADDRESS_MAXIMUM 320 /* bytes; RFC 5321, 4.5.3.1: 64 + 1 + 255 */

/*
 * Can this be an invite's recipient: one @ with something at each side, no white space, no control
 * characters, valid UTF-8, at most ADDRESS_MAXIMUM bytes?
 */
bool address_is_valid(struct span text);

/*
 * Copies an address as the MTA gives it: <user@host> from SMTP, user@host from sendmail(1), as
 * NUL-terminated text without <>. False, and "", if it does not fit into `size` bytes: the beginning
 * of an address is another address.
 */
bool address_copy(char *out, size_t size, const char *address);

#endif
