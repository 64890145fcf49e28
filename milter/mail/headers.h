/*
 * headers: what is kept of a message's headers. Of most nothing is.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include "address.h"
#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define HEADERS_CONTENT_MAXIMUM ((size_t)64 * 1024) /* bytes, of all Content-* fields */
/*
 * Headers that may be deleted, changed or added in one message. Postfix looks for each of them from
 * the first record on, and panics when there are some 12,000: more is work that whoever may send mail
 * could have the MTA do.
 */
#define HEADERS_EDITS_MAXIMUM 50

/* Bytes of all headers of a message that is changed: each change makes Postfix read through them. */
#define HEADERS_BYTES_MAXIMUM ((size_t)1024 * 1024)
#define HEADERS_TAG_MAXIMUM   ((size_t)16 * 1024)
#define HEADERS_NAME_MAXIMUM  79 /* bytes, of the name of a Content-* field */

struct headers {
	size_t bytes;              /* of all headers */
	size_t tags;               /* how many, stamps among them */
	size_t stamps;             /* those that look like a stamp (stamp.h) */
	struct buffer tag_value;   /* of the first one that does not */
	struct buffer stamp_value; /* of the first one that does */
	size_t content_fields;     /* how many */
	struct buffer content;     /* a block of the Content-* fields that are E's own */
	size_t mime_versions;
	bool mime_version_is_1_0;           /* the first one's value */
	bool signed_already;                /* there is a DKIM-Signature */
	char from[ADDRESS_MAXIMUM + 1]; /* the address; "" if there is none */
	char message_id[256]; /* the first that says something, with <>; "" if none does */
};

struct headers headers_new(void);

/* Forgets all headers; the memory is kept for the next message. */
void headers_clear(struct headers *headers);
void headers_free(struct headers *headers);

/*
 * A header as it stands: the value is all that is behind the colon, but for one space there if
 * `space_cut`. `tag` is the tag's name.
 */
void headers_add(struct headers *headers, const char *tag, const char *name, const char *value,
		 bool space_cut);

/*
 * How many changes these headers can take at most, whatever becomes of the message. If that is more
 * than HEADERS_EDITS_MAXIMUM, none is to be made.
 */
size_t headers_most_edits(const struct headers *headers);

#endif
