/* main.cf and master.cf, with a NUL between them: lines of text come out, whatever comes in. */
#include "postfix_check.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct account account = {.deadline = 60000};
	struct config config = {
		.socket = (char *)"unix:/run/cancel-invite-milter/milter.sock",
		.socket_path = "/run/cancel-invite-milter/milter.sock",
		.max_message_size = (long long)9 << 20,
		.accounts = &account,
		.account_count = 1,
	};
	struct buffer warnings = buffer_with_maximum((size_t)1 << 20);
	struct span main_cf = fuzz_span(data, size), master_cf = {"", 0}, rest, line;
	const char *cut = main_cf.length > 0 ? memchr(main_cf.at, '\0', main_cf.length) : NULL;

	if (cut) {
		master_cf = (struct span){cut + 1,
					  main_cf.length - (size_t)(cut + 1 - main_cf.at)};
		main_cf.length = (size_t)(cut - main_cf.at);
	}
	postfix_check(main_cf, master_cf, &config, &warnings);
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
