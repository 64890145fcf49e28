/*
 * field: reading header field values (RFC 5322, 2.2.3 and 3.2; RFC 2045, 5.1).
 *
 * Values are bytes as they stand after the colon, folded or not; nothing here allocates, and
 * nothing in a value is trusted. Only what the filter needs is here: a media type, one parameter,
 * the first word, an address.
 */
#ifndef FIELD_H
#define FIELD_H

#include "span.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The type and subtype of a Content-Type value, both within it. False if there is no type/subtype
 * there: RFC 2045, 5.2 then says text/plain.
 */
bool field_media_type(struct span value, struct span *type, struct span *subtype);

/* The first token of a value, such as the disposition of Content-Disposition; may be empty. */
struct span field_first_token(struct span value);

enum field_parameter {
	FIELD_PARAMETER_ABSENT,
	FIELD_PARAMETER_FOUND,
	FIELD_PARAMETER_UNUSABLE, /* given twice or in two forms, malformed, incomplete, too long */
};

#define FIELD_SECTIONS_MAXIMUM 20   /* of one parameter (RFC 2231, 3) */
#define FIELD_SECTION_MAXIMUM  1024 /* bytes, of one value with its %XX */

/*
 * Looks for `; name=value` in a structured value, or what RFC 2231 makes of it (name*=, name*0=,
 * name*0*=), and writes the value, unquoted, unfolded, put together and decoded, in whatever character
 * set, as NUL-terminated text into `out` of `size` bytes.
 */
enum field_parameter field_parameter(struct span value, const char *name, char *out, size_t size);

/* A place among the values of one parameter; {0} is in front of the first. */
struct field_cursor {
	int form;
	size_t number;
};

/*
 * The next value of a parameter that may be given more than once and in more than one form; what is
 * malformed or does not fit is left out. False at the end.
 */
bool field_parameter_each(struct span value, const char *name, struct field_cursor *cursor, char *out,
			  size_t size);

/*
 * The address in a From-like value: what stands in the first <>, or the whole value if it is a
 * bare address. Empty if there is none.
 */
struct span field_address(struct span value);

/* Does a field of this name describe the content of its entity: Content-*, but for Content-Class? */
bool field_is_content(struct span name);

/*
 * Walks over the fields of a header block (of a MIME part, or of a message). `*block` is shortened
 * by each call. False at the end, or at a line that is no field: then `*block` is not empty.
 */
bool field_next(struct span *block, struct span *name, struct span *value);

#endif
