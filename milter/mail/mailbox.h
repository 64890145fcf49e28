/*
 * mailbox: a mailbox in SMTP's envelope, Local-part "@" Domain (RFC 5321, 4.1.2; RFC 6531, 3.3).
 *
 * What a client types after MAIL FROM: or RCPT TO: and the mailbox that the MTA reads out of it may
 * be two things: comments, source routes, lists and routing with % and ! see to that. Whoever
 * decides by the one while the MTA checks the other can be deceived.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

enum mailbox_reading {
	MAILBOX_GOOD,    /* one plain mailbox, or the null path, and the MTA read the same one */
	MAILBOX_BAD,     /* something else, or the MTA read something else, or it is too long */
	MAILBOX_UNKNOWN, /* a mailbox that MTAs may read in two ways, and this one does not tell */
};

/*
 * Reads a path as the client typed it, with or without <>, beside the mailbox that the MTA read in
 * it, {mail_addr}; `parsed` is NULL if the MTA does not tell. They may differ in
 * form: in case, in quotes that are not needed, in a domain of its own that the MTA added, or left
 * out. `out`, of `size` bytes, gets the mailbox to decide by without <>: the MTA's, and only where
 * that has no domain, or there is none, the typed one. If the answer is not MAILBOX_GOOD it gets the
 * same, for the log, or "" if that does not fit: the beginning of a mailbox is another mailbox.
 */
enum mailbox_reading mailbox_read(char *out, size_t size, const char *typed, const char *parsed);

/*
 * Writes a mailbox into `out`, of `size` bytes, in a form that is the same for all its forms: to be
 * compared or bound to, not to be sent to. What is no plain mailbox, or does not fit, stays as it is
 * as far as it fits.
 */
void mailbox_fold(char *out, size_t size, const char *address);

/*
 * Is this one plain mailbox, user@domain or "quoted"@domain or user@[literal], and nothing besides?
 * Dots may stand anywhere in the local part, as they do in the world.
 */
bool mailbox_is_plain(const char *text);

#endif
