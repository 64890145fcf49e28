/* Addresses of the envelope: what is one mailbox, and when the MTA read the same one. */
#include "mailbox.h"

#include "testing.h"

#define SIZE 321

struct reading {
	const char *typed, *parsed; /* NULL: the MTA does not tell */
	enum mailbox_reading reading;
	const char *out;
};

static void check(const struct reading *readings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char out[SIZE] = "?";
		enum mailbox_reading got =
			mailbox_read(out, sizeof(out), readings[i].typed, readings[i].parsed);

		if (got != readings[i].reading || strcmp(out, readings[i].out) != 0)
			fail_msg("%s beside %s: %d, %s", readings[i].typed,
				 readings[i].parsed ? readings[i].parsed : "nothing", got, out);
	}
}

#define CHECK(readings) check(readings, sizeof(readings) / sizeof((readings)[0]))

/* The right column is what Postfix 3.7 and Sendmail 8.17 gave for the left one. */
static void differences_of_form_are_none(void **state)
{
	static const struct reading readings[] = {
		{"<a@x.example>", "a@x.example", MAILBOX_GOOD, "a@x.example"},
		{"a@x.example", "a@x.example", MAILBOX_GOOD, "a@x.example"},
		{"<>", "", MAILBOX_GOOD, ""},
		{"", "", MAILBOX_GOOD, ""},
		{"<A@X.Example>", "a@x.example", MAILBOX_GOOD, "a@x.example"},
		{"<A@X.Example>", "A@X.Example", MAILBOX_GOOD, "A@X.Example"},
		{"<\"a\"@x.example>", "a@x.example", MAILBOX_GOOD, "a@x.example"},
		{"<\"a\\b\"@x.example>", "ab@x.example", MAILBOX_GOOD, "ab@x.example"},
		{"<a..b@x.example>", "\"a..b\"@x.example", MAILBOX_GOOD, "\"a..b\"@x.example"},
		{"<\"a\\\"b\"@x.example>", "\"a\\\"b\"@x.example", MAILBOX_GOOD,
		 "\"a\\\"b\"@x.example"},
		{"<\"a@y.example\"@x.example>", "\"a@y.example\"@x.example", MAILBOX_GOOD,
		 "\"a@y.example\"@x.example"},
		{"<a@[IPv6:::1]>", "a@[ipv6:::1]", MAILBOX_GOOD, "a@[ipv6:::1]"},
		{"<\xc3\x9c@x.example>", "\xc3\xbc@x.example", MAILBOX_GOOD, "\xc3\xbc@x.example"},
		{"<a%y.example@x.example>", "a%y.example@x.example", MAILBOX_GOOD,
		 "a%y.example@x.example"},
		/* a domain that the MTA added, or that is its own and left out */
		{"<a>", "a@mx.example", MAILBOX_GOOD, "a@mx.example"},
		{"<A@mx.example>", "A", MAILBOX_GOOD, "A@mx.example"},
		{"<\"a b\"@mx.example>", "\"a b\"", MAILBOX_GOOD, "\"a b\"@mx.example"},
		{"<root>", "root", MAILBOX_GOOD, "root"},
	};

	(void)state;
	CHECK(readings);
}

static void another_mailbox_is_another(void **state)
{
	static const struct reading readings[] = {
		{"<a@x.example>", "b@x.example", MAILBOX_BAD, "b@x.example"},
		{"<a@x.example>", "a@y.example", MAILBOX_BAD, "a@y.example"},
		{"<a@x.example>", "a@x.example.org", MAILBOX_BAD, "a@x.example.org"},
		{"<a@x.example>", "", MAILBOX_BAD, ""},
		{"<>", "a@x.example", MAILBOX_BAD, "a@x.example"},
		{"<a%x.example>", "a@x.example", MAILBOX_BAD, "a@x.example"},
		{"<x.example!a>", "a@x.example", MAILBOX_BAD, "a@x.example"},
		{"<a%y.example@mx.example>", "a@y.example", MAILBOX_BAD, "a@y.example"},
		{"<a%y.example@mx.example>", "a", MAILBOX_BAD, "a"},
		{"<b>", "a@mx.example", MAILBOX_BAD, "a@mx.example"},
		{"<\xc3\x9f@x.example>", "ss@x.example", MAILBOX_BAD, "ss@x.example"},
		{"<\"a\\\\b\"@x.example>", "ab@x.example", MAILBOX_BAD, "ab@x.example"},
		{"<\"a\"@x.example>", "\"\\\"a\\\"\"@x.example", MAILBOX_BAD,
		 "\"\\\"a\\\"\"@x.example"},
	};

	(void)state;
	CHECK(readings);
}

/* Each was read as evil@evil.example by one of the MTAs at least, or as what stands beside it. */
static void what_is_not_one_plain_mailbox_is_bad(void **state)
{
	static const char *const typed[] = {
		"<evil@evil.example (@victim.example>",
		"<evil@evil.example(\\)@victim.example>",
		"<evil@evil.example>@victim.example",
		"<evil@evil.example>(x)@victim.example",
		"<evil@evil.example>,@victim.example",
		"<evil@evil.example>;@victim.example",
		"<evil@evil.example(x)>",
		"<(x)evil@evil.example>",
		"<evil (x)@evil.example>",
		"< evil@evil.example >",
		"<evil @evil.example>",
		"<evil\\@victim.example@evil.example>",
		"<@victim.example:evil@evil.example>",
		"<@a,@b:evil@evil.example>",
		"<evil@evil.example.>",
		"<evil@evil..example>",
		"<evil@.example>",
		"<evil@@evil.example>",
		"<evil@victim.example@evil.example>",
		"<evil@evil.example,evil@victim.example>",
		"<evil:evil@evil.example;>",
		"<<evil@evil.example>>",
		"<evil@evil.example",
		"evil@evil.example>",
		"<evil@evil.example><evil@victim.example>",
		"Evil <evil@evil.example>",
		"<evil.\"\"@evil.example>",
		"<\"evil\"\"\"@evil.example>",
		"<\"evil@evil.example>",
		"<\"evil\\\"@evil.example>",
		"<evil@\"evil.example\">",
		"<evil@evil.example/x>",
		"<evil@[evil.example>",
		"<evil@[]>",
		"<\"\"@evil.example>",
		"<@evil.example>",
		"<evil@>",
		"<evil\t@evil.example>",
		"<evil@evil.example\t>",
		"<evil\x01@evil.example>",
		"<\"ev\x01il\"@evil.example>",
		"<\"ev\x7fil\"@evil.example>",
		"<ev\xc2\x85il@evil.example>",
		"<ev\xffil@evil.example>",
		"\"\"",
	};
	char out[SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		if (mailbox_read(out, sizeof(out), typed[i], "evil@evil.example") != MAILBOX_BAD)
			fail_msg("%s is %s", typed[i], out);
		assert_string_equal(out, "evil@evil.example");
		assert_int_equal(mailbox_read(out, sizeof(out), typed[i], NULL), MAILBOX_BAD);
		/* nor is it one when it is the MTA that says so */
		assert_int_equal(mailbox_read(out, sizeof(out), typed[i], typed[i]), MAILBOX_BAD);
	}
}

static void without_the_mtas_word_only_what_all_read_alike_is_good(void **state)
{
	static const struct reading readings[] = {
		{"<a@x.example>", NULL, MAILBOX_GOOD, "a@x.example"},
		{"<A.b+c@X.example>", NULL, MAILBOX_GOOD, "A.b+c@X.example"},
		{"<>", NULL, MAILBOX_GOOD, ""},
		{"<a>", NULL, MAILBOX_GOOD, "a"},
		{"<\"a b\"@x.example>", NULL, MAILBOX_UNKNOWN, "\"a b\"@x.example"},
		{"<a%y.example@x.example>", NULL, MAILBOX_UNKNOWN, "a%y.example@x.example"},
		{"<y.example!a@x.example>", NULL, MAILBOX_UNKNOWN, "y.example!a@x.example"},
		{"<a@x.example (b)>", NULL, MAILBOX_BAD, "a@x.example (b)"},
	};

	(void)state;
	CHECK(readings);
}

static void one_that_does_not_fit_is_none(void **state)
{
	char typed[400], out[SIZE];

	(void)state;
	memset(typed, 'a', sizeof(typed));
	memcpy(typed + SIZE - 1 - 10, "@x.example", 11);
	assert_int_equal(mailbox_read(out, sizeof(out), typed, typed), MAILBOX_GOOD);
	assert_string_equal(out, typed);
	memset(typed, 'a', sizeof(typed));
	memcpy(typed + SIZE - 10, "@x.example", 11);
	assert_int_equal(mailbox_read(out, sizeof(out), typed, typed), MAILBOX_BAD);
	assert_string_equal(out, "");
	assert_int_equal(mailbox_read(out, sizeof(out), typed, NULL), MAILBOX_BAD);
	assert_string_equal(out, "");
}

static void all_forms_of_a_mailbox_fold_into_one(void **state)
{
	static const char *const groups[][5] = {
		{"a.b@x.example", "A.B@X.Example", "\"a.b\"@x.example", "\"a\\.b\"@X.example",
		 NULL},
		{"a", "A", "\"a\"", NULL},
		{"\"a b\"@x.example", "\"A\\ b\"@X.EXAMPLE", NULL},
		{"\xc3\x9c@x.example", "\xc3\xbc@x.example", NULL},
		{"a@y.example", NULL},
		{"", NULL},
		{"not a mailbox", NULL},
	};
	const size_t count = sizeof(groups) / sizeof(groups[0]);
	char first[sizeof(groups) / sizeof(groups[0])][SIZE], out[SIZE], small[4];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		mailbox_fold(first[i], SIZE, groups[i][0]);
		for (size_t j = 0; groups[i][j]; j++) {
			mailbox_fold(out, SIZE, groups[i][j]);
			assert_string_equal(out, first[i]);
		}
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(first[i], first[j]);
	}
	mailbox_fold(small, sizeof(small), "abc@x.example");
	assert_string_equal(small, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_of_form_are_none),
		cmocka_unit_test(another_mailbox_is_another),
		cmocka_unit_test(what_is_not_one_plain_mailbox_is_bad),
		cmocka_unit_test(without_the_mtas_word_only_what_all_read_alike_is_good),
		cmocka_unit_test(all_forms_of_a_mailbox_fold_into_one),
		cmocka_unit_test(one_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
