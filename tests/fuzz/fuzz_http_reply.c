/* A whole reply: header lines, an empty line, the body. */
#include "cronofy.h"
#include "http_header.h"

#include "fuzz.h"

#define NOW 1777368600 /* Tue, 28 Apr 2026 09:30:00 GMT */

/* The three digits behind the first space, as whatever they may be. */
static long status_of(struct span line)
{
	const char *space = memchr(line.at, ' ', line.length);
	long status = 0;

	for (size_t i = 1; space && i <= 3 && space + i < line.at + line.length; i++)
		status = status * 10 + (space[i] - '0');
	return status;
}

static void check_body(long status, struct span rest)
{
	struct buffer body = buffer_with_maximum((size_t)8 << 20);
	struct buffer calendar = buffer_with_maximum((size_t)1 << 20);
	struct problem why = {.text = ""};
	enum cronofy_answer answer;

	/* As http gives it: NUL-terminated, "" if there was none. */
	buffer_append(&body, rest.at, rest.length);
	answer = cronofy_read_reply(status, (struct span){body.data, body.length}, "id-1",
				    &calendar, &why);
	must(answer < CRONOFY_ANSWERS);
	must((answer == CRONOFY_CANCELLED) == (calendar.length > 0));
	must(cronofy_meaning(answer)->outcome != CANCEL_REFUSED || (status >= 200 && status < 500));
	if (answer != CRONOFY_CANCELLED)
		fuzz_check_problem(&why);
	buffer_free(&body);
	buffer_free(&calendar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	struct http_header header = {.date = ""};
	long status = 0;
	long long ms;

	while (rest.length > 0) {
		const struct span line = fuzz_take_line(&rest);

		if (line.length == 0 || (line.length == 1 && line.at[0] == '\r'))
			break;
		if (status == 0)
			status = status_of(line);
		http_header_take(&header, line);
	}
	must(memchr(header.date, '\0', sizeof(header.date)));
	must(memchr(header.retry_after, '\0', sizeof(header.retry_after)));
	ms = http_header_retry_after(&header, NOW);
	must(ms == -1 || (ms > 0 && ms <= HTTP_HEADER_LONGEST_RETRY_AFTER * 1000LL));
	check_body(status, rest);
	return 0;
}
