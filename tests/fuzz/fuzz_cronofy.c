/* A reply: the first line is the status, the rest is the body. */
#include "cronofy.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	const struct span first = fuzz_take_line(&rest);
	struct buffer body = buffer_with_maximum((size_t)8 << 20);
	struct buffer calendar = buffer_with_maximum((size_t)1 << 20);
	struct problem why = {.text = ""};
	enum cronofy_answer answer;
	long status = 0;

	for (size_t i = 0; i < first.length && i < 3; i++)
		status = status * 10 + (first.at[i] - '0');
	/* As http gives it: NUL-terminated, NULL if there was none. */
	if (rest.length > 0)
		buffer_append(&body, rest.at, rest.length);
	answer = cronofy_read_reply(status, (struct span){body.data, body.length}, "id-1",
				    &calendar, &why);
	must(answer < CRONOFY_ANSWERS);
	if (answer == CRONOFY_CANCELLED) {
		must(status >= 200 && status < 300);
		must(calendar.length > 0 && !calendar.failed);
		must(utf8_valid(calendar.data, calendar.length));
		must(!memchr(calendar.data, '\0', calendar.length));
	} else {
		must(calendar.length == 0);
		fuzz_check_problem(&why);
	}
	buffer_free(&body);
	buffer_free(&calendar);
	return 0;
}
