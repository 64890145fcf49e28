/* What postconf -x, -M and -Px print, with a NUL between them: lines of text come out. */
#include "postfix_check.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct account account = {.deadline = 60000};
	struct config config = {
		.socket = (char *)"unix:/run/cancel-invite-milter/milter.sock",
		.socket_path = "/run/cancel-invite-milter/milter.sock",
		.max_message_size = (long long)9 << 20,
		.stamp_lifetime = 864000000,
		.queue_daemon = (char *)"cancel-invite",
		.accounts = &account,
		.account_count = 1,
	};
	struct buffer warnings = buffer_with_maximum((size_t)1 << 20);
	struct postfix postfix = postfix_new();
	struct buffer *const parts[] = {&postfix.parameters, &postfix.services, &postfix.overrides};
	struct span rest = fuzz_span(data, size), line;

	for (size_t i = 0; i < 3 && rest.length > 0; i++) {
		const char *cut = i < 2 ? memchr(rest.at, '\0', rest.length) : NULL;
		const size_t length = cut ? (size_t)(cut - rest.at) : rest.length;

		buffer_append(parts[i], rest.at, length);
		span_advance(&rest, cut ? length + 1 : length);
	}
	postfix_check(&postfix, &config, &warnings);
	postfix_free(&postfix);
	must(warnings.length == 0 || warnings.data[warnings.length - 1] == '\n');
	for (rest = buffer_span(&warnings); rest.length > 0;) {
		line = fuzz_take_line(&rest);
		must(line.length > 0 && utf8_valid(line.at, line.length));
		for (size_t i = 0, n; i < line.length; i += n) {
			n = utf8_sequence(line.at + i, line.length - i);
			must(!utf8_is_control(line.at + i, n));
		}
	}
	buffer_free(&warnings);
	return 0;
}
