/* How a message's headers change. */
#include "header_edits.h"

#include "field.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
	snprintf(items->name, sizeof(items->name), "%.*s", (int)name.length, name.at);
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

/* Of `count` headers with this name one is left, or made, with this value. */
static void set(struct header_edits *edits, const char *name, size_t count, const char *value)
{
	struct header_edit *edit;

	delete_from(edits, span_of_text(name), 2, count);
	edit = add_edit(edits, span_of_text(name));
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

void header_edits_strip_tags(const struct headers *headers, const char *tag,
			     struct header_edits *edits)
{
	delete_from(edits, span_of_text(tag), 1, headers->tags);
}

void header_edits_replace_tags(const struct headers *headers, const char *tag, const char *value,
			       struct header_edits *edits)
{
	set(edits, tag, headers->tags, value);
}

void header_edits_add_field(struct header_edits *edits, const char *name, const char *value)
{
	set(edits, name, 0, value);
}

void header_edits_follow_rewrite(const struct headers *headers, const struct rewrite *rewrite,
				 struct header_edits *edits)
{
	static const char encoding[] = "Content-Transfer-Encoding";

	if (rewrite->content_type[0]) {
		delete_content(headers, edits);
		set(edits, "Content-Type", count_fields(headers, span_of_text("Content-Type")),
		    rewrite->content_type);
	} else {
		delete_from(edits, span_of_text("Content-Length"), 1,
			    count_fields(headers, span_of_text("Content-Length")));
	}
	if (rewrite->transfer_encoding[0])
		set(edits, encoding, count_fields(headers, span_of_text(encoding)),
		    rewrite->transfer_encoding);
	else
		delete_from(edits, span_of_text(encoding), 1,
			    count_fields(headers, span_of_text(encoding)));
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
