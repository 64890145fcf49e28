/* Texts that say what was wrong. */
#include "problem.h"

#include "testing.h"
#include "utf8.h"

static void quotes_what_can_be_shown_as_it_is(void **state)
{
	char shown[64];

	(void)state;
	assert_string_equal(problem_quote(shown, sizeof(shown), "J\xc3\xb6rg <a@b> \"x\"", 15),
			    "J\xc3\xb6rg <a@b> \"x\"");
	assert_string_equal(problem_quote(shown, sizeof(shown), "", 0), "");
}

static void quotes_controls_and_broken_utf8_as_numbers(void **state)
{
	char shown[64];

	(void)state;
	assert_string_equal(problem_quote(shown, sizeof(shown), "a\r\n\tb\0c", 7),
			    "a\\x0d\\x0a\\x09b\\x00c");
	assert_string_equal(problem_quote(shown, sizeof(shown), "\x7f\xff\xc3", 3),
			    "\\x7f\\xff\\xc3");
	assert_string_equal(problem_quote(shown, sizeof(shown), "\xc2\x85", 2), "\\xc2\\x85");
	assert_string_equal(problem_quote(shown, sizeof(shown), "a\xe2\x80\xae-\xe2\x80\xa8", 8),
			    "a\\xe2\\x80\\xae-\\xe2\\x80\\xa8");
}

static void cuts_between_characters_and_says_so(void **state)
{
	char shown[16];

	(void)state;
	assert_string_equal(problem_quote(shown, sizeof(shown), "0123456789abcdefghij", 20),
			    "0123456789ab...");
	/* The sign of two bytes would begin on the last byte before the dots. */
	assert_string_equal(problem_quote(shown, sizeof(shown), "0123456789a\xc3\xa4xxxxx", 18),
			    "0123456789a...");
	assert_string_equal(problem_quote(shown, sizeof(shown), "0123456789\n0123456789", 21),
			    "0123456789...");
}

static void never_writes_beyond_the_room_there_is(void **state)
{
	char shown[16];

	(void)state;
	for (size_t size = 1; size < sizeof(shown); size++) {
		memset(shown, '#', sizeof(shown));
		problem_quote(shown, size, "\n\xf0\x9f\x98\x80\xffgarbage", 13);
		assert_true(strlen(shown) < size);
		for (size_t i = size; i < sizeof(shown); i++)
			assert_int_equal(shown[i], '#');
	}
}

static void does_not_cut_what_fits(void **state)
{
	char shown[8];

	(void)state;
	assert_string_equal(problem_quote(shown, sizeof(shown), "0123456", 7), "0123456");
}

static void what_is_too_long_for_a_problem_is_cut(void **state)
{
	struct problem problem;
	char *text = text_of_length(2 * sizeof(problem.text), 'x');

	(void)state;
	problem_set(&problem, "%s", text);
	assert_int_equal(strlen(problem.text), sizeof(problem.text) - 1);
	free(text);
}

static void a_problem_that_was_cut_is_still_utf8(void **state)
{
	struct problem problem;
	char text[2 * sizeof(problem.text)];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 5);
		problem_set(&problem, "%s", text);
		assert_true(utf8_valid(problem.text, strlen(problem.text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_what_can_be_shown_as_it_is),
		cmocka_unit_test(quotes_controls_and_broken_utf8_as_numbers),
		cmocka_unit_test(cuts_between_characters_and_says_so),
		cmocka_unit_test(never_writes_beyond_the_room_there_is),
		cmocka_unit_test(does_not_cut_what_fits),
		cmocka_unit_test(what_is_too_long_for_a_problem_is_cut),
		cmocka_unit_test(a_problem_that_was_cut_is_still_utf8),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
