/* Header field values and blocks: nothing points outside, everything ends. */
#include "field.h"

#include "entity.h"
#include "fuzz.h"

/* Every value that can be had is text that fits, and there are not many. */
static void check_each_value(struct span value)
{
	struct field_cursor cursor = {0};
	size_t count = 0;
	char out[32];

	memset(out, '#', sizeof(out));
	while (field_parameter_each(value, "name", &cursor, out, sizeof(out))) {
		must(memchr(out, '\0', sizeof(out)));
		must(!strpbrk(out, "\r\n"));
		must(++count <= 2 * FIELD_SECTIONS_MAXIMUM + 1);
		memset(out, '#', sizeof(out));
	}
}

static void check_value(struct span value)
{
	static const char *const names[] = {"boundary", "method", "smime-type", "start"};
	struct span type, subtype, found;
	char out[72], small[4];

	if (field_media_type(value, &type, &subtype)) {
		must(type.length > 0 && fuzz_inside(type, value));
		must(subtype.length > 0 && fuzz_inside(subtype, value));
	}
	found = field_first_token(value);
	must(fuzz_inside(found, value));
	found = field_address(value);
	must(fuzz_inside(found, value));
	must(fuzz_inside(span_trim(value), value));
	check_each_value(value);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum field_parameter whole, cut;

		memset(out, '#', sizeof(out));
		whole = field_parameter(value, names[i], out, sizeof(out));
		cut = field_parameter(value, names[i], small, sizeof(small));
		if (whole == FIELD_PARAMETER_FOUND) {
			must(memchr(out, '\0', sizeof(out)));
			must(!strpbrk(out, "\r\n"));
		}
		/* Less room finds less, never something else. */
		must((whole == FIELD_PARAMETER_ABSENT) == (cut == FIELD_PARAMETER_ABSENT));
		if (cut == FIELD_PARAMETER_FOUND)
			must(whole == FIELD_PARAMETER_FOUND && strcmp(small, out) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span block = fuzz_span(data, size);
	struct span rest = block, name, value;
	struct entity entity;

	check_value(block);
	for (size_t before = rest.length; field_next(&rest, &name, &value); before = rest.length) {
		must(rest.length < before);
		must(name.length > 0 && fuzz_inside(name, block) && fuzz_inside(value, block));
		must(value.at > name.at + name.length);
		check_value(value);
	}
	must(fuzz_inside(rest, block));
	entity_read(&entity, block);
	must(entity.headers_malformed || rest.length == 0);
	if (entity.boundary_usable)
		must(entity_is_multipart(&entity) || entity.kind == KIND_ENCRYPTED ||
		     entity.kind == KIND_UNDELIVERED || entity.headers_malformed);
	must(strlen(entity.boundary) <= ENTITY_BOUNDARY_MAXIMUM);
	must(strlen(entity.start) <= ENTITY_ID_MAXIMUM);
	must(strlen(entity.content_id) <= ENTITY_ID_MAXIMUM);
	return 0;
}
