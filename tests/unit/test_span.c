/* Pieces of bytes. */
#include "span.h"

#include "testing.h"

static void spans_compare_without_case(void **state)
{
	(void)state;
	assert_true(span_is(span_of_text("Content-TYPE"), "content-type"));
	assert_false(span_is(span_of_text("content-typ"), "content-type"));
	assert_false(span_is(span_of_text("content-types"), "content-type"));
	assert_true(span_is(span_of_text(""), ""));
	assert_false(span_is(span_of_literal("a\0b"), "a"));
}

static void trims_white_space_at_both_ends(void **state)
{
	(void)state;
	assert_span(span_trim(span_of_text(" \t\r\n a b \r\n\t ")), "a b");
	assert_span(span_trim(span_of_text("a")), "a");
	assert_span(span_trim(span_of_text(" \r\n")), "");
	assert_span(span_trim(span_of_text("")), "");
}

static void spans_are_the_same_byte_by_byte(void **state)
{
	const struct span nowhere = {NULL, 0};

	(void)state;
	assert_true(span_equals(span_of_literal("a\0b"), span_of_literal("a\0b")));
	assert_false(span_equals(span_of_literal("a\0b"), span_of_literal("a\0c")));
	assert_false(span_equals(span_of_text("a"), span_of_text("A")));
	assert_false(span_equals(span_of_text("a"), span_of_text("ab")));
	assert_true(span_equals(nowhere, span_of_text("")));
	assert_true(span_equals(nowhere, nowhere));
}

static void advances_over_its_first_bytes(void **state)
{
	struct span span = span_of_text("abc");

	(void)state;
	span_advance(&span, 2);
	assert_span(span, "c");
	span_advance(&span, 1);
	assert_span(span, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_compare_without_case),
		cmocka_unit_test(trims_white_space_at_both_ends),
		cmocka_unit_test(spans_are_the_same_byte_by_byte),
		cmocka_unit_test(advances_over_its_first_bytes),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
