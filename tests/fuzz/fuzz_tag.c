/* The value of a tag: what is accepted is good, and comes back when it is written down again. */
#include "tag.h"

#include "fuzz.h"

static void append_quoted(struct buffer *out, const char *text)
{
	buffer_append_text(out, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buffer_append_text(out, "\\");
		buffer_append(out, text, 1);
	}
	buffer_append_text(out, "\"");
}

static void check_again(const struct tag *tag)
{
	struct buffer value = buffer_with_maximum(10000);
	struct problem why = {.text = ""};
	struct tag again;

	append_quoted(&value, tag->id);
	if (tag->recipient[0]) {
		buffer_append_text(&value, "; recipient=");
		append_quoted(&value, tag->recipient);
	}
	if (tag->probe)
		buffer_append_text(&value, "; probe=yes");
	must(!value.failed);
	/* What looks like an encoded word would be decoded once more. */
	if (!strstr(value.data, "=?")) {
		must(tag_parse(&again, buffer_span(&value), &why));
		must(strcmp(again.id, tag->id) == 0);
		must(strcmp(again.recipient, tag->recipient) == 0);
		must(again.probe == tag->probe);
	}
	buffer_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span value = fuzz_span(data, size);
	struct problem why = {.text = ""};
	struct tag tag;

	if (tag_parse(&tag, value, &why)) {
		must(!tag.probe || strncmp(tag.id, TAG_PROBE_PREFIX, strlen(TAG_PROBE_PREFIX)) == 0);
		must(tag_is_id((struct span){tag.id, strlen(tag.id)}));
		if (tag.recipient[0])
			must(address_is_valid((struct span){tag.recipient, strlen(tag.recipient)}));
		check_again(&tag);
	} else {
		fuzz_check_problem(&why);
	}
	if (address_is_valid(value) || tag_is_id(value))
		must(utf8_valid(value.at, value.length) && !memchr(value.at, '\0', value.length) &&
		     !memchr(value.at, '\n', value.length));
	return 0;
}
