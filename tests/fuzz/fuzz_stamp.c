/*
 * A stamp's value, with the bond it is read by. Line 1: the sender, line 2: the Message-ID, then
 * the value. Nobody can guess a proof, so what is read is also written, and must come back.
 */
#include "stamp.h"

#include "fuzz.h"

static void text_of_line(char *out, size_t size, struct span *rest)
{
	const struct span line = fuzz_take_line(rest);

	snprintf(out, size, "%.*s", (int)line.length, line.at);
}

static void check_again(const struct stamp *stamp, const struct stamp_bond *bond)
{
	struct buffer value = buffer_with_maximum((size_t)2 * STAMP_VALUE_MAXIMUM);
	struct problem why = {.text = ""};
	struct stamp again;

	must(stamp_write(stamp, bond, &value));
	must(stamp_is_like(buffer_span(&value)));
	must(stamp_read(&again, buffer_span(&value), bond, &why));
	must(strcmp(again.account, stamp->account) == 0);
	must(strcmp(again.id, stamp->id) == 0);
	must(strcmp(again.recipient, stamp->recipient) == 0);
	must(again.time == stamp->time);
	buffer_free(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	char sender[ADDRESS_MAXIMUM + 1], message_id[256];
	const struct stamp_bond bond = {"a key", "the key before", sender, message_id};
	struct stamp stamp = {.account = "acme", .time = (long long)size};
	struct problem why = {.text = ""};

	text_of_line(sender, sizeof(sender), &rest);
	text_of_line(message_id, sizeof(message_id), &rest);
	snprintf(stamp.id, sizeof(stamp.id), "%.*s", (int)rest.length, rest.at);
	memcpy(stamp.recipient, sender, sizeof(sender));
	check_again(&stamp, &bond);
	if (!stamp_read(&stamp, rest, &bond, &why))
		fuzz_check_problem(&why);
	else
		must(stamp_is_like(rest));
	return 0;
}
