/* Texts as JSON strings and as CSV fields. */
#include "escape.h"

#include "random.h"
#include "testing.h"
#include "utf8.h"

typedef void writer(struct buffer *out, const char *text);

static void check(writer *write, const char *text, const char *expected)
{
	struct buffer out = buffer_with_maximum(1000);

	write(&out, text);
	assert_false(out.failed);
	assert_string_equal(out.length > 0 ? out.data : "", expected);
	buffer_free(&out);
}

static void json_has_quotation_marks_and_escapes_what_it_must(void **state)
{
	(void)state;
	check(escape_json, "", "\"\"");
	check(escape_json, "booking-4711", "\"booking-4711\"");
	check(escape_json, "a \"b\" \\ /", "\"a \\\"b\\\" \\\\ /\"");
	check(escape_json, "a\tb\r\n\x01\x1f\x7f",
	      "\"a\\u0009b\\u000d\\u000a\\u0001\\u001f\\u007f\"");
	/* U+009B begins an escape sequence in some terminals. */
	check(escape_json, "\xc2\x9b", "\"\\u009b\"");
	/* U+202E turns what follows, U+2028 ends a line. */
	check(escape_json,
	      "a\xe2\x80\xae"
	      "b\xe2\x80\xa8\xe2\x81\xa6\xe2\x82\xac",
	      "\"a\\u202eb\\u2028\\u2066\xe2\x82\xac\"");
	check(escape_json, "caf\xc3\xa9 \xf0\x9f\x8e\x89", "\"caf\xc3\xa9 \xf0\x9f\x8e\x89\"");
}

static void csv_has_quotation_marks_only_where_it_needs_them(void **state)
{
	(void)state;
	check(escape_csv, "", "");
	check(escape_csv, "booking-4711", "booking-4711");
	check(escape_csv, "a b", "a b");
	check(escape_csv, "a,b", "\"a,b\"");
	check(escape_csv, "say \"hi\"", "\"say \"\"hi\"\"\"");
	check(escape_csv, "\"", "\"\"\"\"");
	check(escape_csv, "a\nb", "\"a\nb\"");
	check(escape_csv, "a\r", "\"a\r\"");
	check(escape_csv, " a", "\" a\"");
	check(escape_csv, "a ", "\"a \"");
}

/* In a spreadsheet it would be a formula; addresses and ids come from anybody's forms. */
static void csv_has_nothing_that_a_spreadsheet_would_carry_out(void **state)
{
	(void)state;
	check(escape_csv, "=1+1@a.example", "'=1+1@a.example");
	check(escape_csv, "=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"");
	check(escape_csv, "+1", "'+1");
	check(escape_csv, "-1", "'-1");
	check(escape_csv, "@SUM(1)", "'@SUM(1)");
	check(escape_csv, "\t=1", "'\t=1");
	check(escape_csv, "\r=1", "\"'\r=1\"");
	check(escape_csv, "  =1", "\"'  =1\"");
	check(escape_csv, "a=1", "a=1");
	check(escape_csv, "<=1@a.example>", "<=1@a.example>");
	check(escape_csv, "  a", "\"  a\"");
}

static void what_is_no_utf8_is_replaced(void **state)
{
	(void)state;
	check(escape_json,
	      "a\xff"
	      "b",
	      "\"a\xef\xbf\xbd"
	      "b\"");
	check(escape_csv, "\xc3", "\xef\xbf\xbd");
	check(escape_csv, "\xc3,\xc3\xa9", "\"\xef\xbf\xbd,\xc3\xa9\"");
}

/* ---- reading them back, by readers of their own ---- */

static void append_expected(struct buffer *out, const char *text)
{
	const size_t length = strlen(text);

	for (size_t i = 0; i < length;) {
		const size_t n = utf8_sequence(text + i, length - i);

		if (n > 0)
			buffer_append(out, text + i, n);
		else
			buffer_append_text(out, "\xef\xbf\xbd");
		i += n > 0 ? n : 1;
	}
}

static bool read_json(struct buffer *out, const char *json)
{
	const char *at = json;
	unsigned int code;

	if (*at++ != '"')
		return false;
	while (*at && *at != '"') {
		if ((unsigned char)*at < 0x20)
			return false;
		if (*at != '\\') {
			buffer_append(out, at++, 1);
		} else if (at[1] == 'u' && sscanf(at + 2, "%4x", &code) == 1 && code < 0x100) {
			const char two[] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f))};
			const char one = (char)code;

			buffer_append(out, code < 0x80 ? &one : two, code < 0x80 ? 1 : 2);
			at += 6;
		} else if (at[1] == '"' || at[1] == '\\') {
			buffer_append(out, at + 1, 1);
			at += 2;
		} else {
			return false;
		}
	}
	return at[0] == '"' && at[1] == '\0';
}

/* The field ends where the text does. */
static bool read_csv(struct buffer *out, const char *csv)
{
	if (csv[0] != '"') {
		buffer_append_text(out, csv);
		return !strpbrk(csv, ",\"\r\n");
	}
	for (csv++; *csv; csv++) {
		if (*csv == '"' && *++csv != '"')
			return *csv == '\0';
		buffer_append(out, csv, 1);
	}
	return false;
}

/* What would be a formula has a mark in front; texts here have none of their own. */
static const char *without_mark(const char *field)
{
	return field[0] == '\'' ? field + 1 : field;
}

static void random_text(char *text, size_t size, uint64_t *random)
{
	static const char *const pieces[] = {"a",        "\"",   "\\",       ",",
					     "\r\n",     " ",    "\x01",     "\xc2\x85",
					     "\xc3\xa9", "\xff", "\xe2\x82", "\xf0\x9f\x8e\x89",
					     "\x7f",     "="};
	size_t length = 0, count = random_below(random, 12);

	for (size_t i = 0; i < count; i++) {
		const char *piece =
			pieces[random_below(random, sizeof(pieces) / sizeof(pieces[0]))];

		length += (size_t)snprintf(text + length, size - length, "%s", piece);
	}
	text[length] = '\0';
}

static void any_text_comes_back(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct buffer expected = buffer_with_maximum(1000), json = expected, csv = expected;
		struct buffer from_json = expected, from_csv = expected;
		char text[128];
		bool good;

		random_text(text, sizeof(text), &random);
		append_expected(&expected, text);
		escape_json(&json, text);
		escape_csv(&csv, text);
		buffer_append(&expected, "", 0);
		buffer_append(&csv, "", 0);
		good = utf8_valid(json.data, json.length) && utf8_valid(csv.data, csv.length) &&
		       read_json(&from_json, json.data) && read_csv(&from_csv, csv.data);
		buffer_append(&from_json, "", 0);
		buffer_append(&from_csv, "", 0);
		if (!good || strcmp(from_json.data, expected.data) != 0 ||
		    strcmp(without_mark(from_csv.data), expected.data) != 0)
			fail_msg("CIM_SEED=%llu, round %d: %s, %s",
				 (unsigned long long)random_seed(), round, json.data, csv.data);
		buffer_free(&expected);
		buffer_free(&json);
		buffer_free(&csv);
		buffer_free(&from_json);
		buffer_free(&from_csv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_quotation_marks_and_escapes_what_it_must),
		cmocka_unit_test(csv_has_quotation_marks_only_where_it_needs_them),
		cmocka_unit_test(csv_has_nothing_that_a_spreadsheet_would_carry_out),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(any_text_comes_back),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
