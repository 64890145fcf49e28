#include "headers.h"

#include "stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- gathering ---- */

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
	if (name.length > HEADERS_NAME_MAXIMUM ||
	    ++headers->content_fields > HEADERS_CONTENT_FIELDS) {
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
		if (rewrite_moves_field(field))
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

/* ---- changing ---- */

/* A change to be filled in; NULL if there is no memory for it. */
static struct header_edit *add_edit(struct header_edits *edits, struct span name)
{
	struct header_edit *items = realloc(edits->items, (edits->count + 1) * sizeof(*items));

	if (!items) {
		edits->failed = true;
		return NULL;
	}
	edits->items = items;
	items += edits->count++;
	*items = (struct header_edit){.kind = HEADER_DELETE};
	copy_span(items->name, sizeof(items->name), name);
	return items;
}

/* Of the headers with this name, all from number `first` on go. */
static void delete_from(struct header_edits *edits, struct span name, size_t first, size_t last)
{
	struct header_edit *edit;

	if (first > last || !(edit = add_edit(edits, name)))
		return;
	edit->first = first;
	edit->last = last;
}

static struct span named(const char *name)
{
	return (struct span){name, strlen(name)};
}

/* Of `count` headers with this name one is left, or made, with this value. */
static void set(struct header_edits *edits, const char *name, size_t count, const char *value)
{
	struct header_edit *edit;

	delete_from(edits, named(name), 2, count);
	edit = add_edit(edits, named(name));
	if (!edit)
		return;
	edit->kind = count > 0 ? HEADER_CHANGE : HEADER_ADD;
	edit->value = strdup(value);
	edits->failed |= !edit->value;
}

static size_t count_fields(const struct headers *headers, struct span name)
{
	struct span block = {headers->content.data, headers->content.length};
	struct span other, value;
	size_t count = 0;

	while (field_next(&block, &other, &value))
		count += other.length == name.length &&
			 strncasecmp(other.at, name.at, name.length) == 0;
	return count;
}

/* E's Content-* fields have gone inside with it: those that the top does not get anew go. */
static void delete_content(const struct headers *headers, struct header_edits *edits)
{
	struct span block = {headers->content.data, headers->content.length};
	struct span name, value;

	while (field_next(&block, &name, &value)) {
		bool done =
			span_is(name, "Content-Type") || span_is(name, "Content-Transfer-Encoding");

		for (size_t i = 0; i < edits->count && !done; i++)
			done = span_is(name, edits->items[i].name);
		if (!done)
			delete_from(edits, name, 1, count_fields(headers, name));
	}
}

void headers_strip_tags(const struct headers *headers, const char *tag, struct header_edits *edits)
{
	delete_from(edits, named(tag), 1, headers->tags);
}

void headers_replace_tags(const struct headers *headers, const char *tag, const char *value,
			  struct header_edits *edits)
{
	set(edits, tag, headers->tags, value);
}

void headers_add_field(struct header_edits *edits, const char *name, const char *value)
{
	set(edits, name, 0, value);
}

void headers_follow_rewrite(const struct headers *headers, const struct rewrite *rewrite,
			    struct header_edits *edits)
{
	static const char encoding[] = "Content-Transfer-Encoding";

	if (rewrite->content_type[0]) {
		delete_content(headers, edits);
		set(edits, "Content-Type", count_fields(headers, named("Content-Type")),
		    rewrite->content_type);
	} else {
		delete_from(edits, named("Content-Length"), 1,
			    count_fields(headers, named("Content-Length")));
	}
	if (rewrite->transfer_encoding[0])
		set(edits, encoding, count_fields(headers, named(encoding)),
		    rewrite->transfer_encoding);
	else
		delete_from(edits, named(encoding), 1, count_fields(headers, named(encoding)));
	if (headers->mime_versions != 1 || !headers->mime_version_is_1_0)
		set(edits, "MIME-Version", headers->mime_versions, "1.0");
}

void header_edits_free(struct header_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		free(edits->items[i].value);
	free(edits->items);
	*edits = (struct header_edits){.count = 0};
}
