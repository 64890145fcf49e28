/* iCalendar text as content lines. */
#include "ical_reader.h"

#include "random.h"
#include "testing.h"
#include "utf8.h"

/* What is read, a line each: "depth component|name|parameters|value", "!" behind dropped controls. */
static struct buffer read_all(const char *text, size_t length, struct problem *why)
{
	struct buffer out = buffer_with_maximum((size_t)4 << 20);
	struct ical_reader reader;
	struct ical_line line;
	enum ical_next next;

	buffer_append_text(&out, "");
	why->text[0] = '\0';
	if (!ical_reader_start(&reader, (struct span){text, length}, why)) {
		ical_reader_free(&reader);
		return out;
	}
	while ((next = ical_reader_next(&reader, &line, why)) == ICAL_NEXT_LINE) {
		buffer_printf(&out, "%zu %s|", line.depth, line.component);
		buffer_append(&out, line.name.at, line.name.length);
		buffer_append_text(&out, "|");
		buffer_append(&out, line.parameters.at, line.parameters.length);
		buffer_append_text(&out, "|");
		buffer_append(&out, line.value.at, line.value.length);
		buffer_append_text(&out, line.had_control ? "!\n" : "\n");
	}
	assert_int_equal(next == ICAL_NEXT_FAULT, why->text[0] != '\0');
	ical_reader_free(&reader);
	return out;
}

static const struct {
	const char *text, *lines, *why;
} texts[] = {
	{"BEGIN:VCALENDAR\nX:1\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||1\n0 |END||VCALENDAR\n", ""},
	{"begin:vcalendar\r\nBEGIN:X-C\r\nX-A:\r\nEND:x-c\r\nEND:VCalendar\r\n",
	 "1 vcalendar|begin||vcalendar\n2 X-C|BEGIN||X-C\n2 X-C|X-A||\n1 vcalendar|END||x-c\n"
	 "0 |END||VCalendar\n", ""},
	/* folds */
	{"BEG\r\n IN:VCAL\n\tENDAR\nX:a\r\n  b\n\t\tc\nEND:VCALENDAR", "", "BEGIN:VCALENDAR"},
	{"BEGIN:VCAL\n\tENDAR\nX:a\r\n  b\n\t\tc\n \n \r\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||a b\tc\n0 |END||VCALENDAR\n", ""},
	{"BEGIN:VCALENDAR\nX:\xe2\n \x82\r\n \xac\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||\xe2\x82\xac\n0 |END||VCALENDAR\n", ""},
	/* empty lines */
	{"\n \r\nBEGIN:VCALENDAR\n\n\r\nX:a\n\r\n b\n\n\nEND:VCALENDAR\r\n\n ",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||ab\n0 |END||VCALENDAR\n", ""},
	/* parameters */
	{"BEGIN:VCALENDAR\nX;A=b;C=\"d;e:f\",g,,\"\";H=:i:j;k\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X|;A=b;C=\"d;e:f\",g,,\"\";H=|i:j;k\n"
	 "0 |END||VCALENDAR\n", ""},
	/* control characters */
	{"BEGIN:VCALENDAR\nX:\x01" "a\x1f\tb\x7f\nY:\xc2\x80\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||a\tb!\n1 VCALENDAR|Y||\xc2\x80\n"
	 "0 |END||VCALENDAR\n", ""},
	/* faults, and where */
	{"", "", "it is empty"},
	{"\xef\xbb\xbf \n", "", "it is empty"},
	{"\xef\xbb\xbf\xef\xbb\xbf" "BEGIN:VCALENDAR", "", "BEGIN:VCALENDAR"},
	{"BEGIN:VEVENT\nEND:VEVENT", "", "BEGIN:VCALENDAR"},
	{"BEGIN:VCALENDAR\n\n\nX\n", "1 VCALENDAR|BEGIN||VCALENDAR\n",
	 "a line in it is not name;parameters:value (RFC 5545, 3.1) (line 4)"},
	{"BEGIN:VCALENDAR\nX:1\n 2\n 3\nY\n", "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||123\n",
	 "a line in it is not name;parameters:value (RFC 5545, 3.1) (line 5)"},
	{"BEGIN:VCALENDAR\nX:1\n 2\r3\n", "1 VCALENDAR|BEGIN||VCALENDAR\n", "a CR without LF in it (line 3)"},
	{"BEGIN:VCALENDAR\nX:1\nEND:VCALENDAR\r\r\nX:2", "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||1\n",
	 "a CR without LF in it (line 3)"},
	{"BEGIN:VCALENDAR\nX;\"a\"=b:c", "1 VCALENDAR|BEGIN||VCALENDAR\n", "(line 2)"},
	{"BEGIN:VCALENDAR\nX;a=b", "1 VCALENDAR|BEGIN||VCALENDAR\n", "(line 2)"},
	{"BEGIN:VCALENDAR\nX;a", "1 VCALENDAR|BEGIN||VCALENDAR\n", "(line 2)"},
	{"BEGIN:VCALENDAR\nX;", "1 VCALENDAR|BEGIN||VCALENDAR\n", "(line 2)"},
	{"BEGIN:VCALENDAR\nX;a=\"", "1 VCALENDAR|BEGIN||VCALENDAR\n", "(line 2)"},
	{"BEGIN:VCALENDAR\nBEGIN:\n", "1 VCALENDAR|BEGIN||VCALENDAR\n", "names no component"},
	{"BEGIN:VCALENDAR\nBEGIN:X C\n", "1 VCALENDAR|BEGIN||VCALENDAR\n", "names no component"},
	{"BEGIN:VCALENDAR\nEND:VCALENDAR \nX:1", "1 VCALENDAR|BEGIN||VCALENDAR\n", "names no component"},
	{"BEGIN:VCALENDAR\nEND;A=b:VCALENDAR", "1 VCALENDAR|BEGIN||VCALENDAR\n", "has parameters"},
	{"BEGIN;A=b:VCALENDAR\nEND:VCALENDAR", "", "BEGIN:VCALENDAR"},
	{"BEGIN:VCALENDAR\nBEGIN:VCALENDAR\n", "1 VCALENDAR|BEGIN||VCALENDAR\n", "more than one VCALENDAR"},
	{"BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n0 |END||VCALENDAR\n", "more than one VCALENDAR"},
	{"BEGIN:VCALENDAR\nEND:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n0 |END||VCALENDAR\n", "outside"},
	{"BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR",
	 "1 VCALENDAR|BEGIN||VCALENDAR\n0 |END||VCALENDAR\n", "outside"},
	{"BEGIN:VCALENDAR\nEND:VEVENT", "1 VCALENDAR|BEGIN||VCALENDAR\n", "does not match"},
	{"BEGIN:VCALENDAR\nX:1", "1 VCALENDAR|BEGIN||VCALENDAR\n1 VCALENDAR|X||1\n", "in the middle"},
};

static void reads_content_lines_and_says_where_there_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct problem why;
		struct buffer lines = read_all(texts[i].text, strlen(texts[i].text), &why);

		if (strcmp(lines.data, texts[i].lines) != 0)
			fail_msg("%s\ngives\n%s", texts[i].text, lines.data);
		if (texts[i].why[0])
			assert_contains(why.text, texts[i].why);
		else
			assert_string_equal(why.text, "");
		buffer_free(&lines);
	}
}

static void gives_the_parameters_of_a_line(void **state)
{
	static const char *const wanted[][2] = {
		{"CN", "Ada, L: 1;2"}, {"X-EMPTY", ""}, {"MEMBER", "\"a\",\"b\""}, {"email", "a@b"},
		{"Q", ""},
	};
	struct span rest = span_of_text(";CN=\"Ada, L: 1;2\";X-EMPTY=;MEMBER=\"a\",\"b\";email=a@b;Q=\"\"");
	struct span name, value;

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_true(ical_next_parameter(&rest, &name, &value));
		assert_span(name, wanted[i][0]);
		assert_span(value, wanted[i][1]);
	}
	assert_false(ical_next_parameter(&rest, &name, &value));
}

/* Content lines, written in random folds, line ends and empty lines, are read as they were meant. */
static void however_it_is_folded_the_lines_are_the_same(void **state)
{
	static const char *const pieces[] = {"a", " ", "\t", ";", ":", ",", "=", "\"", "\\n", "-", "\xc3\xa4",
					     "\xe2\x82\xac", "\xf0\x9f\x98\x80", "BEGIN:", "X"};
	static const char *const ends[] = {"\r\n", "\n", "\r\n\r\n", "\n\n"};
	static const char *const folds[] = {"\r\n ", "\n\t", "\n\r\n ", "\r\n \n\t"};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct buffer text = buffer_with_maximum(100000), wanted = buffer_with_maximum(100000);
		struct buffer lines;
		struct problem why;

		buffer_append_text(&text, "BEGIN:VCALENDAR\r\n");
		buffer_append_text(&wanted, "1 VCALENDAR|BEGIN||VCALENDAR\n");
		for (size_t line = random_below(&random, 6); line > 0; line--) {
			struct buffer content = buffer_with_maximum(1000);

			buffer_append_text(&content, "X-A;B=\"c\":");
			for (size_t i = random_below(&random, 40); i > 0; i--)
				buffer_append_text(&content, pieces[random_below(&random, 15)]);
			buffer_printf(&wanted, "1 VCALENDAR|X-A|;B=\"c\"|%s\n", content.data + 10);
			/* A fold may come behind any octet. */
			for (size_t i = 0; i < content.length; i++) {
				buffer_append(&text, content.data + i, 1);
				if (random_below(&random, 5) == 0)
					buffer_append_text(&text, folds[random_below(&random, 4)]);
			}
			buffer_append_text(&text, ends[random_below(&random, 4)]);
			buffer_free(&content);
		}
		buffer_append_text(&text, "END:VCALENDAR");
		buffer_append_text(&wanted, "0 |END||VCALENDAR\n");
		lines = read_all(text.data, text.length, &why);
		if (strcmp(lines.data, wanted.data) != 0)
			fail_msg("CIM_SEED=%llu, round %d: %s\n%s\ngives\n%s",
				 (unsigned long long)random_seed(), round, why.text, text.data, lines.data);
		buffer_free(&text);
		buffer_free(&wanted);
		buffer_free(&lines);
	}
}

static void a_text_of_any_length_up_to_the_maximum_is_read(void **state)
{
	static const char head[] = "BEGIN:VCALENDAR\nX:", tail[] = "\nEND:VCALENDAR";
	char *text = text_of_length(ICAL_TEXT_MAXIMUM + 1, 'x');
	const size_t tail_at = ICAL_TEXT_MAXIMUM - (sizeof(tail) - 1);
	struct buffer lines;
	struct problem why;

	(void)state;
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + tail_at, tail, sizeof(tail) - 1);
	lines = read_all(text, ICAL_TEXT_MAXIMUM, &why);
	assert_string_equal(why.text, "");
	buffer_free(&lines);
	lines = read_all(text, ICAL_TEXT_MAXIMUM + 1, &why);
	assert_contains(why.text, "larger than");
	buffer_free(&lines);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_content_lines_and_says_where_there_is_none),
		cmocka_unit_test(gives_the_parameters_of_a_line),
		cmocka_unit_test(however_it_is_folded_the_lines_are_the_same),
		cmocka_unit_test(a_text_of_any_length_up_to_the_maximum_is_read),
	};

	return cmocka_run_group_tests_name("ical_reader", tests, NULL, NULL);
}
