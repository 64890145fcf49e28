/* Stamps: what the submission listener writes is read again, for this key, sender and message, and nothing else is. */
#include "stamp.h"

#include "random.h"
#include "testing.h"

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct stamp_bond bond = {
	.key = KEY, .sender = "robot@acme.example", .message_id = "<1@acme.example>"};

static struct stamp stamp_of(const char *id, const char *recipient)
{
	struct stamp stamp = {.account = "acme", .time = 1790000000};

	snprintf(stamp.id, sizeof(stamp.id), "%s", id);
	snprintf(stamp.recipient, sizeof(stamp.recipient), "%s", recipient);
	return stamp;
}

/* The caller frees it. */
static struct buffer value_of(const struct stamp *stamp, const struct stamp_bond *by)
{
	struct buffer value = buffer_with_maximum((size_t)2 * STAMP_VALUE_MAXIMUM);

	assert_true(stamp_write(stamp, by, &value));
	return value;
}

static bool reads(const char *value, const struct stamp_bond *by)
{
	struct stamp stamp;
	struct problem why = {.text = ""};
	const bool good = stamp_read(&stamp, span_of_text(value), by, &why);

	assert_true(good || why.text[0]);
	return good;
}

static void assert_reads_as(const char *value, const struct stamp *expected)
{
	struct stamp read;
	struct problem why = {.text = ""};

	if (!stamp_read(&read, span_of_text(value), &bond, &why))
		fail_msg("%s: %s", why.text, value);
	assert_string_equal(read.account, expected->account);
	assert_string_equal(read.id, expected->id);
	assert_string_equal(read.recipient, expected->recipient);
	assert_int_equal(read.time, expected->time);
	assert_int_equal(read.probe, expected->probe);
}

static const char *const texts[] = {
	"board-1",
	"a b",
	"a;b",
	"say \"hi\"",
	"100%",
	"back\\slash",
	"caf\xc3\xa9 \xe2\x98\x95",
	"v1; account=other; mac=0",
	"=",
	"\"",
	";mac=",
	"  ends with blanks  ",
};

static void reads_what_was_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct stamp stamp = stamp_of(texts[i], i % 2 ? "ann+x@example.com" : "");
		struct buffer value;

		stamp.probe = i % 3 == 0;
		value = value_of(&stamp, &bond);

		assert_true(stamp_is_like(span_of_text(value.data)));
		assert_reads_as(value.data, &stamp);
		buffer_free(&value);
	}
}

static void the_longest_ids_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *id = text_of_length(TAG_ID_MAXIMUM, i ? 'x' : '\xff');
		char *recipient = text_of_length(ADDRESS_MAXIMUM, i ? 'y' : '%');
		struct stamp stamp = stamp_of(id, recipient);
		struct buffer value = value_of(&stamp, &bond);

		assert_reads_as(value.data, &stamp);
		buffer_free(&value);
		free(id);
		free(recipient);
	}
}

static void a_value_is_short_lines_of_visible_ascii(void **state)
{
	char *id = text_of_length(TAG_ID_MAXIMUM, '\xff');
	struct stamp stamp = stamp_of(id, "ann@example.com");
	struct buffer value = value_of(&stamp, &bond);
	size_t line = 0;

	(void)state;
	for (size_t i = 0; i < value.length; i++) {
		const char c = value.data[i];

		line = c == '\n' ? 0 : line + 1;
		assert_true(line < 78);
		assert_true((c >= ' ' && c < 0x7f) || c == '\n' || (c == '\t' && line == 1));
	}
	assert_int_equal(strncmp(value.data, "v1; account=", 12), 0);
	buffer_free(&value);
	free(id);
}

/* MTAs fold, unfold and break long lines. */
static void white_space_means_nothing(void **state)
{
	uint64_t random = random_start();
	struct stamp stamp = stamp_of("caf\xc3\xa9; 1", "ann@example.com");
	struct buffer value = value_of(&stamp, &bond);

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct buffer folded = buffer_with_maximum(20000);

		for (size_t i = 0; i < value.length; i++) {
			if (!strchr(" \t\n", value.data[i]))
				buffer_append(&folded, value.data + i, 1);
			if (random_below(&random, 5) == 0)
				buffer_append_text(&folded, round % 2 ? "\r\n " : "\n\t");
		}
		assert_reads_as(folded.data, &stamp);
		buffer_free(&folded);
	}
	buffer_free(&value);
}

static void holds_for_one_key_one_sender_and_one_message(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value = value_of(&stamp, &bond);
	struct stamp_bond other = bond;

	(void)state;
	other.key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee";
	assert_false(reads(value.data, &other));
	other = bond;
	other.sender = "robot2@acme.example";
	assert_false(reads(value.data, &other));
	other.sender = "";
	assert_false(reads(value.data, &other));
	other = bond;
	other.message_id = "<2@acme.example>";
	assert_false(reads(value.data, &other));
	assert_true(reads(value.data, &bond));
	buffer_free(&value);
}

static void the_previous_key_is_good_for_reading_only(void **state)
{
	static const char new[] = "fedcba9876543210fedcba9876543210";
	struct stamp stamp = stamp_of("board-1", "");
	struct stamp_bond changed = bond;
	struct buffer before = value_of(&stamp, &bond), after;

	(void)state;
	changed.key = new;
	assert_false(reads(before.data, &changed));
	changed.previous = KEY;
	assert_true(reads(before.data, &changed));
	after = value_of(&stamp, &changed);
	assert_false(reads(after.data, &bond));
	changed.previous = NULL;
	assert_true(reads(after.data, &changed));
	buffer_free(&before);
	buffer_free(&after);
}

/* ... but never the key, nor where it is. */
static void says_which_key_it_was_made_with(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value = value_of(&stamp, &bond);
	struct stamp_bond other = bond;
	struct stamp read;
	struct problem why;
	const char *id = strstr(value.data, "key=");

	(void)state;
	assert_non_null(id);
	assert_int_equal(strspn(id + 4, "0123456789abcdef"), 8);
	assert_null(strstr(value.data, KEY));
	other.key = "another key";
	assert_false(stamp_read(&read, span_of_text(value.data), &other, &why));
	assert_contains(why.text, "another key, which has the id ");
	other = bond;
	other.message_id = "<2@acme.example>";
	assert_false(stamp_read(&read, span_of_text(value.data), &other, &why));
	assert_string_equal(why.text, "for another sender or message, or changed");
	buffer_free(&value);
}

/* Mail that an older filter stamped is queued when a newer one starts. */
static void one_without_a_key_id_is_read_with_either_key(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value = value_of(&stamp, &bond);
	struct stamp_bond changed = bond;
	char *id = strstr(value.data, "key=");

	(void)state;
	memmove(id, id + 13, strlen(id + 13) + 1); /* key=12345678; */
	assert_true(reads(value.data, &bond));
	changed.key = "another key";
	assert_false(reads(value.data, &changed));
	changed.previous = KEY;
	assert_true(reads(value.data, &changed));
	buffer_free(&value);
}

static void a_senders_domain_may_change_its_case(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value = value_of(&stamp, &bond);
	struct stamp_bond other = bond;

	(void)state;
	other.sender = "robot@ACME.Example";
	assert_true(reads(value.data, &other));
	other.sender = "Robot@acme.example";
	assert_false(reads(value.data, &other));
	buffer_free(&value);
}

/* Where one field ends and the next begins is part of the proof. */
static void fields_cannot_be_shifted(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value;
	struct stamp_bond other = bond;

	(void)state;
	other.sender = "a";
	other.message_id = "bc";
	value = value_of(&stamp, &other);
	other.sender = "ab";
	other.message_id = "c";
	assert_false(reads(value.data, &other));
	buffer_free(&value);
}

static void any_changed_character_breaks_it(void **state)
{
	struct stamp stamp = stamp_of("board-1", "ann@example.com");
	struct buffer value = value_of(&stamp, &bond);

	(void)state;
	for (size_t i = 0; i < value.length; i++) {
		const char was = value.data[i];

		if (strchr(" \t\n", was))
			continue;
		for (const char *c = "0a\";=%"; *c; c++) {
			if (*c == was)
				continue;
			value.data[i] = *c;
			/* Names of parameters are the same in capitals; nothing here is one. */
			assert_false(reads(value.data, &bond));
		}
		value.data[i] = was;
	}
	assert_true(reads(value.data, &bond));
	buffer_free(&value);
}

static void what_was_added_or_taken_away_breaks_it(void **state)
{
	struct stamp stamp = stamp_of("board-1", "");
	struct buffer value = value_of(&stamp, &bond);
	char text[1024];

	(void)state;
	for (size_t length = 0; length < value.length; length++) {
		snprintf(text, sizeof(text), "%.*s", (int)length, value.data);
		assert_false(reads(text, &bond));
	}
	snprintf(text, sizeof(text), "%s; recipient=\"eve@example.com\"", value.data);
	assert_false(reads(text, &bond));
	snprintf(text, sizeof(text), "%s; id=\"board-2\"", value.data);
	assert_false(reads(text, &bond));
	snprintf(text, sizeof(text), "%s; probe=yes", value.data);
	assert_false(reads(text, &bond));
	snprintf(text, sizeof(text), "%s; x=y", value.data);
	assert_false(reads(text, &bond));
	buffer_free(&value);
}

static void an_invite_id_is_not_taken_for_a_stamp(void **state)
{
	static const char *const values[] = {
		"",        " ",         "v1",        "v1; recipient=ann@example.com",
		"board-1", "v2; mac=1", "xv1;mac=1", "mac=1; v1",
		"v 2",     "\n\t",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_false(stamp_is_like(span_of_text(values[i])));
	assert_true(stamp_is_like(span_of_text(" V1;\n\tid=\"x\"; MAC=0; mac=1")));
	assert_true(stamp_is_like(span_of_text("v\n 1; m\n ac=; mac=")));
	assert_false(stamp_is_like(span_of_literal("v1;\0;mac=")));
}

static void refuses_a_value_that_is_too_long(void **state)
{
	char *text = text_of_length(STAMP_VALUE_MAXIMUM + 100, 'x');

	(void)state;
	memcpy(text, "v1;mac=", 7);
	assert_false(reads(text, &bond));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_written),
		cmocka_unit_test(the_longest_ids_fit),
		cmocka_unit_test(a_value_is_short_lines_of_visible_ascii),
		cmocka_unit_test(white_space_means_nothing),
		cmocka_unit_test(holds_for_one_key_one_sender_and_one_message),
		cmocka_unit_test(the_previous_key_is_good_for_reading_only),
		cmocka_unit_test(says_which_key_it_was_made_with),
		cmocka_unit_test(one_without_a_key_id_is_read_with_either_key),
		cmocka_unit_test(a_senders_domain_may_change_its_case),
		cmocka_unit_test(fields_cannot_be_shifted),
		cmocka_unit_test(any_changed_character_breaks_it),
		cmocka_unit_test(what_was_added_or_taken_away_breaks_it),
		cmocka_unit_test(an_invite_id_is_not_taken_for_a_stamp),
		cmocka_unit_test(refuses_a_value_that_is_too_long),
	};

	return cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
}
