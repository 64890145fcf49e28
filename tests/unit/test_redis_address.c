/* Where a Redis is. */
#include "redis_address.h"

#include "testing.h"

static struct redis_address parse(const char *text)
{
	struct redis_address address;
	struct problem why;

	if (!redis_address_parse(&address, text, &why))
		fail_msg("%s: %s", text, why.text);
	return address;
}

static void names_a_host(void **state)
{
	const struct redis_address address = parse("redis://cache.example");

	(void)state;
	assert_string_equal(address.host, "cache.example");
	assert_int_equal(address.port, 6379);
	assert_int_equal(address.database, 0);
	assert_string_equal(address.user, "");
	assert_string_equal(address.password, "");
	assert_string_equal(address.path, "");
	assert_string_equal(address.shown, "cache.example:6379");
	assert_int_equal(parse("redis://cache.example/").database, 0);
	assert_int_equal(parse("redis://cache.example/15").database, 15);
	assert_int_equal(parse("redis://cache.example:7000").port, 7000);
}

static void names_all_there_is(void **state)
{
	const struct redis_address address =
		parse("redis://joe:p%40ss%3aword%2f@[2001:db8::1]:7000/3");

	(void)state;
	assert_string_equal(address.user, "joe");
	assert_string_equal(address.password, "p@ss:word/");
	assert_string_equal(address.host, "2001:db8::1");
	assert_int_equal(address.port, 7000);
	assert_int_equal(address.database, 3);
	assert_string_equal(address.shown, "[2001:db8::1]:7000");
}

static void a_password_needs_no_user(void **state)
{
	const struct redis_address address = parse("redis://:a%40b%3ac@h:1");

	(void)state;
	assert_string_equal(address.user, "");
	assert_string_equal(address.password, "a@b:c");
	assert_string_equal(address.host, "h");
	assert_null(strstr(address.shown, "a@b"));
}

static void names_a_host_that_is_spoken_to_by_tls(void **state)
{
	const struct redis_address address = parse("rediss://:secret@cache.example");

	(void)state;
	assert_true(address.tls);
	assert_string_equal(address.host, "cache.example");
	assert_int_equal(address.port, 6379);
	assert_false(parse("redis://cache.example").tls);
}

static void names_a_unix_socket(void **state)
{
	const struct redis_address address = parse("unix:/run/redis/redis.sock");

	(void)state;
	assert_string_equal(address.path, "/run/redis/redis.sock");
	assert_string_equal(address.shown, "unix:/run/redis/redis.sock");
}

static void refuses_what_it_is_not(void **state)
{
	static const char *const wrong[] = {
		"",
		"cache.example",
		"redi://cache.example",
		"redis:///0",
		"redis://:a@b@h",
		"redis:cache.example",
		"redis://",
		"redis://:6379",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:1x",
		"redis://h:-1",
		"redis://h/x",
		"redis://h/65536",
		"redis://h/1/2",
		"redis://h?db=1",
		"redis://h#1",
		"redis://a b",
		"redis://[::1",
		"redis://[]",
		"redis://[::1]x",
		"redis://joe@h",
		"redis://:%00@h",
		"unix:",
		"unix:run/redis.sock",
	};
	char *host = text_of_length(300, 'h'), text[700];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct redis_address address;
		struct problem why = {.text = ""};

		if (redis_address_parse(&address, wrong[i], &why))
			fail_msg("\"%s\" is taken", wrong[i]);
		assert_contains(why.text, "redis://");
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const before[] = {"redis://", "redis://:", "unix:/"};
		static const char *const after[] = {"", "@h", ""};
		struct redis_address address;
		struct problem why;

		snprintf(text, sizeof(text), "%s%s%s", before[i], host, after[i]);
		assert_false(redis_address_parse(&address, text, &why));
	}
	free(host);
}

static void what_is_said_about_a_wrong_one_holds_no_password(void **state)
{
	struct redis_address address;
	struct problem why;

	(void)state;
	assert_false(redis_address_parse(&address, "redis://joe:s3cret@h:0", &why));
	assert_null(strstr(why.text, "s3cret"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_a_host),
		cmocka_unit_test(names_all_there_is),
		cmocka_unit_test(a_password_needs_no_user),
		cmocka_unit_test(names_a_host_that_is_spoken_to_by_tls),
		cmocka_unit_test(names_a_unix_socket),
		cmocka_unit_test(refuses_what_it_is_not),
		cmocka_unit_test(what_is_said_about_a_wrong_one_holds_no_password),
	};

	return cmocka_run_group_tests_name("redis_address", tests, NULL, NULL);
}
