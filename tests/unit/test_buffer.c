/* Bytes that grow up to a maximum. */
#include "buffer.h"

#include "testing.h"

static void takes_exactly_its_maximum(void **state)
{
	struct buffer buffer = buffer_with_maximum(4);

	(void)state;
	buffer_append(&buffer, "ab", 2);
	buffer_append(&buffer, "cd", 2);
	assert_false(buffer.failed);
	assert_string_equal(buffer.data, "abcd");
	buffer_append(&buffer, "", 0);
	assert_false(buffer.failed);
	buffer_append(&buffer, "e", 1);
	assert_true(buffer.failed);
	assert_string_equal(buffer.data, "abcd");
	buffer_free(&buffer);
}

static void a_failure_sticks_until_it_is_cleared(void **state)
{
	struct buffer buffer = buffer_with_maximum(4);

	(void)state;
	buffer_append_text(&buffer, "too long");
	buffer_append_text(&buffer, "ok");
	buffer_printf(&buffer, "%d", 1);
	assert_true(buffer.failed);
	assert_int_equal(buffer.length, 0);
	buffer_clear(&buffer);
	buffer_append_text(&buffer, "ok");
	assert_false(buffer.failed);
	assert_string_equal(buffer.data, "ok");
	buffer_free(&buffer);
}

static void is_nul_terminated_even_if_nothing_was_appended(void **state)
{
	struct buffer buffer = buffer_with_maximum(0);

	(void)state;
	assert_null(buffer.data);
	buffer_append(&buffer, NULL, 0);
	assert_non_null(buffer.data);
	assert_string_equal(buffer.data, "");
	assert_false(buffer.failed);
	buffer_free(&buffer);
	assert_null(buffer.data);
}

static void keeps_bytes_of_any_kind(void **state)
{
	struct buffer buffer = buffer_with_maximum(100);

	(void)state;
	buffer_append(&buffer, "a\0b", 3);
	assert_int_equal(buffer.length, 3);
	assert_memory_equal(buffer.data, "a\0b", 4);
	buffer_free(&buffer);
}

static void prints_behind_what_is_there(void **state)
{
	struct buffer buffer = buffer_with_maximum(9);

	(void)state;
	buffer_printf(&buffer, "%s-%d", "abc", 12345);
	assert_string_equal(buffer.data, "abc-12345");
	buffer_printf(&buffer, "%s", "");
	assert_false(buffer.failed);
	buffer_printf(&buffer, "%c", 'x');
	assert_true(buffer.failed);
	assert_string_equal(buffer.data, "abc-12345");
	buffer_free(&buffer);
}

static void grows_as_far_as_it_has_to(void **state)
{
	struct buffer buffer = buffer_with_maximum((size_t)1 << 20);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buffer_append(&buffer, "0123456789", 10);
	assert_false(buffer.failed);
	assert_int_equal(buffer.length, 1000000);
	assert_memory_equal(buffer.data + 999990, "0123456789", 11);
	buffer_free(&buffer);
	buffer_append_text(&buffer, "again");
	assert_string_equal(buffer.data, "again");
	buffer_free(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_exactly_its_maximum),
		cmocka_unit_test(a_failure_sticks_until_it_is_cleared),
		cmocka_unit_test(is_nul_terminated_even_if_nothing_was_appended),
		cmocka_unit_test(keeps_bytes_of_any_kind),
		cmocka_unit_test(prints_behind_what_is_there),
		cmocka_unit_test(grows_as_far_as_it_has_to),
	};

	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
