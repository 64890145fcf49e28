/* Lines of the log. */
#include "log.h"

#include "testing.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

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
		struct buffer line = buffer_with_maximum(1000);

		log_field(&line, "n", fields[i].value);
		assert_string_equal(line.data, fields[i].shown);
		buffer_free(&line);
	}
}

static void fields_are_apart_by_one_space(void **state)
{
	struct buffer line = buffer_with_maximum(1000);

	(void)state;
	log_field(&line, "a", "1");
	log_field(&line, "b", "2 3");
	log_field(&line, "c", "4");
	assert_string_equal(line.data, "a=1 b=\"2 3\" c=4");
	buffer_free(&line);
}

static void no_value_makes_a_line_of_its_own(void **state)
{
	struct buffer line = buffer_with_maximum(1000);

	(void)state;
	log_field(&line, "n", "a\nerror: forged\r\x1b[2J");
	assert_null(strpbrk(line.data, "\n\r\x1b"));
	assert_contains(line.data, "\\x0a");
	buffer_free(&line);
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
		struct buffer line = buffer_with_maximum(1000);

		log_field(&line, "n", values[i]);
		assert_memory_equal(line.data, "n=\"", 3);
		assert_string_equal(end_of_quoted(line.data + 2), "");
		buffer_free(&line);
	}
}

static void very_long_values_are_cut(void **state)
{
	struct buffer line = buffer_with_maximum(10000);
	char *value = text_of_length(5000, 'v');

	(void)state;
	log_field(&line, "n", value);
	assert_true(line.length < 600);
	assert_contains(line.data, "...");
	buffer_free(&line);
	free(value);
}

static void knows_facilities_by_name(void **state)
{
	(void)state;
	assert_int_equal(log_facility("mail"), LOG_MAIL);
	assert_int_equal(log_facility("local7"), LOG_LOCAL7);
	assert_int_equal(log_facility("MAIL"), -1);
	assert_int_equal(log_facility(""), -1);
}

/* What log_write() writes to standard error meanwhile. */
static size_t capture(enum log_level least, enum log_level level, const char *text, char *out,
		      size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t length;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	log_open(LOG_TO_STDERR, 0, least);
	log_write(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	length = read(ends[0], out, size - 1);
	close(ends[0]);
	assert_true(length >= 0);
	out[length] = '\0';
	return (size_t)length;
}

static void writes_whole_lines(void **state)
{
	char out[8192], *text = text_of_length(6000, 'x');
	size_t length;

	(void)state;
	capture(LOG_LEVEL_INFO, LOG_LEVEL_WARNING, "hello", out, sizeof(out));
	assert_string_equal(out, "warning: hello\n");
	length = capture(LOG_LEVEL_INFO, LOG_LEVEL_INFO, text, out, sizeof(out));
	assert_in_range(length, 1000, 4096);
	assert_int_equal(out[length - 1], '\n');
	free(text);
}

static void leaves_out_what_is_not_important_enough(void **state)
{
	char out[100];

	(void)state;
	assert_int_equal(capture(LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, "x", out, sizeof(out)), 0);
	assert_int_equal(capture(LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, "x", out, sizeof(out)), 0);
	assert_int_not_equal(capture(LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "x", out, sizeof(out)), 0);
	assert_int_not_equal(capture(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, "x", out, sizeof(out)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_values_that_need_it),
		cmocka_unit_test(fields_are_apart_by_one_space),
		cmocka_unit_test(no_value_makes_a_line_of_its_own),
		cmocka_unit_test(no_value_makes_a_field_of_its_own),
		cmocka_unit_test(very_long_values_are_cut),
		cmocka_unit_test(knows_facilities_by_name),
		cmocka_unit_test(writes_whole_lines),
		cmocka_unit_test(leaves_out_what_is_not_important_enough),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
