/* Header field values. */
#include "field.h"

#include "buffer.h"

#include "testing.h"

static const struct {
	const char *value, *type, *subtype; /* NULL: none there */
} media_types[] = {
	{"text/plain", "text", "plain"},
	{" Text/HTML; charset=x", "Text", "HTML"},
	{"\r\n\ttext/plain", "text", "plain"},
	{"text / plain", "text", "plain"},
	{"(a (b) \\) c) text (d) / (e) plain (f)", "text", "plain"},
	{"application/vnd.ms-excel+xml;x", "application", "vnd.ms-excel+xml"},
	{"text/plain garbage", "text", "plain"},
	{"text/plain;", "text", "plain"},
	{"", NULL, NULL},
	{"text", NULL, NULL},
	{"text/", NULL, NULL},
	{"/plain", NULL, NULL},
	{"text//plain", NULL, NULL},
	{"text;/plain", NULL, NULL},
	{"\"text\"/plain", NULL, NULL},
	{"(text/plain", NULL, NULL},
	{"; charset=x", NULL, NULL},
};

static void finds_the_media_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
		struct span type, subtype;
		bool found = field_media_type(span_of_text(media_types[i].value), &type, &subtype);

		if (found != (media_types[i].type != NULL))
			fail_msg("\"%s\"", media_types[i].value);
		if (!found)
			continue;
		assert_span(type, media_types[i].type);
		assert_span(subtype, media_types[i].subtype);
	}
}

static void finds_the_first_token(void **state)
{
	(void)state;
	assert_span(field_first_token(span_of_text(" attachment; filename=x")), "attachment");
	assert_span(field_first_token(span_of_text("(comment) inline")), "inline");
	assert_span(field_first_token(span_of_text("base64")), "base64");
	assert_span(field_first_token(span_of_text("")), "");
	assert_span(field_first_token(span_of_text("\"attachment\"")), "");
	assert_span(field_first_token(span_of_text("(never closed")), "");
}

static const struct {
	const char *value;
	enum field_parameter result;
	const char *boundary;
} parameters[] = {
	{"m/x; boundary=abc", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x;boundary=abc;charset=y", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; charset=y; BOUNDARY=abc", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; boundary=\"abc\"", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; boundary = \"abc\" ", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; boundary=\"a;b\"", FIELD_PARAMETER_FOUND, "a;b"},
	{"m/x; boundary=\"a\\\"b\\\\c\\d\"", FIELD_PARAMETER_FOUND, "a\"b\\cd"},
	{"m/x; boundary=\"ab\r\n c\"", FIELD_PARAMETER_FOUND, "ab c"},
	{"m/x; boundary=\"ab\n\tc\"", FIELD_PARAMETER_FOUND, "ab\tc"},
	{"m/x;\r\n\tboundary=abc", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; (c) boundary (c) = (c) abc (c)", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; boundary=a=b/c:d", FIELD_PARAMETER_FOUND, "a=b/c:d"},
	{"m/x; name=\"boundary=no\"; boundary=yes", FIELD_PARAMETER_FOUND, "yes"},
	{"m/x; name=\"; boundary=no\"; boundary=yes", FIELD_PARAMETER_FOUND, "yes"},
	{"m/x; name=\"\\\"; boundary=no\"; boundary=yes", FIELD_PARAMETER_FOUND, "yes"},
	{"m/x (; boundary=no); boundary=yes", FIELD_PARAMETER_FOUND, "yes"},
	{"m/x; boundary=", FIELD_PARAMETER_FOUND, ""},
	{"m/x; boundary=\"\"", FIELD_PARAMETER_FOUND, ""},
	{"m/x; boundary=abc;", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x;;; boundary=abc", FIELD_PARAMETER_FOUND, "abc"},
	{"m/x; boundary=1234567", FIELD_PARAMETER_FOUND, "1234567"},
	{"m/x; boundary=\"1234567\"", FIELD_PARAMETER_FOUND, "1234567"},

	{"", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x;", FIELD_PARAMETER_ABSENT, NULL},
	{"boundary=abc", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x; xboundary=abc", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x; boundaryx=abc", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x; name=\"; boundary=abc\"", FIELD_PARAMETER_ABSENT, NULL},
	{"m/x (; boundary=abc", FIELD_PARAMETER_ABSENT, NULL},

	{"m/x; boundary", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a; boundary=b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a; boundary=a", FIELD_PARAMETER_UNUSABLE, NULL},
	/* RFC 2231 */
	{"m/x; boundary*=utf-8''a", FIELD_PARAMETER_FOUND, "a"},
	{"m/x; boundary*=us-ascii'en'a%20%62", FIELD_PARAMETER_FOUND, "a b"},
	{"m/x; BOUNDARY*=''%3Da", FIELD_PARAMETER_FOUND, "=a"},
	{"m/x; boundary*=\"''a\"", FIELD_PARAMETER_FOUND, "a"},
	{"m/x; boundary*0=a; boundary*1=b", FIELD_PARAMETER_FOUND, "ab"},
	{"m/x; boundary*1=b; x=y; boundary*0=a", FIELD_PARAMETER_FOUND, "ab"},
	{"m/x; boundary*0*=''%61; boundary*1=%62; boundary*2*=%63", FIELD_PARAMETER_FOUND, "a%62c"},
	{"m/x; boundary*0=\"a;\"; boundary*1=\"b\"", FIELD_PARAMETER_FOUND, "a;b"},
	{"m/x; boundary*0=1234; boundary*1=567", FIELD_PARAMETER_FOUND, "1234567"},
	{"m/x; boundary*0=1234; boundary*1=5678", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a; boundary*=utf-8''a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a; boundary*0=a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a; boundary*=''a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0=a; boundary*0=a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0=a; boundary*0*=''a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0=a; boundary*2=b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*1=a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0=a; boundary*01=b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0=a; boundary*1000=b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*x=a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary**=''a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*0**=''a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*='a", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a%2", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a%zz", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a%00", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a%0D%0A", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*=''a%7f", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary*", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=\"abc", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=\"abc\\", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=\"a\"b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a b", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=a\"b\"", FIELD_PARAMETER_UNUSABLE, NULL},
	{"m/x; boundary=12345678", FIELD_PARAMETER_UNUSABLE, NULL}, /* does not fit */
	{"m/x; boundary=\"12345678\"", FIELD_PARAMETER_UNUSABLE, NULL},
};

static void finds_one_well_formed_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		char out[8] = "";
		enum field_parameter result = field_parameter(span_of_text(parameters[i].value),
							      "boundary", out, sizeof(out));

		if (result != parameters[i].result)
			fail_msg("\"%s\" gives %d, \"%s\"", parameters[i].value, (int)result, out);
		if (result == FIELD_PARAMETER_FOUND)
			assert_string_equal(out, parameters[i].boundary);
	}
}

static void a_parameter_has_so_many_sections_and_no_more(void **state)
{
	char out[64];

	(void)state;
	for (size_t count = FIELD_SECTIONS_MAXIMUM; count <= FIELD_SECTIONS_MAXIMUM + 1; count++) {
		struct buffer value = buffer_with_maximum(10000);

		buffer_append_text(&value, "m/x");
		for (size_t i = 0; i < count; i++)
			buffer_printf(&value, "; b*%zu=x", i);
		assert_int_equal(field_parameter(buffer_span(&value), "b", out, sizeof(out)),
				 count <= FIELD_SECTIONS_MAXIMUM ? FIELD_PARAMETER_FOUND
								 : FIELD_PARAMETER_UNUSABLE);
		buffer_free(&value);
	}
}

static void gives_each_value_of_a_parameter_in_whatever_form(void **state)
{
	static const struct {
		const char *value, *found[4];
	} values[] = {
		{"a/b; name=x; NAME=\"y z\"; other=q; name*=''%77", {"x", "y z", "w"}},
		{"a/b; name*1=b; name*0=a; name=x", {"x", "ab"}},
		{"a/b; name; name=x; name=\"open", {"x"}},
		{"a/b; name*x=a; name=x", {"x"}},
		{"a/b; name*=bad; name*=''good; name*0=p", {"good", "p"}},
		{"a/b; name*1=b", {NULL}},
		{"a/b", {NULL}},
		{"", {NULL}},
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct span value = span_of_text(values[i].value);
		struct field_cursor cursor = {0};

		for (size_t j = 0; values[i].found[j]; j++) {
			assert_true(field_parameter_each(value, "name", &cursor, out, sizeof(out)));
			assert_string_equal(out, values[i].found[j]);
		}
		assert_false(field_parameter_each(value, "name", &cursor, out, sizeof(out)));
	}
}

/* However often a parameter is given, only so many of them are looked at. */
static void many_values_cost_no_more_than_some(void **state)
{
	struct buffer value = buffer_with_maximum(1000000);
	struct field_cursor cursor = {0};
	size_t count = 0;
	char out[8];

	(void)state;
	buffer_append_text(&value, "a/b");
	for (size_t i = 0; i < 10000; i++)
		buffer_append_text(&value, "; name=x");
	while (field_parameter_each(buffer_span(&value), "name", &cursor, out, sizeof(out)))
		count++;
	assert_int_equal(count, FIELD_SECTIONS_MAXIMUM);
	buffer_free(&value);
}

static const struct {
	const char *value, *address;
} froms[] = {
	{"a@b", "a@b"},
	{" a@b\r\n", "a@b"},
	{"A <a@b>", "a@b"},
	{"<a@b>", "a@b"},
	{"\"<x@y>\" <a@b>", "a@b"},
	{"\"\\\"<x@y>\" < a@b >", "a@b"},
	{"A <a@b>, C <c@d>", "a@b"},
	{"", ""},
	{"<>", ""},
	{"A <a@b", ""},
	{"no address", ""},
	{"nobody", ""},
	{"a@b c@d", ""},
	{"\"never <a@b>", ""},
};

static void finds_the_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++)
		assert_span(field_address(span_of_text(froms[i].value)), froms[i].address);
}

static void walks_over_the_fields_of_a_block(void **state)
{
	struct span block = span_of_text("A: 1\r\nB:2\nFolded:\r\n x\r\n\ty\r\nOld : z\r\nEmpty:\r\nLast: q");
	static const char *const expected[][2] = {
		{"A", " 1"}, {"B", "2"}, {"Folded", "\r\n x\r\n\ty"}, {"Old", " z"}, {"Empty", ""},
		{"Last", " q"},
	};
	struct span name, value;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(field_next(&block, &name, &value));
		assert_span(name, expected[i][0]);
		assert_span(value, expected[i][1]);
	}
	assert_false(field_next(&block, &name, &value));
	assert_int_equal(block.length, 0);
}

static void stops_at_a_line_that_is_no_field(void **state)
{
	static const char *const lines[] = {"no colon\r\n", ":no name\r\n", " continued: x\r\n", "\r\n",
					    "a b: x\r\n",   "J\xc3\xb6rg: x", "\x01: x", "name"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[64];
		struct span block, name, value;

		/* In front of the first field a blank begins no continuation. */
		block = span_of_text(lines[i]);
		assert_false(field_next(&block, &name, &value));
		assert_span(block, lines[i]);
		if (lines[i][0] == ' ')
			continue;
		snprintf(text, sizeof(text), "A: 1\r\n%s", lines[i]);
		block = span_of_text(text);
		assert_true(field_next(&block, &name, &value));
		assert_span(value, " 1");
		assert_false(field_next(&block, &name, &value));
		assert_span(block, lines[i]);
	}
}

static void a_value_may_hold_anything_but_its_own_end(void **state)
{
	struct span block = span_of_literal("A: x\0y\rz\r\n"), name, value;

	(void)state;
	assert_true(field_next(&block, &name, &value));
	assert_int_equal(value.length, 6);
	assert_memory_equal(value.at, " x\0y\rz", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_media_type),
		cmocka_unit_test(finds_the_first_token),
		cmocka_unit_test(finds_one_well_formed_parameter),
		cmocka_unit_test(a_parameter_has_so_many_sections_and_no_more),
		cmocka_unit_test(gives_each_value_of_a_parameter_in_whatever_form),
		cmocka_unit_test(many_values_cost_no_more_than_some),
		cmocka_unit_test(finds_the_address),
		cmocka_unit_test(walks_over_the_fields_of_a_block),
		cmocka_unit_test(stops_at_a_line_that_is_no_field),
		cmocka_unit_test(a_value_may_hold_anything_but_its_own_end),
	};

	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
