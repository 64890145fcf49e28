/* Retry-After, whatever the clocks say. */
#include "http_header.h"

#include "testing.h"

#define NOW 1777368600 /* Tue, 28 Apr 2026 09:30:00 GMT */

static const struct {
	const char *lines[4];
	long long ms;
} replies[] = {
	{{"HTTP/1.1 429 Too Many Requests\r\n", "Retry-After: 7\r\n"}, 7000},
	{{"HTTP/2 429 \r\n", "retry-after:7"}, 7000},
	{{"Retry-After: 7", "HTTP/1.1 200 OK"}, -1}, /* of a reply before this one */
	{{"Retry-After: 99999999999999999999999999"}, 86400000},
	{{"Retry-After: 86401"}, 86400000},
	{{"Retry-After: 0"}, -1},
	{{"Retry-After: -5"}, -1},
	{{"Retry-After: 1.5"}, -1},
	{{"Retry-After: soon"}, -1},
	{{"Retry-After:"}, -1},
	{{"Retry-After"}, -1},
	{{"X-Retry-After: 7"}, -1},
	{{""}, -1},
	/* a date counts from the server's own */
	{{"Date: Tue, 28 Apr 2026 09:30:00 GMT", "Retry-After: Tue, 28 Apr 2026 09:30:05 GMT"}, 5000},
	{{"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", "Date: Fri, 31 Dec 1999 23:59:50 GMT"}, 9000},
	{{"Date: Wed, 01 Jan 2031 00:00:00 GMT", "Retry-After: Wed, 01 Jan 2031 00:00:30 GMT"}, 30000},
	{{"Date: Wed, 01 Jan 2031 00:00:00 GMT", "Retry-After: Tue, 28 Apr 2026 09:40:00 GMT"}, -1},
	/* without one, from ours */
	{{"Retry-After: Tue, 28 Apr 2026 09:30:05 GMT"}, 5000},
	{{"Date: yesterday-ish", "Retry-After: Tue, 28 Apr 2026 09:30:05 GMT"}, 5000},
	{{"Retry-After: Tue, 28 Apr 2026 09:29:59 GMT"}, -1},
};

static void a_wait_is_counted_by_the_servers_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct http_header header = {.date = ""};

		for (size_t j = 0; j < 4 && replies[i].lines[j]; j++) {
			const char *line = replies[i].lines[j];

			http_header_take(&header, (struct span){line, strlen(line)});
		}
		if (http_header_retry_after(&header, NOW) != replies[i].ms)
			fail_msg("%s: %lld", replies[i].lines[0],
				 http_header_retry_after(&header, NOW));
	}
}

static void a_value_that_is_too_long_is_none(void **state)
{
	char *line = text_of_length(200, '1');
	struct http_header header = {.date = ""};

	(void)state;
	memcpy(line, "Retry-After: ", 13);
	http_header_take(&header, (struct span){line, 200});
	assert_string_equal(header.retry_after, "");
	assert_int_equal(http_header_retry_after(&header, NOW), -1);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_is_counted_by_the_servers_clock),
		cmocka_unit_test(a_value_that_is_too_long_is_none),
	};

	return cmocka_run_group_tests_name("http_header", tests, NULL, NULL);
}
