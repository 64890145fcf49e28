/* The table of what a calendar is looked at for, and the manual's. */
#include "calendar_rules.h"

#include "ical_reader.h"
#include "testing.h"

#define MANUAL "conf/man/cancel-invite-milter.8" /* the tests run where the source is */

static char *read_section(void)
{
	FILE *in = fopen(MANUAL, "re");
	char *page = malloc(1 << 20), *start, *end;

	assert_non_null(in);
	assert_non_null(page);
	page[fread(page, 1, (1 << 20) - 1, in)] = '\0';
	fclose(in);
	start = strstr(page, "\n.Sh THE CALENDAR\n");
	assert_non_null(start);
	end = strstr(start + 5, "\n.Sh ");
	assert_non_null(end);
	*end = '\0';
	memmove(page, start, strlen(start) + 1);
	return page;
}

/* The next line after the next .It, at or behind `at`; NULL if there is none. */
static char *take_item(char **at)
{
	char *item = strstr(*at, "\n.It\n"), *end;

	if (!item)
		return NULL;
	item += strlen("\n.It\n");
	end = strchr(item, '\n');
	assert_non_null(end);
	*end = '\0';
	*at = end;
	return item;
}

static void the_manual_names_each_rule_and_no_other(void **state)
{
	static const char *const lists[] = {
		[CALENDAR_REFUSED] = "\nRefused:",
		[CALENDAR_WARNED] = "\nSent with",
		[CALENDAR_MENDED] = "\nCorrected,",
	};
	(void)state;

	for (size_t effect = 0; effect < 3; effect++) {
		char *section = read_section(), *at = strstr(section, lists[effect]), *end;

		assert_non_null(at);
		end = strstr(at, "\n.El");
		assert_non_null(end);
		end[1] = '\0';
		for (int i = 0; i < CALENDAR_RULES; i++) {
			const struct calendar_rule_row *row = calendar_rule_row((enum calendar_rule)i);
			char *item;

			if (row->effect != effect)
				continue;
			item = take_item(&at);
			assert_non_null(item);
			assert_string_equal(item, row->text);
			*strchr(item, '\0') = '\n'; /* the next item begins with it */
		}
		assert_null(take_item(&at));
		free(section);
	}
}

static void each_rule_is_one_short_line(void **state)
{
	(void)state;
	for (int i = 0; i < CALENDAR_RULES; i++) {
		const char *text = calendar_rule_row((enum calendar_rule)i)->text;

		assert_non_null(text);
		assert_in_range(strlen(text), 5, 90);
		assert_null(strchr(text, '\n'));
	}
}

static void texts_name_the_bounds_that_there_are(void **state)
{
	static const struct {
		enum calendar_rule rule;
		size_t bound;
	} bounds[] = {
		{RULE_TOO_LARGE, ICAL_TEXT_MAXIMUM},
		{RULE_MANY_PARAMETERS, ICAL_PARAMETERS_MAXIMUM},
		{RULE_MANY_LINES, ICAL_LINES_MAXIMUM},
		{RULE_DEEP, ICAL_DEPTH_MAXIMUM},
		{RULE_MANY_COMPONENTS, ICAL_COMPONENTS_MAXIMUM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		char number[32];

		snprintf(number, sizeof(number), "than %zu", bounds[i].bound);
		assert_contains(calendar_rule_row(bounds[i].rule)->text, number);
	}
}

static void a_broken_rule_says_where(void **state)
{
	struct problem why = {.cannot_tell = true}, list = {.text = ""};

	(void)state;
	assert_false(calendar_rule_break(&why, RULE_LONE_CR, 7));
	assert_string_equal(why.text, "a CR without LF in it (line 7)");
	assert_false(why.cannot_tell);
	assert_false(calendar_rule_break(&why, RULE_EMPTY, 0));
	assert_string_equal(why.text, "it is empty");
	calendar_rule_note(&list, RULE_NO_PRODID);
	calendar_rule_note(&list, RULE_NO_VERSION);
	assert_string_equal(list.text, "no PRODID; no VERSION");
	/* All of them fit. */
	for (int i = 0; i < CALENDAR_RULES; i++)
		if (calendar_rule_row((enum calendar_rule)i)->effect != CALENDAR_REFUSED)
			calendar_rule_note(&list, (enum calendar_rule)i);
	assert_contains(list.text, calendar_rule_row(CALENDAR_RULES - 1)->text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_names_each_rule_and_no_other),
		cmocka_unit_test(each_rule_is_one_short_line),
		cmocka_unit_test(texts_name_the_bounds_that_there_are),
		cmocka_unit_test(a_broken_rule_says_where),
	};

	return cmocka_run_group_tests_name("calendar_rules", tests, NULL, NULL);
}
