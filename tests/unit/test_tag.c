/* What an X-Cancel-Invite header may say. */
#include "tag.h"

#include "random.h"
#include "testing.h"
#include "utf8.h"

#define UMLAUT "\xc3\xa4"

static bool parse(struct tag *tag, const char *value, struct problem *why)
{
	why->text[0] = '\0';
	return tag_parse(tag, span_of_text(value), why);
}

static const struct {
	const char *value, *id, *recipient;
} accepted[] = {
	/* plain and quoted ids */
	{" abc-123", "abc-123", ""},
	{"abc", "abc", ""},
	{"\t abc \t", "abc", ""},
	{"two words", "two words", ""},
	{"a,b=c:d/e?f(g)", "a,b=c:d/e?f(g)", ""},
	{"\"abc\"", "abc", ""},
	{" \"a;b\"", "a;b", ""},
	{"\"say \\\"hi\\\" \\\\\"", "say \"hi\" \\", ""},
	{"\" spaces stay \"", " spaces stay ", ""},
	{"J\xc3\xb6rg", "J\xc3\xb6rg", ""},
	/* parameters */
	{"abc; recipient=a@b.example", "abc", "a@b.example"},
	{"abc;recipient=a@b", "abc", "a@b"},
	{"abc ; RECIPIENT = a@b ", "abc", "a@b"},
	{"abc; recipient=\"a@b\"", "abc", "a@b"},
	{"abc; recipient=\"\\\"a b\\\"@c\"", "abc", "\"a b\"@c"},
	{"\"abc\" ; recipient=a@b;", "abc", "a@b"},
	{"abc;", "abc", ""},
	{"abc; ", "abc", ""},
	/* folding */
	{"abc\r\n def", "abc def", ""},
	{"abc\n def", "abc def", ""},
	{"\n abc", "abc", ""},
	{"abc;\r\n\trecipient=a@b", "abc", "a@b"},
	{"a\tb", "a b", ""},
	/* encoded words */
	{"=?utf-8?Q?abc?=", "abc", ""},
	{"=?UTF-8?q?a_b=3D=c3=a4?=", "a b=" UMLAUT, ""},
	{"=?utf-8?B?YWJj?=", "abc", ""},
	{"=?utf-8?b?YWI=?=", "ab", ""},
	{"=?utf-8?B?YQ==?=", "a", ""},
	{"=?utf-8?B?YQ?=", "a", ""}, /* padding is forgiven */
	{"=?us-ascii?Q?abc?=", "abc", ""},
	{"=?iso-8859-1?Q?=E4?=", UMLAUT, ""},
	{"=?ISO-8859-1?B?5GE=?=", UMLAUT "a", ""},
	{"=?utf-8*de?Q?abc?=", "abc", ""},
	{"=?utf-8?Q?abc?= =?utf-8?Q?def?=", "abcdef", ""},
	{"=?utf-8?Q?abc?=\r\n =?utf-8?B?ZGVm?=", "abcdef", ""},
	{"=?utf-8?Q?abc_?= =?utf-8?Q?def?=", "abc def", ""},
	{"=?utf-8?Q?abc?= def", "abc def", ""},
	{"abc =?utf-8?Q?def?=", "abc def", ""},
	{"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", UMLAUT, ""}, /* a character cut in two */
	{"=?utf-8?B?8J8=?= =?utf-8?B?mIA=?=", "\xf0\x9f\x98\x80", ""},
	{"=?utf-8?Q?abc?=; recipient=a@b", "abc", "a@b"},
	{"=?utf-8?Q?=22a=3Bb=22=3B_recipient=3Da=40b?=", "a;b", "a@b"},
	/* what looks like one, but is none */
	{"=?", "=?", ""},
	{"=?utf-8?Q?abc", "=?utf-8?Q?abc", ""},
	{"=?utf-8?Q?abc?", "=?utf-8?Q?abc?", ""},
	{"=?utf-8?abc?=", "=?utf-8?abc?=", ""},
	{"=?=?=", "=?=?=", ""},
};

static void reads_ids_and_recipients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct tag tag;
		struct problem why;

		if (!parse(&tag, accepted[i].value, &why))
			fail_msg("\"%s\" refused: %s", accepted[i].value, why.text);
		assert_string_equal(tag.id, accepted[i].id);
		assert_string_equal(tag.recipient, accepted[i].recipient);
	}
}

static const struct {
	const char *value, *says;
} refused[] = {
	{"", "empty"},
	{"  \r\n ", "empty"},
	{"\"\"", "empty"},
	{";recipient=a@b", "empty"},
	{"=?utf-8?Q?"
	 "?=",
	 "empty"},
	{"\"abc", "never closed"},
	{"\"abc\\\"", "never closed"},
	{"\"abc\\", "never closed"},
	{"\"abc\" def", "def"},
	{"\"abc\"def; recipient=a@b", "def"},
	{"ab\"c", "\""}, /* quotes only around the whole */
	{"abc; who=a@b", "who"},
	{"abc; recipient", "recipient"},
	{"abc; =a@b", "unknown parameter"},
	{"abc;; recipient=a@b", "unknown parameter"},
	{"abc; recipient=", "not an address"},
	{"abc; recipient=abc", "not an address"},
	{"abc; recipient=a@b@c", "not an address"},
	{"abc; recipient=<a@b>", "not an address"},
	{"abc; recipient=a b@c", "not an address"},
	{"abc; recipient=\"a@b\"c", "after a quoted value"},
	{"abc; recipient=\"a@b", "never closed"},
	{"abc; probe=yes", "begins with probe-"},
	{"\"xprobe-1\"; probe=yes", "begins with probe-"},
	{"probe-1; probe=no", "no other value"},
	{"probe-1; probe=", "no other value"},
	{"probe-1; probe", "unknown parameter"},
	/* bytes that do not belong there */
	{"a\x01"
	 "b",
	 "control"},
	{"a\x7f", "control"},
	{"a\xc2\x85"
	 "b",
	 "control"},
	{"a\nb", "control"},
	{"a\rb", "control"},
	{"a\r\nb", "control"},
	{"a\n\n b", "control"},
	{"\"a\\\x1b\"", "control"},
	{"=?utf-8?Q?a=0Ab?=", "control"},
	{"=?utf-8?Q?a=00b?=", "control"},
	{"a\xff", "UTF-8"},
	{"a\xc3", "UTF-8"},
	{"=?utf-8?Q?=C3?=", "UTF-8"},
	{"=?utf-8?Q?=C3?= a =?utf-8?Q?=A4?=", "UTF-8"},
	{"\xed\xa0\x80", "UTF-8"},
	/* broken words */
	{"=?utf-8?Q?a=4?=", "cannot be decoded"},
	{"=?utf-8?Q?a=?=", "cannot be decoded"},
	{"=?utf-8?Q?=GG?=", "cannot be decoded"},
	{"=?utf-8?B?a*b?=", "cannot be decoded"},
	{"=?utf-8?B?a?=", "cannot be decoded"},
	{"=?utf-8?B?YQ=a?=", "cannot be decoded"},
	{"=?utf-8?X?abc?=", "cannot be decoded"},
	{"=?koi8-r?Q?abc?=", "koi8-r"},
	{"=??Q?abc?=", "character set"},
	{"=?utf-8?Q?abc?= =?koi8-r?Q?abc?=", "koi8-r"},
};

static void refuses_what_it_does_not_understand(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct tag tag;
		struct problem why;

		if (parse(&tag, refused[i].value, &why))
			fail_msg("\"%s\" accepted as \"%s\", \"%s\"", refused[i].value, tag.id,
				 tag.recipient);
		assert_contains(why.text, refused[i].says);
	}
}

static void refuses_two_parameters_named_recipient(void **state)
{
	struct problem why;
	struct tag tag;

	(void)state;
	assert_false(parse(&tag, "abc; recipient=a@b; recipient=a@b", &why));
	assert_contains(why.text, "twice");
}

static void knows_a_probe_by_its_parameter_alone(void **state)
{
	struct problem why;
	struct tag tag;

	(void)state;
	assert_true(parse(&tag, "probe-4711", &why));
	assert_false(tag.probe);
	assert_true(parse(&tag, "probe-4711; probe=yes", &why));
	assert_true(tag.probe);
	assert_string_equal(tag.id, "probe-4711");
	assert_true(parse(&tag, "\"probe-4711\"; PROBE = \"yes\"; recipient=a@b", &why));
	assert_true(tag.probe);
	assert_string_equal(tag.recipient, "a@b");
}

static void knows_an_id_that_a_fold_put_a_blank_into(void **state)
{
	static const struct {
		const char *value, *hint;
	} folds[] = {
		{"abc", ""},
		{"abc\r\n def", "was folded inside"},
		{"abc\n\tdef; recipient=a@b", "was folded inside"},
		{"\"abc;\\\"\r\n def\"; recipient=a@b", "was folded inside"},
		{"abc def", "was the header folded"},
		{"abc def;\r\n recipient=a@b", "was the header folded"},
		{"\r\n abc def\r\n ; recipient=a@b", "was the header folded"},
		{"=?utf-8?Q?abc?=\r\n =?utf-8?Q?def?=", ""},
		{"\r\n abc", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
		struct problem why;
		struct tag tag;

		assert_true(parse(&tag, folds[i].value, &why));
		if (folds[i].hint[0])
			assert_contains(tag_fold_hint(&tag), folds[i].hint);
		else
			assert_string_equal(tag_fold_hint(&tag), "");
	}
}

static void refuses_nul_wherever_it_stands(void **state)
{
	static const char value[] = "abc; recipient=a@b";
	char text[sizeof(value)];
	struct problem why;
	struct tag tag;

	(void)state;
	for (size_t i = 0; i < sizeof(value) - 1; i++) {
		memcpy(text, value, sizeof(value));
		text[i] = '\0';
		assert_false(tag_parse(&tag, (struct span){text, sizeof(value) - 1}, &why));
	}
}

static void takes_the_longest_id_and_none_longer(void **state)
{
	char *longest = text_of_length(TAG_ID_MAXIMUM, 'x');
	char *longer = text_of_length(TAG_ID_MAXIMUM + 1, 'x');
	char quoted[TAG_ID_MAXIMUM + 4];
	struct problem why;
	struct tag tag;

	(void)state;
	assert_true(parse(&tag, longest, &why));
	assert_string_equal(tag.id, longest);
	assert_false(parse(&tag, longer, &why));
	assert_contains(why.text, "1024");
	snprintf(quoted, sizeof(quoted), "\"%s\"", longest);
	assert_true(parse(&tag, quoted, &why));
	snprintf(quoted, sizeof(quoted), "\"%s\"", longer);
	assert_false(parse(&tag, quoted, &why));
	free(longest);
	free(longer);
}

static void takes_the_longest_recipient_and_none_longer(void **state)
{
	char value[ADDRESS_MAXIMUM + 40];
	struct problem why;
	struct tag tag;

	(void)state;
	snprintf(value, sizeof(value), "abc; recipient=%0*d@b", ADDRESS_MAXIMUM - 2, 0);
	assert_true(parse(&tag, value, &why));
	assert_int_equal(strlen(tag.recipient), ADDRESS_MAXIMUM);
	snprintf(value, sizeof(value), "abc; recipient=%0*d@b", ADDRESS_MAXIMUM - 1, 0);
	assert_false(parse(&tag, value, &why));
}

static void refuses_values_beyond_all_measure(void **state)
{
	char *value = text_of_length(20000, ' ');
	struct problem why;
	struct tag tag;

	(void)state;
	value[0] = '"';
	value[19999] = '"';
	assert_false(parse(&tag, value, &why));
	/* All of it beginnings of encoded words: it must not take long either. */
	for (size_t i = 0; i + 1 < 20000; i += 2)
		memcpy(value + i, "=?", 2);
	assert_false(parse(&tag, value, &why));
	free(value);
}

static void an_id_is_clean_utf8_of_limited_length(void **state)
{
	char *text = text_of_length(TAG_ID_MAXIMUM + 1, 'x');

	(void)state;
	assert_true(tag_is_id((struct span){text, TAG_ID_MAXIMUM}));
	assert_false(tag_is_id((struct span){text, TAG_ID_MAXIMUM + 1}));
	assert_false(tag_is_id(span_of_text("")));
	assert_false(tag_is_id(span_of_text("a\tb")));
	assert_false(tag_is_id(span_of_text("a\xff")));
	assert_false(tag_is_id(span_of_literal("a\0b")));
	assert_true(tag_is_id(span_of_text(";\"\\ ")));
	free(text);
}

/* ---- properties ---- */

static void append_quoted(char *out, size_t *used, const char *text)
{
	out[(*used)++] = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			out[(*used)++] = '\\';
		out[(*used)++] = *text;
	}
	out[(*used)++] = '"';
	out[*used] = '\0';
}

static void any_id_comes_back_when_it_is_quoted(void **state)
{
	static const char *const signs[] = {"a", "\"", "\\", ";", " ", "=", "?", "_", "\xc3\xa4",
					    "\xf0\x9f\x98\x80", "@", ","};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 5000; round++) {
		char id[128] = "", value[400];
		struct problem why = {.text = ""};
		struct tag tag;
		size_t used = 0;

		for (size_t i = 1 + random_below(&random, 20); i > 0; i--) {
			const char *sign = signs[random_below(&random, 12)];

			memcpy(id + strlen(id), sign, strlen(sign) + 1);
		}
		/* Inside it may stand what is an encoded word: that is decoded, quoted or not. */
		if (strstr(id, "=?"))
			continue;
		append_quoted(value, &used, id);
		if (!parse(&tag, value, &why) || strcmp(tag.id, id) != 0)
			fail_msg("CIM_SEED=%llu, round %d: %s gave %s; %s",
				 (unsigned long long)random_seed(), round, value, tag.id, why.text);
	}
}

static void whatever_comes_in_only_good_tags_come_out(void **state)
{
	static const char *const parts[] = {
		"=?utf-8?Q?", "=?utf-8?B?", "?=",   "\"",  "\\",    ";",  "recipient",
		"=",          "a@b",        " ",    "\t",  "\r\n ", "\n", "YWJj",
		"=C3=A4",     "\xc3\xa4",   "\xff", "abc", "\x01",  "@",  "=?iso-8859-1?Q?"};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char value[512] = "";
		struct problem why = {.text = ""};
		struct tag tag;

		for (size_t i = random_below(&random, 14); i > 0; i--) {
			const char *part =
				parts[random_below(&random, sizeof(parts) / sizeof(*parts))];

			memcpy(value + strlen(value), part, strlen(part) + 1);
		}
		if (!tag_parse(&tag, span_of_text(value), &why)) {
			if (!why.text[0] || !utf8_valid(why.text, strlen(why.text)))
				fail_msg("refused without a good reason: %s", value);
		} else if (!tag_is_id(span_of_text(tag.id)) ||
			   (tag.recipient[0] && !address_is_valid(span_of_text(tag.recipient)))) {
			fail_msg("CIM_SEED=%llu, round %d: %s", (unsigned long long)random_seed(),
				 round, value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ids_and_recipients),
		cmocka_unit_test(refuses_what_it_does_not_understand),
		cmocka_unit_test(refuses_two_parameters_named_recipient),
		cmocka_unit_test(knows_a_probe_by_its_parameter_alone),
		cmocka_unit_test(knows_an_id_that_a_fold_put_a_blank_into),
		cmocka_unit_test(refuses_nul_wherever_it_stands),
		cmocka_unit_test(takes_the_longest_id_and_none_longer),
		cmocka_unit_test(takes_the_longest_recipient_and_none_longer),
		cmocka_unit_test(refuses_values_beyond_all_measure),
		cmocka_unit_test(an_id_is_clean_utf8_of_limited_length),
		cmocka_unit_test(any_id_comes_back_when_it_is_quoted),
		cmocka_unit_test(whatever_comes_in_only_good_tags_come_out),
	};

	return cmocka_run_group_tests_name("tag", tests, NULL, NULL);
}
