/* The table of outcomes, and the verdicts made from it. */
#include "outcome.h"

#include "config.h"

#include "testing.h"

#include <ctype.h>

static const struct outcome_row *row_of(size_t outcome)
{
	return outcome_row((enum outcome)outcome);
}

static void every_outcome_has_a_row_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_row *row = row_of(i);

		if (!row->word || !row->meaning || !row->code || !row->enhanced)
			fail_msg("outcome %zu has no row", i);
		assert_true(row->word[0] && row->meaning[0]);
		for (const char *at = row->word; *at; at++)
			assert_true(islower((unsigned char)*at) || *at == '_');
		assert_string_equal(outcome_word(i), row->word);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->word, row_of(j)->word);
	}
}

/* RFC 3463, 2: the class is that of the reply's code. */
static void a_reply_fits_its_action(void **state)
{
	(void)state;
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_row *row = row_of(i);
		const char class = row->action == ACTION_REJECT ? '5' : '4';

		if (row->action != ACTION_REJECT && row->action != ACTION_DEFER) {
			assert_string_equal(row->code, "");
			assert_string_equal(row->enhanced, "");
		} else if (i != OUTCOME_NOT_TAKEN) { /* the reply is the MTA's */
			assert_int_equal(strlen(row->code), 3);
			assert_int_equal(row->code[0], class);
			if (row->enhanced[0])
				assert_int_equal(row->enhanced[0], class);
			else
				assert_int_not_equal(row->choice, CHOICE_NONE);
		}
	}
}

static void only_what_cronofy_decides_is_the_administrators_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		if (row_of(i)->choice != CHOICE_NONE)
			assert_true(row_of(i)->by_cronofy);
}

static void every_answer_has_an_enhanced_code(void **state)
{
	(void)state;
	for (int answer = 0; answer < CRONOFY_ANSWERS; answer++) {
		const char *code = outcome_enhanced((enum cronofy_answer)answer);

		assert_int_equal(code[0], cronofy_meaning((enum cronofy_answer)answer)->outcome ==
							  CANCEL_REFUSED
						  ? '5'
						  : '4');
	}
	assert_string_equal(outcome_enhanced(CRONOFY_UNKNOWN_INVITE), "5.5.0");
	assert_string_equal(outcome_enhanced(CRONOFY_OUTAGE), "4.4.1");
}

static void a_verdict_has_its_rows_reply_and_a_reason(void **state)
{
	struct verdict verdict = {.header = "X-Tag"};

	(void)state;
	verdict_refuse(&verdict, OUTCOME_BAD_TAG, "%d of them", 2);
	assert_int_equal(verdict.outcome, OUTCOME_BAD_TAG);
	assert_int_equal(verdict.action, ACTION_REJECT);
	assert_string_equal(verdict.code, "554");
	assert_string_equal(verdict.enhanced, "5.6.0");
	assert_string_equal(verdict.text, "X-Tag: 2 of them");
	verdict_accept(&verdict, OUTCOME_CANCELLED);
	assert_int_equal(verdict.action, ACTION_ACCEPT);
	assert_string_equal(verdict.code, "");
	assert_string_equal(verdict.text, "");
}

static void a_reason_shows_what_a_client_sent_and_sends_none_of_it(void **state)
{
	struct verdict verdict = {.header = "X-Tag"};
	char long_text[2000];

	(void)state;
	verdict_refuse(&verdict, OUTCOME_BAD_SENDER, "sender %s", "a\x7f\xff\r\n250 b\xe2\x80\xae@c");
	assert_string_equal(verdict.text,
			    "X-Tag: sender a\\x7f\\xff\\x0d\\x0a250 b\\xe2\\x80\\xae@c");
	memset(long_text, '\r', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	verdict_refuse(&verdict, OUTCOME_BAD_SENDER, "%s", long_text);
	assert_null(strchr(verdict.text, '\r'));
	assert_true(strlen(verdict.text) < sizeof(verdict.text));
}

static void what_the_mta_does_not_take_keeps_its_reason(void **state)
{
	struct verdict verdict = {.header = "X-Tag"};

	(void)state;
	verdict_refuse(&verdict, OUTCOME_REFUSED, "no such invite");
	verdict_choose(&verdict, FALLBACK_HOLD, "5.5.0");
	verdict_not_taken(&verdict);
	assert_int_equal(verdict.outcome, OUTCOME_NOT_TAKEN);
	assert_int_equal(verdict.action, ACTION_DEFER);
	assert_int_equal(verdict.level, LOG_LEVEL_ERROR);
	assert_string_equal(verdict.code, "");
	assert_string_equal(verdict.text, "X-Tag: no such invite");
}

static void the_administrator_chooses(void **state)
{
	static const struct {
		enum outcome outcome;
		enum fallback fallback;
		const char *enhanced;
		enum action action;
		const char *shown_code, *shown_enhanced;
		enum log_level level;
	} cases[] = {
		{OUTCOME_REFUSED, FALLBACK_REJECT, "5.5.4", ACTION_REJECT, "554", "5.5.4",
		 LOG_LEVEL_INFO},
		{OUTCOME_REFUSED, FALLBACK_TEMPFAIL, "5.5.4", ACTION_DEFER, "451", "4.5.0",
		 LOG_LEVEL_INFO},
		{OUTCOME_REFUSED, FALLBACK_HOLD, "5.5.4", ACTION_HOLD, "", "", LOG_LEVEL_INFO},
		{OUTCOME_REFUSED, FALLBACK_DELIVER, "5.5.4", ACTION_ACCEPT, "", "",
		 LOG_LEVEL_WARNING},
		{OUTCOME_UNAVAILABLE, FALLBACK_TEMPFAIL, "4.4.1", ACTION_DEFER, "451", "4.4.1",
		 LOG_LEVEL_WARNING},
		/* That somebody has to look is not lost by delivering. */
		{OUTCOME_BAD_CALENDAR, FALLBACK_DELIVER, "4.5.0", ACTION_ACCEPT, "", "",
		 LOG_LEVEL_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verdict verdict = {.header = "X-Tag"};

		verdict_refuse(&verdict, cases[i].outcome, "why");
		verdict_choose(&verdict, cases[i].fallback, cases[i].enhanced);
		assert_int_equal(verdict.outcome, cases[i].outcome);
		assert_int_equal(verdict.action, cases[i].action);
		assert_string_equal(verdict.code, cases[i].shown_code);
		assert_string_equal(verdict.enhanced, cases[i].shown_enhanced);
		assert_int_equal(verdict.level, cases[i].level);
		assert_string_equal(verdict.text, "X-Tag: why");
	}
}

/* Columns are two spaces apart at least, so that a program can read them. */
static void the_table_has_a_line_for_each(void **state)
{
	struct buffer table = buffer_with_maximum((size_t)64 * 1024);
	char *rest, *line;
	size_t lines = 0;

	(void)state;
	outcome_write_table(&table);
	assert_false(table.failed);
	rest = table.data;
	while ((line = strsep(&rest, "\n")) && *line) {
		size_t gaps = 0;

		for (char *at = line; (at = strstr(at, "  ")); at += strspn(at, " "))
			gaps++;
		assert_int_equal(gaps, 6);
		if (lines > 0)
			assert_int_equal(strncmp(line, outcome_word(lines - 1),
						 strlen(outcome_word(lines - 1))),
					 0);
		lines++;
	}
	assert_int_equal(lines, OUTCOME_COUNT + 1);
	buffer_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_has_a_row_of_its_own),
		cmocka_unit_test(a_reply_fits_its_action),
		cmocka_unit_test(only_what_cronofy_decides_is_the_administrators_choice),
		cmocka_unit_test(every_answer_has_an_enhanced_code),
		cmocka_unit_test(a_verdict_has_its_rows_reply_and_a_reason),
		cmocka_unit_test(a_reason_shows_what_a_client_sent_and_sends_none_of_it),
		cmocka_unit_test(what_the_mta_does_not_take_keeps_its_reason),
		cmocka_unit_test(the_administrator_chooses),
		cmocka_unit_test(the_table_has_a_line_for_each),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
