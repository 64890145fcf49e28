/* request: what a message asks for: by its tag or, after the queue, by the stamp made of it. */
#ifndef REQUEST_H
#define REQUEST_H

#include "config.h"
#include "tag.h"

#include <stdbool.h>

struct request {
	struct tag tag;
	const struct account *account;       /* the configuration's; NULL: not known yet */
	char recipient[ADDRESS_MAXIMUM + 1]; /* the invite's; "" where many may be meant */
	bool stamped;                        /* by a valid stamp: it was permitted at submission */
};

#endif
