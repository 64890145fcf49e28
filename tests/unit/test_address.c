/* Internet mail addresses. */
#include "address.h"

#include "testing.h"

static const struct {
	const char *text;
	bool good;
} addresses[] = {
	{"a@b", true},
	{"a.b+c@d.example", true},
	{"j\xc3\xb6rg@m\xc3\xbcller.example", true},
	{"\"a b\"@c", true},
	{"\"a@b\"@c", true},
	{"a@[192.0.2.1]", true},
	{"", false},
	{"a", false},
	{"@", false},
	{"a@", false},
	{"@b", false},
	{"a@b@c", false},
	{"a b@c", false},
	{"a@b c", false},
	{"a\t@b", false},
	{"<a@b>", false},
	{"a@b>", false},
	{"a@b\n", false},
	{"a@\xff", false},
	{"\"a\\\"b\"@c", true},
	{"\"a b\"@", false},
	{"\"never@c", false},
	{"\"never\\\"@c", false},
	{"\"\"@c", false},
	{"\"a b\"@c d", false},
	{"\"a\"b c@d", false},
	{"\"a\"@<d>", false},
};

static void an_address_is_one_at_between_two_somethings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (address_is_valid(span_of_text(addresses[i].text)) != addresses[i].good)
			fail_msg("\"%s\" is %s", addresses[i].text,
				 addresses[i].good ? "refused" : "accepted");
	assert_false(address_is_valid(span_of_literal("a\0@b")));
	assert_false(address_is_valid((struct span){NULL, 0}));
}

static void copies_an_address_without_its_brackets_or_not_at_all(void **state)
{
	char out[6];

	(void)state;
	assert_true(address_copy(out, sizeof(out), "<a@b.c>"));
	assert_string_equal(out, "a@b.c");
	assert_true(address_copy(out, sizeof(out), "a@b.c"));
	assert_string_equal(out, "a@b.c");
	assert_true(address_copy(out, sizeof(out), "<>"));
	assert_string_equal(out, "");
	assert_true(address_copy(out, sizeof(out), "<"));
	assert_string_equal(out, "<");
	assert_false(address_copy(out, sizeof(out), "<a@b.cd>"));
	assert_string_equal(out, "");
	assert_false(address_copy(out, sizeof(out), "a@b.cd"));
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_one_at_between_two_somethings),
		cmocka_unit_test(copies_an_address_without_its_brackets_or_not_at_all),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
