/* The named values of a line of the log, in both forms. */
#include "log_line.h"

#include "random.h"
#include "testing.h"
#include "utf8.h"

#include <cjson/cJSON.h>

static const struct {
	const char *value, *shown;
} fields[] = {
	{"plain", "n=plain"},
	{"a@b.example", "n=a@b.example"},
	{"<id@host>", "n=<id@host>"},
	{"j\xc3\xb6rg", "n=j\xc3\xb6rg"},
	{"", "n=\"\""},
	{"two words", "n=\"two words\""},
	{"a=b", "n=\"a=b\""},
	{"say \"hi\"", "n=\"say \\\"hi\\\"\""},
};

static void quotes_values_that_need_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct log_line line = log_line_begin(LOG_FORMAT_TEXT);

		log_field(&line, "n", fields[i].value);
		assert_string_equal(line.text.data, fields[i].shown);
		log_line_free(&line);
	}
}

static void fields_are_apart_by_one_space(void **state)
{
	struct log_line line = log_line_begin(LOG_FORMAT_TEXT);

	(void)state;
	log_field(&line, "a", "1");
	log_field(&line, "b", "2 3");
	log_field(&line, "c", "4");
	assert_string_equal(line.text.data, "a=1 b=\"2 3\" c=4");
	log_line_free(&line);
}

static void no_value_makes_a_line_of_its_own(void **state)
{
	struct log_line line = log_line_begin(LOG_FORMAT_TEXT);

	(void)state;
	log_field(&line, "n", "a\nerror: forged\r\x1b[2J");
	assert_null(strpbrk(line.text.data, "\n\r\x1b"));
	assert_contains(line.text.data, "\\x0a");
	log_line_free(&line);
}

/* Reads "value" as the log's readers do: \ makes the next character an ordinary one. */
static const char *end_of_quoted(const char *text)
{
	for (text++; *text && *text != '"'; text++)
		if (*text == '\\' && text[1])
			text++;
	return text + 1;
}

static void no_value_makes_a_field_of_its_own(void **state)
{
	static const char *const values[] = {"x\\\" done=cancelled y=\"", "ends with \\", "\\\"",
					     "\" done=cancelled"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct log_line line = log_line_begin(LOG_FORMAT_TEXT);

		log_field(&line, "n", values[i]);
		assert_memory_equal(line.text.data, "n=\"", 3);
		assert_string_equal(end_of_quoted(line.text.data + 2), "");
		log_line_free(&line);
	}
}

static void very_long_values_are_cut(void **state)
{
	struct log_line line = log_line_begin(LOG_FORMAT_TEXT);
	char *value = text_of_length(5000, 'v');

	(void)state;
	log_field(&line, "n", value);
	assert_true(line.text.length < 600);
	assert_contains(line.text.data, "...");
	log_line_free(&line);
	free(value);
}

static const struct {
	const char *value, *shown;
} json_fields[] = {
	{"plain", "\"n\":\"plain\""},
	{"", "\"n\":\"\""},
	{"say \"hi\" \\", "\"n\":\"say \\\"hi\\\" \\\\\""},
	{"j\xc3\xb6rg \xf0\x9f\x98\x80", "\"n\":\"j\xc3\xb6rg \xf0\x9f\x98\x80\""},
	{"a\nb\r\x1b\x7f", "\"n\":\"a\\u000ab\\u000d\\u001b\\u007f\""},
	{"\xc2\x9b", "\"n\":\"\\u009b\""},
	{"a\xff\xc3", "\"n\":\"a\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xed\xa0\x80", "\"n\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void escapes_what_json_cannot_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(json_fields) / sizeof(json_fields[0]); i++) {
		struct log_line line = log_line_begin(LOG_FORMAT_JSON);

		log_field(&line, "n", json_fields[i].value);
		assert_string_equal(line.text.data, json_fields[i].shown);
		log_line_free(&line);
	}
}

static void numbers_are_numbers_in_both_forms(void **state)
{
	struct log_line text = log_line_begin(LOG_FORMAT_TEXT);
	struct log_line json = log_line_begin(LOG_FORMAT_JSON);

	(void)state;
	log_number(&text, "a", -1);
	log_number(&text, "b", 9223372036854775807);
	log_number(&json, "a", -1);
	log_number(&json, "b", 9223372036854775807);
	assert_string_equal(text.text.data, "a=-1 b=9223372036854775807");
	assert_string_equal(json.text.data, "\"a\":-1,\"b\":9223372036854775807");
	log_line_free(&text);
	log_line_free(&json);
}

static void a_long_value_is_not_cut_inside_a_character(void **state)
{
	(void)state;
	for (size_t lead = 0; lead < 4; lead++) {
		struct log_line line = log_line_begin(LOG_FORMAT_JSON);
		char value[1024] = "xxxx";

		for (size_t i = lead; i + 4 < sizeof(value); i += 4)
			memcpy(value + i, "\xf0\x9f\x98\x80", 4);
		log_field(&line, "n", value);
		assert_null(strstr(line.text.data, "\xef\xbf\xbd"));
		assert_string_equal(line.text.data + line.text.length - 4, "...\"");
		assert_in_range(line.text.length, 500, 520);
		log_line_free(&line);
	}
}

static void what_has_no_room_is_left_out_whole(void **state)
{
	static const enum log_format formats[] = {LOG_FORMAT_TEXT, LOG_FORMAT_JSON};
	char *value = text_of_length(511, '\x01');

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct log_line line = log_line_begin(formats[i]);

		log_field(&line, "first", "1");
		for (int j = 0; j < 20; j++)
			log_field(&line, "long", value);
		log_number(&line, "ms", 2);
		assert_true(line.text.length <= LOG_LINE_MAXIMUM);
		assert_contains(line.text.data, i == 0 ? "first=1 long=" : "\"first\":\"1\",");
		assert_contains(line.text.data, i == 0 ? " ms=2" : ",\"ms\":2");
		log_line_free(&line);
	}
	free(value);
}

/* Fields of random bytes, mostly those that matter to somebody. */
static size_t random_value(uint64_t *random, char *out, size_t size)
{
	static const char special[] = "\"\\\n\r\t\x01\x1b\x7f =\xc2\x80\xc3\xff\xed\xa0\xf0\x9f\x98\xef\xbf";
	const size_t length = random_below(random, size);

	for (size_t i = 0; i < length; i++)
		out[i] = random_below(random, 2) == 0
				 ? special[random_below(random, sizeof(special) - 1)]
				 : (char)(1 + random_below(random, 255));
	out[length] = '\0';
	return length;
}

static void assert_no_control_characters(const char *text)
{
	for (size_t i = 0, n; text[i]; i += n) {
		n = utf8_sequence(text + i, strlen(text + i));
		assert_int_not_equal(n, 0);
		assert_false(utf8_is_control(text + i, n));
	}
}

static void any_bytes_make_valid_json(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct log_line line = log_line_begin(LOG_FORMAT_JSON);
		struct buffer whole = buffer_with_maximum(10000);
		char value[700];
		const size_t length = random_value(&random, value, i % 2 ? 40 : sizeof(value));
		cJSON *read;

		log_field(&line, "value", value);
		log_number(&line, "n", i);
		buffer_printf(&whole, "{%s}", line.text.data);
		read = cJSON_ParseWithOpts(whole.data, NULL, 1);
		if (!read)
			fail_msg("CIM_SEED=%llu: %s", (unsigned long long)random_seed(), whole.data);
		assert_no_control_characters(whole.data);
		if (length <= 511 && utf8_valid(value, length))
			assert_string_equal(cJSON_GetObjectItem(read, "value")->valuestring, value);
		assert_int_equal(cJSON_GetObjectItem(read, "n")->valueint, i);
		cJSON_Delete(read);
		buffer_free(&whole);
		log_line_free(&line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_values_that_need_it),
		cmocka_unit_test(fields_are_apart_by_one_space),
		cmocka_unit_test(no_value_makes_a_line_of_its_own),
		cmocka_unit_test(no_value_makes_a_field_of_its_own),
		cmocka_unit_test(very_long_values_are_cut),
		cmocka_unit_test(escapes_what_json_cannot_hold),
		cmocka_unit_test(numbers_are_numbers_in_both_forms),
		cmocka_unit_test(a_long_value_is_not_cut_inside_a_character),
		cmocka_unit_test(what_has_no_room_is_left_out_whole),
		cmocka_unit_test(any_bytes_make_valid_json),
	};

	return cmocka_run_group_tests_name("log_line", tests, NULL, NULL);
}
