/*
 * entity: what the fields of a message, or of a part of it, say about it (RFC 2045, RFC 2183).
 *
 * Only what matters for placing a calendar.
 */
#ifndef ENTITY_H
#define ENTITY_H

#include "field.h"

#include <stdbool.h>

#define ENTITY_BOUNDARY_MAXIMUM 70 /* RFC 2046, 5.1.1 */
#define ENTITY_ID_MAXIMUM       255

enum entity_kind {
	KIND_TEXT,
	KIND_ALTERNATIVE,
	KIND_RELATED,
	KIND_MIXED,
	KIND_OTHER_MULTIPART, /* signed, digest, ...: looked into, never inserted into */
	KIND_FILE,
	KIND_ENCRYPTED,
	KIND_UNDELIVERED, /* multipart/report, message/partial: machines read them */
};

/* A header block, read. */
struct entity {
	enum entity_kind kind;
	bool attachment;
	bool headers_malformed; /* a line that is no field, or two different Content-Types */
	bool untyped;           /* no Content-Type at all */
	bool binary;            /* its transfer encoding (RFC 2045, 6.2) */
	bool cannot_tell;       /* no memory to look at a name */
	bool boundary_usable;
	char boundary[ENTITY_BOUNDARY_MAXIMUM + 1];
	char start[ENTITY_ID_MAXIMUM + 1]; /* related: the root's Content-ID, if it is named */
	char content_id[ENTITY_ID_MAXIMUM + 1];
	const char *
		trouble; /* wherever in a message it stands: why no calendar may join it; or NULL */
};

/* Reads a header block, as field_next() walks it. Never fails: what is not understood is text. */
void entity_read(struct entity *entity, struct span block);

/* Can parts be looked for in it? */
bool entity_is_multipart(const struct entity *entity);

#endif
