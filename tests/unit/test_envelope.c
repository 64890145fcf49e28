/* The envelope: who the recipients are, who they were before aliases, and their way in Sendmail. */
#include "envelope.h"

#include "testing.h"

static struct envelope with(const char *const *addresses)
{
	struct envelope envelope = envelope_new();

	for (; *addresses; addresses++)
		envelope_add(&envelope, *addresses, NULL);
	return envelope;
}

static struct envelope_recipient only(const char *address, const char *const *parameters,
				      struct envelope *envelope)
{
	struct envelope_recipient recipient;
	size_t at = 0;

	*envelope = envelope_new();
	envelope_add(envelope, address, (char *const *)parameters);
	assert_true(envelope_next(envelope, &at, &recipient));
	assert_false(envelope_next(envelope, &at, &(struct envelope_recipient){0}));
	return recipient;
}

static void gives_recipients_in_their_order_without_brackets(void **state)
{
	struct envelope envelope =
		with((const char *const[]){"<a@x.example>", "b@x.example", "<>", NULL});
	struct envelope_recipient recipient;
	size_t at = 0;

	(void)state;
	assert_string_equal(envelope_first(&envelope), "a@x.example");
	assert_true(envelope_next(&envelope, &at, &recipient));
	assert_string_equal(recipient.address, "a@x.example");
	assert_true(envelope_next(&envelope, &at, &recipient));
	assert_string_equal(recipient.address, "b@x.example");
	assert_true(envelope_next(&envelope, &at, &recipient));
	assert_string_equal(recipient.address, "");
	assert_false(envelope_next(&envelope, &at, &recipient));
	envelope_free(&envelope);
}

static void counts_the_first_recipient_once(void **state)
{
	static const struct {
		const char *addresses[4];
		size_t count;
	} cases[] = {
		{{NULL}, 0},
		{{"a@x.example", NULL}, 1},
		{{"a@x.example", "<A@X.Example>", NULL}, 1},
		{{"a@x.example", "a@x.example.org", NULL}, 2},
		{{"a@x.example.org", "a@x.example", NULL}, 2},
		{{"a@x.example", "b@x.example", "a@x.example", NULL}, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope envelope = with(cases[i].addresses);

		assert_int_equal(envelope.count, cases[i].count);
		envelope_free(&envelope);
	}
}

static void an_address_that_is_too_long_is_none(void **state)
{
	struct envelope envelope;
	char *address = text_of_length(ADDRESS_MAXIMUM, 'x');
	char *longer = text_of_length(ADDRESS_MAXIMUM + 1, 'x');

	(void)state;
	assert_string_equal(only(address, NULL, &envelope).address, address);
	envelope_free(&envelope);
	assert_string_equal(only(longer, NULL, &envelope).address, "");
	envelope_free(&envelope);
	free(address);
	free(longer);
}

static void is_empty_again_when_cleared(void **state)
{
	struct envelope envelope = with((const char *const[]){"a@x.example.cancel-invite", NULL});
	size_t at = 0;

	(void)state;
	assert_true(envelope.suffixed);
	envelope_clear(&envelope);
	assert_int_equal(envelope.count, 0);
	assert_false(envelope.suffixed);
	assert_string_equal(envelope_first(&envelope), "");
	assert_false(envelope_next(&envelope, &at, &(struct envelope_recipient){0}));
	envelope_free(&envelope);
}

/* More recipients than it takes: it says so, and gives none rather than some of them. */
static void gives_nothing_of_what_does_not_fit(void **state)
{
	struct envelope envelope = envelope_new();
	char *address = text_of_length(ADDRESS_MAXIMUM, 'x');
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < ENVELOPE_MAXIMUM / ADDRESS_MAXIMUM + 2; i++)
		envelope_add(&envelope, address, NULL);
	assert_true(envelope.text.failed);
	assert_false(envelope_next(&envelope, &at, &(struct envelope_recipient){0}));
	envelope_clear(&envelope);
	envelope_add(&envelope, "a@x.example", NULL);
	assert_false(envelope.text.failed);
	assert_string_equal(envelope_first(&envelope), "a@x.example");
	envelope_free(&envelope);
	free(address);
}

static void sees_the_suffix(void **state)
{
	static const struct {
		const char *address;
		bool suffixed;
	} cases[] = {
		{"a@x.example.cancel-invite", true},
		{"<a@x.example.Cancel-Invite>", true},
		{"a@x.example.cancel-invite.", true},
		{"a@[192.0.2.1].cancel-invite", true},
		{"a@x.example", false},
		{"a@cancel-invite", false},
		{"a@x.cancel-invite.example", false},
		{".cancel-invite", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope envelope = with((const char *const[]){cases[i].address, NULL});

		assert_int_equal(envelope.suffixed, cases[i].suffixed);
		envelope_free(&envelope);
	}
}

/* RFC 3461, 4 and 4.2 */
static void finds_the_address_before_aliases(void **state)
{
	static const struct {
		const char *parameter, *original;
	} cases[] = {
		{"ORCPT=rfc822;team@x.example", "team@x.example"},
		{"orcpt=RFC822;team@x.example", "team@x.example"},
		{"ORCPT=rfc822;a+2Bb@x.example", "a+b@x.example"},
		{"ORCPT=rfc822;a+3Db@x.example", "a=b@x.example"},
		{"ORCPT=rfc822;caf+C3+A9@x.example", "caf\xc3\xa9@x.example"},
		{"ORCPT=rfc822;team", NULL},
		{"ORCPT=rfc822;", NULL},
		{"ORCPT=", NULL},
		{"ORCPT=x400;team@x.example", NULL},
		{"ORCPT=utf-8;team@x.example", NULL},
		{"ORCPT=rfc822;a+2bb@x.example", "a+b@x.example"},
		{"ORCPT=rfc822;a+2gb@x.example", NULL},
		{"ORCPT=rfc822;a@x.example+", NULL},
		{"ORCPT=rfc822;a@x.example+4", NULL},
		{"ORCPT=rfc822;a+00@x.example", NULL},
		{"ORCPT=rfc822;a+0A@x.example", NULL},
		{"ORCPT=rfc822;a+FF@x.example", NULL},
		{"XORCPT=rfc822;team@x.example", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *parameters[] = {"NOTIFY=NEVER", cases[i].parameter, NULL};
		struct envelope envelope;
		struct envelope_recipient recipient = only("t1@x.example", parameters, &envelope);
		char original[ADDRESS_MAXIMUM + 1];

		assert_int_equal(envelope_original(&recipient, original, sizeof(original)),
				 cases[i].original != NULL);
		if (cases[i].original)
			assert_string_equal(original, cases[i].original);
		envelope_free(&envelope);
	}
}

static void an_original_that_does_not_fit_is_none(void **state)
{
	const char *parameters[] = {"ORCPT=rfc822;team@x.example", NULL};
	struct envelope envelope;
	struct envelope_recipient recipient = only("t1@x.example", parameters, &envelope);
	char original[14];

	(void)state;
	assert_false(envelope_original(&recipient, original, sizeof(original)));
	envelope_free(&envelope);
}

static void reroutes_with_what_delivery_reports_depend_on(void **state)
{
	static const struct {
		const char *parameters[4];
		const char *address, *new_address, *new_parameters;
	} cases[] = {
		{{NULL},
		 "<a@x.example>",
		 "<a@x.example.cancel-invite>",
		 "ORCPT=rfc822;a@x.example"},
		{{NULL},
		 "a+b=c@x.example",
		 "<a+b=c@x.example.cancel-invite>",
		 "ORCPT=rfc822;a+2Bb+3Dc@x.example"},
		{{"NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;team@x.example", NULL},
		 "<a@x.example>",
		 "<a@x.example.cancel-invite>",
		 "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@x.example"},
		{{"RRVS=2026-01-01T00:00:00Z", "NOTIFY=NEVER", NULL},
		 "<a@x.example>",
		 "<a@x.example.cancel-invite>",
		 "NOTIFY=NEVER ORCPT=rfc822;a@x.example"},
	};
	struct buffer address = buffer_with_maximum(1024), parameters = buffer_with_maximum(1024);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope envelope;
		struct envelope_recipient recipient =
			only(cases[i].address, cases[i].parameters, &envelope);

		assert_true(envelope_reroute(&recipient, ENVELOPE_SUFFIX, &address, &parameters));
		assert_string_equal(address.data, cases[i].new_address);
		assert_string_equal(parameters.data, cases[i].new_parameters);
		envelope_free(&envelope);
	}
	buffer_free(&address);
	buffer_free(&parameters);
}

static void knows_an_original_recipient_that_the_client_made_up(void **state)
{
	static const struct {
		const char *orcpt;
		bool renamed;
	} cases[] = {
		{"NOTIFY=NEVER", false},
		{"ORCPT=rfc822;a+2Bb@x.example", false},
		{"ORCPT=rfc822;a+b@x.example", true}, /* no xtext */
		{"ORCPT=rfc822;A+2Bb@x.example", true},
		{"ORCPT=rfc822;team@x.example", true},
		{"ORCPT=x400;a+2Bb@x.example", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *parameters[] = {(char *)cases[i].orcpt, NULL};
		struct envelope envelope = envelope_new();

		envelope_add(&envelope, "<a+b@x.example>", parameters);
		if (envelope.renamed != cases[i].renamed)
			fail_msg("%s", cases[i].orcpt);
		envelope_free(&envelope);
	}
}

static void reroutes_only_what_sendmail_understands(void **state)
{
	static const struct {
		const char *address;
		bool can;
	} cases[] = {
		{"<a@x.example>", true},
		{"\"a b\"@x_1-y.EXAMPLE", true},
		{"a%b@x", true},
		{"root", false},
		{"", false},
		{"a@", false},
		{"a@x.example.", false},
		{"a@.x.example", false},
		{"a@x..example", false},
		{"a@[192.0.2.1]", false},
		{"a@[IPv6:::1]", false},
		{"a@x(y).example", false},
		{"a@x example", false},
	};
	char longest[ENVELOPE_REROUTED_MAXIMUM + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct envelope envelope;
		struct envelope_recipient recipient = only(cases[i].address, NULL, &envelope);

		if (envelope_can_reroute(&recipient) != cases[i].can)
			fail_msg("\"%s\" is %s", cases[i].address,
				 cases[i].can ? "refused" : "accepted");
		envelope_free(&envelope);
	}
	for (size_t length = 239; length <= 240; length++) {
		struct envelope envelope;
		struct envelope_recipient recipient;

		snprintf(longest, sizeof(longest), "a@%0*d", (int)length - 2, 0);
		recipient = only(longest, NULL, &envelope);
		assert_int_equal(strlen(recipient.address), length);
		assert_int_equal(envelope_can_reroute(&recipient), length == 239);
		envelope_free(&envelope);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_recipients_in_their_order_without_brackets),
		cmocka_unit_test(counts_the_first_recipient_once),
		cmocka_unit_test(an_address_that_is_too_long_is_none),
		cmocka_unit_test(is_empty_again_when_cleared),
		cmocka_unit_test(gives_nothing_of_what_does_not_fit),
		cmocka_unit_test(sees_the_suffix),
		cmocka_unit_test(finds_the_address_before_aliases),
		cmocka_unit_test(an_original_that_does_not_fit_is_none),
		cmocka_unit_test(reroutes_with_what_delivery_reports_depend_on),
		cmocka_unit_test(knows_an_original_recipient_that_the_client_made_up),
		cmocka_unit_test(reroutes_only_what_sendmail_understands),
	};

	return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
