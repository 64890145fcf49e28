/* What the fields of a message, or of a part of it, say about it. */
#include "entity.h"

#include "encoded_word.h"

#include <string.h>
#include <strings.h>

#define NAME_MAXIMUM 1024 /* bytes, of a file; a longer one is not looked at */

static const char carries_calendar[] =
	"it already carries a calendar (text/calendar, application/ics or a file named *.ics); a "
	"message can cancel only one invite";

static void copy_trimmed(char *out, size_t size, struct span text)
{
	text = span_trim(text);
	if (text.length >= size)
		text.length = size - 1;
	memcpy(out, text.at, text.length);
	out[text.length] = '\0';
}

/* RFC 2046, 5.1.1: bcharsnospace and inner spaces, 1 to 70 of them. */
static bool is_boundary(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > ENTITY_BOUNDARY_MAXIMUM || text[length - 1] == ' ')
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f)
			return false;
	return true;
}

static enum entity_kind multipart_kind(struct span subtype)
{
	if (span_is(subtype, "alternative"))
		return KIND_ALTERNATIVE;
	if (span_is(subtype, "related"))
		return KIND_RELATED;
	if (span_is(subtype, "mixed"))
		return KIND_MIXED;
	if (span_is(subtype, "encrypted"))
		return KIND_ENCRYPTED;
	if (span_is(subtype, "report"))
		return KIND_UNDELIVERED;
	return KIND_OTHER_MULTIPART;
}

/* RFC 8551, 3.2.2: without smime-type nobody can tell that it is not encrypted. */
static enum entity_kind pkcs7_kind(struct span value)
{
	char smime_type[32];

	if (field_parameter(value, "smime-type", smime_type, sizeof(smime_type)) !=
	    FIELD_PARAMETER_FOUND)
		return KIND_ENCRYPTED;
	if (span_is((struct span){smime_type, strlen(smime_type)}, "signed-data") ||
	    span_is((struct span){smime_type, strlen(smime_type)}, "certs-only"))
		return KIND_FILE;
	return KIND_ENCRYPTED;
}

/* Windows leaves dots and blanks at the end of a name away. */
static bool is_calendar_name(struct span name)
{
	static const char suffix[] = ".ics";
	const size_t length = sizeof(suffix) - 1;

	while (name.length > 0 && strchr(" .\t\r\n", name.at[name.length - 1]))
		name.length--;
	return name.length >= length &&
	       strncasecmp(name.at + name.length - length, suffix, length) == 0;
}

/* Is a file's name, in whatever form it is given (RFC 2231; RFC 2047, against its rules), *.ics? */
static void look_at_names(struct entity *entity, struct span value, const char *parameter)
{
	struct buffer decoded = buffer_with_maximum(NAME_MAXIMUM);
	struct field_cursor cursor = {0};
	char name[NAME_MAXIMUM];

	while (field_parameter_each(value, parameter, &cursor, name, sizeof(name))) {
		buffer_clear(&decoded);
		encoded_word_guess_value(span_of_text(name), &decoded);
		entity->cannot_tell |= decoded.out_of_memory;
		if (is_calendar_name(buffer_span(&decoded)))
			entity->trouble = carries_calendar;
	}
	buffer_free(&decoded);
}

static bool is_calendar_type(struct span type, struct span subtype)
{
	if (span_is(type, "text"))
		return span_is(subtype, "calendar") || span_is(subtype, "x-vcalendar");
	return span_is(type, "application") &&
	       (span_is(subtype, "ics") || span_is(subtype, "x-ics"));
}

static void read_content_type(struct entity *entity, struct span value)
{
	struct span type, subtype;

	if (!field_media_type(value, &type, &subtype)) {
		entity->kind = KIND_TEXT;
	} else if (span_is(type, "multipart")) {
		entity->kind = multipart_kind(subtype);
		entity->boundary_usable =
			field_parameter(value, "boundary", entity->boundary,
					sizeof(entity->boundary)) == FIELD_PARAMETER_FOUND &&
			is_boundary(entity->boundary);
		if (field_parameter(value, "start", entity->start, sizeof(entity->start)) !=
		    FIELD_PARAMETER_FOUND)
			entity->start[0] = '\0';
	} else if (span_is(type, "text")) {
		entity->kind = KIND_TEXT;
	} else if (span_is(type, "message") && span_is(subtype, "partial")) {
		entity->kind = KIND_UNDELIVERED;
	} else if (span_is(type, "application") &&
		   (span_is(subtype, "pkcs7-mime") || span_is(subtype, "x-pkcs7-mime"))) {
		entity->kind = pkcs7_kind(value);
	} else {
		entity->kind = KIND_FILE;
		if (span_is(type, "application") &&
		    (span_is(subtype, "ms-tnef") || span_is(subtype, "vnd.ms-tnef")))
			entity->trouble = "it holds a winmail.dat (application/ms-tnef), beside "
					  "which mail programs ignore a calendar";
	}
	if (field_media_type(value, &type, &subtype) && is_calendar_type(type, subtype))
		entity->trouble = carries_calendar;
	look_at_names(entity, value, "name");
}

void entity_read(struct entity *entity, struct span block)
{
	struct span name, value, content_type = {"", 0};
	bool encoded = false;

	*entity = (struct entity){.kind = KIND_TEXT, .untyped = true};
	while (field_next(&block, &name, &value)) {
		if (span_is(name, "Content-Type")) {
			struct span again = span_trim(value);

			if (!entity->untyped &&
			    (again.length != content_type.length ||
			     memcmp(again.at, content_type.at, again.length) != 0))
				entity->headers_malformed = true;
			if (entity->untyped)
				content_type = again;
			entity->untyped = false;
			if (again.at == content_type.at || entity->headers_malformed)
				read_content_type(entity, value);
		} else if (span_is(name, "Content-Disposition")) {
			entity->attachment = span_is(field_first_token(value), "attachment");
			look_at_names(entity, value, "filename");
		} else if (span_is(name, "Content-Transfer-Encoding")) {
			struct span encoding = field_first_token(value);

			entity->binary = span_is(encoding, "binary");
			encoded = !span_is(encoding, "7bit") && !span_is(encoding, "8bit") &&
				  !span_is(encoding, "binary");
		} else if (span_is(name, "Content-ID")) {
			copy_trimmed(entity->content_id, sizeof(entity->content_id), value);
		}
	}
	if (block.length > 0)
		entity->headers_malformed = true;
	/* RFC 2045, 6.4: an encoded multipart is none that anybody could look into. */
	if (encoded)
		entity->boundary_usable = false;
}

bool entity_is_multipart(const struct entity *entity)
{
	return entity->kind == KIND_ALTERNATIVE || entity->kind == KIND_RELATED ||
	       entity->kind == KIND_MIXED || entity->kind == KIND_OTHER_MULTIPART;
}
