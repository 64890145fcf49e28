/* What is well-formed UTF-8 (RFC 3629), whole and in pieces. */
#include "utf8.h"

#include "random.h"
#include "testing.h"

static const struct {
	const char *text;
	size_t length; /* of the sequence that it begins with; 0: none */
} sequences[] = {
	{"a", 1},
	{"\x7f", 1},
	{"\x80", 0},             /* a continuation alone */
	{"\xbf", 0},
	{"\xc0\x80", 0},         /* overlong NUL */
	{"\xc1\xbf", 0},         /* overlong */
	{"\xc2\x80", 2},         /* U+0080, the first of two bytes */
	{"\xdf\xbf", 2},         /* U+07FF */
	{"\xc3", 0},             /* cut off */
	{"\xc3z", 0},
	{"\xe0\x9f\xbf", 0},     /* overlong */
	{"\xe0\xa0\x80", 3},     /* U+0800 */
	{"\xed\x9f\xbf", 3},     /* U+D7FF */
	{"\xed\xa0\x80", 0},     /* U+D800, a surrogate */
	{"\xed\xbf\xbf", 0},     /* U+DFFF */
	{"\xee\x80\x80", 3},     /* U+E000 */
	{"\xef\xbf\xbf", 3},     /* U+FFFF */
	{"\xe2\x82", 0},
	{"\xf0\x8f\xbf\xbf", 0}, /* overlong */
	{"\xf0\x90\x80\x80", 4}, /* U+10000 */
	{"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
	{"\xf4\x90\x80\x80", 0}, /* beyond */
	{"\xf5\x80\x80\x80", 0},
	{"\xf8\x88\x80\x80\x80", 0},
	{"\xff", 0},
	{"\xf0\x9f\x98", 0},
};

static void knows_where_a_sequence_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		assert_int_equal(utf8_sequence(sequences[i].text, strlen(sequences[i].text)),
				 sequences[i].length);
	assert_int_equal(utf8_sequence("", 0), 0);
	assert_int_equal(utf8_sequence("", 1), 1); /* NUL is a character */
}

static void a_text_is_valid_if_every_sequence_is(void **state)
{
	char text[64];

	(void)state;
	/* At every distance from the eight bytes that are looked at at once. */
	for (size_t before = 0; before < 18; before++) {
		for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
			int length = snprintf(text, sizeof(text), "%.*s%szzzzzzzz", (int)before,
					      "aaaaaaaaaaaaaaaaaa", sequences[i].text);

			assert_int_equal(utf8_valid(text, (size_t)length), sequences[i].length > 0);
			assert_int_equal(utf8_is_ascii(text, (size_t)length),
					 sequences[i].length == 1);
		}
	}
	assert_true(utf8_valid("", 0));
	assert_true(utf8_is_ascii("", 0));
}

static void controls_are_c0_del_and_c1(void **state)
{
	(void)state;
	assert_true(utf8_is_control("\x1f", 1));
	assert_false(utf8_is_control(" ", 1));
	assert_false(utf8_is_control("~", 1));
	assert_true(utf8_is_control("\x7f", 1));
	assert_true(utf8_is_control("\xc2\x80", 2));
	assert_true(utf8_is_control("\xc2\x9f", 2));
	assert_false(utf8_is_control("\xc2\xa0", 2));
	assert_false(utf8_is_control("\xc3\x80", 2));
}

static void misleading_are_separators_and_what_turns_the_direction(void **state)
{
	static const char *const all[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa",
					  "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9"};
	static const char *const none[] = {"\xe2\x80\xa7", "\xe2\x80\xaf", "\xe2\x81\xa5",
					   "\xe2\x81\xaa", "\xe2\x82\xac", "\xe3\x80\xa8"};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_true(utf8_is_misleading(all[i], 3));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(utf8_is_misleading(none[i], 3));
	assert_false(utf8_is_misleading("a", 1));
	assert_false(utf8_is_misleading("\xc3\xa4", 2));
}

static bool valid_in_pieces(const char *text, size_t length, size_t piece)
{
	struct utf8_stream stream = {.held = 0};

	for (size_t i = 0; i < length; i += piece)
		utf8_stream_add(&stream, text + i, length - i < piece ? length - i : piece);
	return utf8_stream_valid(&stream);
}

static void pieces_of_any_size_give_the_same_answer(void **state)
{
	static const char *const parts[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x80",
					    "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xff", "abcdefgh"};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[64] = "";
		/* Most of them valid: mostly from the first four. */
		const size_t kinds = round % 4 == 0 ? 10 : 4;
		size_t length = 0;

		for (size_t i = random_below(&random, 12); i > 0 && length < 50; i--) {
			const char *part = parts[random_below(&random, kinds)];

			memcpy(text + length, part, strlen(part));
			length += strlen(part);
		}
		for (size_t piece = 1; piece <= 9; piece++) {
			if (valid_in_pieces(text, length, piece) == utf8_valid(text, length))
				continue;
			fail_msg("CIM_SEED=%llu, round %d, pieces of %zu",
				 (unsigned long long)random_seed(), round, piece);
		}
	}
}

static void a_text_that_ends_inside_a_sequence_is_not_valid(void **state)
{
	struct utf8_stream stream = {.held = 0};

	(void)state;
	assert_true(utf8_stream_valid(&stream));
	utf8_stream_add(&stream, "\xe2", 1);
	assert_false(utf8_stream_valid(&stream));
	utf8_stream_add(&stream, "\x82\xac", 2);
	assert_true(utf8_stream_valid(&stream));
	utf8_stream_add(&stream, "", 0);
	assert_true(utf8_stream_valid(&stream));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_where_a_sequence_ends),
		cmocka_unit_test(a_text_is_valid_if_every_sequence_is),
		cmocka_unit_test(misleading_are_separators_and_what_turns_the_direction),
		cmocka_unit_test(controls_are_c0_del_and_c1),
		cmocka_unit_test(pieces_of_any_size_give_the_same_answer),
		cmocka_unit_test(a_text_that_ends_inside_a_sequence_is_not_valid),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
