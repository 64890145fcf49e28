/*
 * header_edits: how a message's headers change, in a form that every MTA carries out alike.
 */
#ifndef HEADER_EDITS_H
#define HEADER_EDITS_H

#include "headers.h"
#include "rewrite.h"

#include <stdbool.h>
#include <stddef.h>

/* A change; values have no leading space. */
struct header_edit {
	enum {
		HEADER_DELETE, /* those of that name from number `last` down to `first`, from 1 */
		HEADER_CHANGE, /* the first one of that name */
		HEADER_ADD,
	} kind;
	char name[HEADERS_NAME_MAXIMUM + 1];
	size_t first, last;
	char *value; /* of HEADER_CHANGE, HEADER_ADD: the edits' own; may be folded with LF */
};

/* Changes, to be carried out in their order. */
struct header_edits {
	struct header_edit *items;
	size_t count;
	bool failed; /* no memory for some of them */
};

/* All the tags go. */
void header_edits_strip_tags(const struct headers *headers, const char *tag,
			     struct header_edits *edits);

/* Of the tags one is left, with this value. */
void header_edits_replace_tags(const struct headers *headers, const char *tag, const char *value,
			       struct header_edits *edits);

/* A header more. */
void header_edits_add_field(struct header_edits *edits, const char *name, const char *value);

/* What has to change beside the body. */
void header_edits_follow_rewrite(const struct headers *headers, const struct rewrite *rewrite,
				 struct header_edits *edits);

void header_edits_free(struct header_edits *edits);

#endif
