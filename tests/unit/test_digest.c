/* Hashes and keyed hashes of fields, against values from elsewhere. */
#include "digest.h"

#include "testing.h"

static struct span text(const char *at)
{
	return (struct span){at, strlen(at)};
}

/*
 * printf '\0\0\0\3abc\0\0\0\0' | openssl dgst -sha256, and with -hmac key; the first is nothing at all,
 * FIPS 180-4's own (NIST, "Examples with Intermediate Values").
 */
static void gives_what_others_give(void **state)
{
	const struct span fields[] = {text("abc"), text("")};
	char out[DIGEST_LENGTH + 1];

	(void)state;
	assert_true(digest_of(NULL, 0, out));
	assert_string_equal(out,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_true(digest_of(fields, 2, out));
	assert_string_equal(out,
			    "2ddb14a1438cb06f0658085e174f50efba5cfb97b27cfcc9d5c69735e9602e1e");
	assert_true(digest_with_key("key", fields, 2, out));
	assert_string_equal(out,
			    "4787f767c7842b699e817c52e71bc4067f1221729a00fe5562c03984a8c212ba");
}

static void is_ready_when_it_was_started(void **state)
{
	struct problem why = {.text = ""};

	(void)state;
	assert_true(digest_start(&why));
	assert_string_equal(why.text, "");
}

static void fields_do_not_run_into_each_other(void **state)
{
	const struct span one[] = {text("a"), text("bc")}, other[] = {text("ab"), text("c")};
	char a[DIGEST_LENGTH + 1], b[DIGEST_LENGTH + 1];

	(void)state;
	assert_true(digest_of(one, 2, a) && digest_of(other, 2, b));
	assert_string_not_equal(a, b);
	assert_false(digest_is(a, b));
	assert_true(digest_with_key("k", one, 2, a) && digest_with_key("k", other, 2, b));
	assert_false(digest_is(a, b));
	assert_true(digest_with_key("k", one, 2, b));
	assert_true(digest_is(a, b));
}

static void takes_so_many_bytes_and_no_more(void **state)
{
	char *long_text = text_of_length(DIGEST_FIELDS_MAXIMUM, 'x'), out[DIGEST_LENGTH + 1];
	const struct span most[] = {{long_text, DIGEST_FIELDS_MAXIMUM - 4}};
	const struct span more[] = {{long_text, DIGEST_FIELDS_MAXIMUM - 3}};
	const struct span also[] = {most[0], text("")};
	const struct span huge[] = {{long_text, SIZE_MAX}};

	(void)state;
	assert_true(digest_of(more, 1, out));
	assert_false(digest_of(huge, 1, out));
	assert_true(digest_with_key("k", most, 1, out));
	assert_false(digest_with_key("k", more, 1, out));
	assert_false(digest_with_key("k", also, 2, out));
	assert_false(digest_with_key("k", huge, 1, out));
	free(long_text);
}

/* FIPS 180-4's example; and one that is longer than fields may be. */
static void a_text_of_any_length_has_one(void **state)
{
	char out[DIGEST_LENGTH + 1];
	char *long_text = text_of_length(1000000, 'a');

	(void)state;
	assert_true(digest_of_text((struct span){"abc", 3}, out));
	assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(digest_of_text((struct span){long_text, 1000000}, out));
	assert_string_equal(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(long_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_of_any_length_has_one),
		cmocka_unit_test(gives_what_others_give),
		cmocka_unit_test(is_ready_when_it_was_started),
		cmocka_unit_test(fields_do_not_run_into_each_other),
		cmocka_unit_test(takes_so_many_bytes_and_no_more),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
