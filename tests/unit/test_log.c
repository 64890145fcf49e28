/* Where lines of the log go, and what comes around them. */
#include "log.h"

#include "testing.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static void knows_facilities_by_name(void **state)
{
	(void)state;
	assert_int_equal(log_facility("mail"), LOG_MAIL);
	assert_int_equal(log_facility("local7"), LOG_LOCAL7);
	assert_int_equal(log_facility("MAIL"), -1);
	assert_int_equal(log_facility(""), -1);
}

/* What `write` writes to standard error, a pipe, which may be the journal. */
static size_t capture_write(void (*write)(void *), void *context, bool is_journal, char *out,
			    size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);
	char stream[64];
	struct stat status;
	ssize_t length;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fstat(ends[1], &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		 (unsigned long long)status.st_ino + !is_journal);
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(ends[1], STDERR_FILENO);
	write(context);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	unsetenv("JOURNAL_STREAM");
	length = read(ends[0], out, size - 1);
	close(ends[0]);
	assert_true(length >= 0);
	out[length] = '\0';
	return (size_t)length;
}

struct entry {
	enum log_format format;
	enum log_level least, level;
	const char *text;
};

static void write_entry(void *context)
{
	const struct entry *entry = context;

	log_open(LOG_TO_STDERR, 0, entry->least, entry->format);
	log_write(entry->level, "%s", entry->text);
}

/* What log_write() writes to standard error meanwhile. */
static size_t capture(enum log_level least, enum log_level level, const char *text, char *out,
		      size_t size)
{
	struct entry entry = {LOG_FORMAT_TEXT, least, level, text};

	return capture_write(write_entry, &entry, false, out, size);
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
	assert_int_equal(capture(LOG_LEVEL_WARNING, LOG_LEVEL_INFO, "x", out, sizeof(out)), 0);
	assert_int_equal(capture(LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, "x", out, sizeof(out)), 0);
	assert_int_not_equal(capture(LOG_LEVEL_INFO, LOG_LEVEL_INFO, "x", out, sizeof(out)), 0);
	assert_int_not_equal(capture(LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, "x", out, sizeof(out)), 0);
}

static void write_fields(void *context)
{
	const enum log_format *format = context;
	struct log_line line;

	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_WARNING, *format);
	line = log_begin();
	log_field(&line, "invite", "say \"hi\"");
	log_number(&line, "ms", 86);
	log_end(LOG_LEVEL_WARNING, &line);
	line = log_begin();
	log_field(&line, "not", "important");
	log_end(LOG_LEVEL_INFO, &line);
}

/* Exactly one line of JSON, and its time, which is cut off. The caller frees it. */
static cJSON *read_entry(const char *out)
{
	const char *newline = strchr(out, '\n'), *end = NULL;
	cJSON *entry = cJSON_ParseWithOpts(out, &end, 0), *time;
	struct tm at;

	assert_non_null(entry);
	assert_ptr_equal(end, newline);
	assert_string_equal(newline, "\n");
	assert_true(utf8_valid(out, strlen(out)));
	time = cJSON_DetachItemFromObject(entry, "time");
	assert_string_equal(strptime(time->valuestring, "%Y-%m-%dT%H:%M:%S", &at) + 4, "Z");
	cJSON_Delete(time);
	return entry;
}

static void assert_entry(const char *out, const char *expected)
{
	cJSON *entry = read_entry(out);
	char *text = cJSON_PrintUnformatted(entry);

	assert_string_equal(text, expected);
	cJSON_free(text);
	cJSON_Delete(entry);
}

static void writes_named_values_in_the_form_that_was_chosen(void **state)
{
	enum log_format text = LOG_FORMAT_TEXT, json = LOG_FORMAT_JSON;
	char out[4097];

	(void)state;
	capture_write(write_fields, &text, false, out, sizeof(out));
	assert_string_equal(out, "warning: invite=\"say \\\"hi\\\"\" ms=86\n");
	capture_write(write_fields, &json, false, out, sizeof(out));
	assert_entry(out, "{\"level\":\"warning\",\"invite\":\"say \\\"hi\\\"\",\"ms\":86}");
}

static void writes_a_message_as_json(void **state)
{
	struct entry entry = {LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_ERROR, "a \"b\"\nc"};
	char out[4097];

	(void)state;
	capture_write(write_entry, &entry, false, out, sizeof(out));
	assert_entry(out, "{\"level\":\"error\",\"message\":\"a \\\"b\\\"\\nc\"}");
}

static void a_long_message_is_json_all_the_same(void **state)
{
	static const char pieces[] = {'x', '\n', '"', '\xff', '\x01'};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces); i++) {
		char out[8192], *text = text_of_length(6000, pieces[i]);
		struct entry entry = {LOG_FORMAT_JSON, LOG_LEVEL_INFO, LOG_LEVEL_INFO, text};
		size_t length = capture_write(write_entry, &entry, true, out, sizeof(out));

		assert_in_range(length, 1000, 4096);
		assert_memory_equal(out, "<6>", 3);
		cJSON_Delete(read_entry(out + 3));
		free(text);
	}
}

static void tells_the_journal_each_lines_priority(void **state)
{
	static const struct {
		enum log_level level;
		const char *text, *json;
	} entries[] = {
		{LOG_LEVEL_ERROR, "<3>error: x\n", "<3>{"},
		{LOG_LEVEL_WARNING, "<4>warning: x\n", "<4>{"},
		{LOG_LEVEL_INFO, "<6>info: x\n", "<6>{"},
	};
	char out[4097];

	(void)state;
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct entry entry = {LOG_FORMAT_TEXT, LOG_LEVEL_INFO, entries[i].level, "x"};

		capture_write(write_entry, &entry, true, out, sizeof(out));
		assert_string_equal(out, entries[i].text);
		entry.format = LOG_FORMAT_JSON;
		capture_write(write_entry, &entry, true, out, sizeof(out));
		assert_memory_equal(out, entries[i].json, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_facilities_by_name),
		cmocka_unit_test(writes_whole_lines),
		cmocka_unit_test(leaves_out_what_is_not_important_enough),
		cmocka_unit_test(writes_named_values_in_the_form_that_was_chosen),
		cmocka_unit_test(writes_a_message_as_json),
		cmocka_unit_test(a_long_message_is_json_all_the_same),
		cmocka_unit_test(tells_the_journal_each_lines_priority),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
