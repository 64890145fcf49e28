/*
 * tag: the value of an X-Cancel-Invite header (RFC 5322 unfolding, RFC 2047 encoded words).
 *
 *	value     = id *( ";" parameter )
 *	id        = plain text without ";" and quotes / "quoted text", with \" and \\ in it
 *	parameter = "recipient" "=" address              the invite's recipient, if it is not the
 *	                                                 envelope's
 *	          / "probe" "=" "yes"                    a probe of the way here: nothing is to be
 *	                                                 cancelled or delivered; the id has to begin
 *	                                                 with TAG_PROBE_PREFIX
 */
#ifndef TAG_H
#define TAG_H

#include "address.h"
#include "problem.h"
#include "span.h"

#include <stdbool.h>

#define TAG_ID_MAXIMUM      1024 /* bytes */
#define TAG_PROBE_PREFIX    "probe-"

struct tag {
	char id[TAG_ID_MAXIMUM + 1];             /* UTF-8, not empty, no control characters */
	char recipient[ADDRESS_MAXIMUM + 1]; /* "" if the envelope's recipient is meant */
	bool probe;
	bool folded_in_id; /* a line end of the header stood where the id has a blank */
};

/*
 * Reads a header value, as it stands after the colon. False, and why, if it is no such value, or if
 * memory ran out and we cannot tell.
 */
bool tag_parse(struct tag *tag, struct span value, struct problem *why);

/*
 * What to say behind the reason why Cronofy does not know the id, if a mail library may have folded the
 * header inside it; else "".
 */
const char *tag_fold_hint(const struct tag *tag);

/* Can this be an invite's id: UTF-8 without control characters, 1 to TAG_ID_MAXIMUM bytes? */
bool tag_is_id(struct span text);

#endif
