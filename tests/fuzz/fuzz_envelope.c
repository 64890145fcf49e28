/* Recipients and their parameters, a line each: address, then parameters behind blanks. */
#include "envelope.h"

#include "fuzz.h"

#define PARAMETERS 8

static void add_line(struct envelope *envelope, struct span line)
{
	char text[1024], *rest = text, *parameters[PARAMETERS + 1] = {NULL};
	const char *address;
	size_t count = 0;

	snprintf(text, sizeof(text), "%.*s", (int)line.length, line.at);
	address = strsep(&rest, " ");
	while (rest && count < PARAMETERS)
		parameters[count++] = strsep(&rest, " ");
	envelope_add(envelope, address, parameters);
}

static void check(const struct envelope_recipient *recipient)
{
	struct buffer address = buffer_with_maximum(1024), parameters = buffer_with_maximum(8192);
	char original[ADDRESS_MAXIMUM + 1];

	must(strlen(recipient->address) <= ADDRESS_MAXIMUM);
	if (envelope_original(recipient, original, sizeof(original)))
		must(address_is_valid((struct span){original, strlen(original)}));
	must(envelope_reroute(recipient, ENVELOPE_SUFFIX, &address, &parameters));
	must(strstr(address.data, ENVELOPE_SUFFIX ">"));
	must(strstr(parameters.data, "ORCPT="));
	buffer_free(&address);
	buffer_free(&parameters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	struct envelope envelope = envelope_new();
	struct envelope_recipient recipient;
	size_t lines = 0, given = 0, at = 0;

	while (rest.length > 0) {
		add_line(&envelope, fuzz_take_line(&rest));
		lines++;
	}
	must(!envelope.text.failed && envelope.count <= lines);
	while (envelope_next(&envelope, &at, &recipient)) {
		check(&recipient);
		given++;
	}
	must(given == lines);
	envelope_free(&envelope);
	return 0;
}
