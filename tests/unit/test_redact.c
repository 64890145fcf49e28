/* Addresses that are not to be shown. */
#include "redact.h"

#include "testing.h"

static const struct redact full = {REDACT_FULL, NULL}, domain = {REDACT_DOMAIN, NULL},
			   hash = {REDACT_HASH, "key"}, other_key = {REDACT_HASH, "other"};

static void check(const struct redact *redact, const char *address, const char *expected)
{
	char out[REDACTED_MAXIMUM];

	assert_ptr_equal(redact_address(redact, address, out), out);
	assert_string_equal(out, expected);
}

static void an_address_is_shown_as_chosen(void **state)
{
	(void)state;
	check(&full, "Ann@example.com", "Ann@example.com");
	check(&domain, "Ann@example.com", "*@example.com");
	check(&domain, "\"a@b\"@example.com", "*@example.com");
	check(&domain, "ann", "*");
	for (int i = 0; i < 3; i++)
		check((const struct redact *[]){&full, &domain, &hash}[i], "", "");
}

/* printf '\0\0\0\017ann@example.com' | openssl dgst -sha256 -hmac key */
static void a_hash_is_of_the_key_and_the_address(void **state)
{
	char one[REDACTED_MAXIMUM], other[REDACTED_MAXIMUM];

	(void)state;
	redact_address(&hash, "ann@example.com", one);
	assert_int_equal(strlen(one), 32);
	assert_int_equal(strspn(one, "0123456789abcdef"), 32);
	assert_string_equal(redact_address(&hash, "Ann@EXAMPLE.com", other), one);
	assert_string_not_equal(redact_address(&other_key, "ann@example.com", other), one);
	assert_string_not_equal(redact_address(&hash, "bob@example.com", other), one);
	assert_string_equal(redact_address(&(struct redact){REDACT_HASH, NULL}, "a@b.c", other),
			    "?");
}

static void check_text(const struct redact *redact, const char *text, const char *expected)
{
	struct buffer out = buffer_with_maximum(1000);

	redact_text(redact, text, &out);
	assert_string_equal(out.data ? out.data : "", expected);
	buffer_free(&out);
}

static void addresses_in_a_text_are_found(void **state)
{
	(void)state;
	check_text(&full, "of <ann@example.com>", "of <ann@example.com>");
	check_text(&domain, "of <ann.b+c@example.com>: no", "of <*@example.com>: no");
	check_text(&domain, "ATTENDEE ann@example.com is not bob@example.org.",
		   "ATTENDEE *@example.com is not *@example.org.");
	check_text(&domain, "<\"ann other\"@example.com>", "<*@example.com>");
	check_text(&domain, "mailto:j\xc3\xb6rg@m\xc3\xbcller.example",
		   "mailto:*@m\xc3\xbcller.example");
	check_text(&domain, "a@b@c", "*@b*@c");
	check_text(&domain, "@", "*@");
	check_text(&domain, "\"@", "\"*@");
	check_text(&domain, "nobody here", "nobody here");
	check_text(&domain, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_shown_as_chosen),
		cmocka_unit_test(a_hash_is_of_the_key_and_the_address),
		cmocka_unit_test(addresses_in_a_text_are_found),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
