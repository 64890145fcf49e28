/* What is kept of a message's headers. */
#include "headers.h"

#include "field.h"
#include "stamp.h"

#include <stdio.h>
#include <string.h>

struct headers headers_new(void)
{
	return (struct headers){
		.tag_value = buffer_with_maximum(HEADERS_TAG_MAXIMUM),
		.stamp_value = buffer_with_maximum(HEADERS_TAG_MAXIMUM),
		.content = buffer_with_maximum(HEADERS_CONTENT_MAXIMUM),
	};
}

void headers_clear(struct headers *headers)
{
	struct headers empty = {
		.tag_value = headers->tag_value,
		.stamp_value = headers->stamp_value,
		.content = headers->content,
	};

	buffer_clear(&empty.tag_value);
	buffer_clear(&empty.stamp_value);
	buffer_clear(&empty.content);
	*headers = empty;
}

void headers_free(struct headers *headers)
{
	buffer_free(&headers->tag_value);
	buffer_free(&headers->stamp_value);
	buffer_free(&headers->content);
}

static void copy_span(char *out, size_t size, struct span text)
{
	snprintf(out, size, "%.*s", (int)text.length, text.at);
}

static void add_content_field(struct headers *headers, struct span name, struct span value,
			      bool space_cut)
{
	if (++headers->content_fields > HEADERS_EDITS_MAXIMUM ||
	    name.length > HEADERS_NAME_MAXIMUM) {
		headers->content.failed = true;
		return;
	}
	buffer_append(&headers->content, name.at, name.length);
	buffer_append_text(&headers->content, space_cut ? ": " : ":");
	buffer_append(&headers->content, value.at, value.length);
	buffer_append_text(&headers->content, "\n");
}

static void add_tag(struct headers *headers, struct span value)
{
	const bool stamp = stamp_is_like(value);

	headers->tags++;
	headers->stamps += stamp;
	if (stamp && headers->stamps == 1)
		buffer_append(&headers->stamp_value, value.at, value.length);
	else if (!stamp && headers->tags - headers->stamps == 1)
		buffer_append(&headers->tag_value, value.at, value.length);
}

void headers_add(struct headers *headers, const char *tag, const char *name, const char *value,
		 bool space_cut)
{
	struct span field = {name, strlen(name)}, text = {value, strlen(value)};

	headers->bytes += field.length + text.length + 3;
	/* Most headers are none of these: their first letter says so. */
	switch (name[0] | 0x20) {
	case 'c':
		if (field_is_content(field))
			add_content_field(headers, field, text, space_cut);
		break;
	case 'd':
		headers->signed_already |= span_is(field, "DKIM-Signature");
		break;
	case 'f':
		if (span_is(field, "From"))
			copy_span(headers->from, sizeof(headers->from), field_address(text));
		break;
	case 'm':
		if (span_is(field, "Message-ID")) {
			if (!headers->message_id[0])
				copy_span(headers->message_id, sizeof(headers->message_id),
					  span_trim(text));
		} else if (span_is(field, "MIME-Version") && headers->mime_versions++ == 0) {
			headers->mime_version_is_1_0 = span_is(span_trim(text), "1.0");
		}
		break;
	case 'x':
		if (span_is(field, tag))
			add_tag(headers, text);
		break;
	default:
		break;
	}
}

/* Those that may be added: Content-Type, its encoding, MIME-Version, and a Message-ID at submission. */
#define ADDITIONS 4

size_t headers_most_edits(const struct headers *headers)
{
	return headers->tags + headers->content_fields + headers->mime_versions + ADDITIONS;
}
