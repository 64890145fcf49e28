/* What each answer of Cronofy means: a table without a hole. */
#include "cronofy_answer.h"

#include "testing.h"

#include <ctype.h>

static void every_answer_has_a_whole_row(void **state)
{
	(void)state;
	for (int i = 0; i < CRONOFY_ANSWERS; i++) {
		const struct cronofy_meaning *meaning = cronofy_meaning((enum cronofy_answer)i);

		if (!meaning->word || !meaning->text || meaning->outcome == 0)
			fail_msg("answer %d has a hole in its row", i);
		for (const char *at = meaning->word; *at; at++)
			assert_true(islower((unsigned char)*at) || *at == '_');
		assert_true(strlen(meaning->text) > 10);
	}
}

static void every_answer_has_a_word_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < CRONOFY_ANSWERS; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cronofy_meaning((enum cronofy_answer)i)->word,
						cronofy_meaning((enum cronofy_answer)j)->word);
}

static void the_manual_has_every_word(void **state)
{
	static char manual[200000];
	FILE *file = fopen("conf/man/cancel-invite-milter.8", "r");
	size_t length;

	(void)state;
	if (!file)
		skip(); /* run from another folder */
	length = fread(manual, 1, sizeof(manual) - 1, file);
	fclose(file);
	manual[length] = '\0';
	for (int i = 0; i < CRONOFY_ANSWERS; i++) {
		char words[64];

		snprintf(words, sizeof(words), ".Cm %s", cronofy_meaning((enum cronofy_answer)i)->word);
		assert_contains(manual, words);
	}
}

/* What is final is not tried again, and is no matter for the administrator. */
static void a_row_does_not_contradict_itself(void **state)
{
	(void)state;
	for (int i = 0; i < CRONOFY_ANSWERS; i++) {
		const struct cronofy_meaning *meaning = cronofy_meaning((enum cronofy_answer)i);

		if (meaning->outcome == CANCEL_DONE || meaning->outcome == CANCEL_REFUSED) {
			assert_false(meaning->try_again);
			assert_false(meaning->needs_administrator);
		}
		assert_false(meaning->try_again && meaning->needs_administrator);
		assert_true(meaning->outcome != CANCEL_NO_TURN &&
			    meaning->outcome != CANCEL_INTERRUPTED);
		assert_int_equal(meaning->sign == BREAKER_AWAY,
				 i == CRONOFY_NO_ANSWER || i == CRONOFY_OUTAGE);
	}
}

static const struct {
	long status;
	enum cronofy_answer answer;
} statuses[] = {
	{422, CRONOFY_INVALID},     {404, CRONOFY_UNKNOWN_INVITE}, {410, CRONOFY_UNKNOWN_INVITE},
	{401, CRONOFY_BAD_KEY},     {402, CRONOFY_PLAN},           {403, CRONOFY_NOT_ALLOWED},
	{423, CRONOFY_CREDENTIALS}, {429, CRONOFY_LIMIT},          {400, CRONOFY_NOT_CRONOFY},
	{408, CRONOFY_TOO_EARLY},   {425, CRONOFY_TOO_EARLY},      {300, CRONOFY_REDIRECT},
	{301, CRONOFY_REDIRECT},    {307, CRONOFY_REDIRECT},       {399, CRONOFY_REDIRECT},
	{500, CRONOFY_OUTAGE},      {503, CRONOFY_OUTAGE},         {599, CRONOFY_OUTAGE},
	{0, CRONOFY_BAD_REPLY},     {100, CRONOFY_BAD_REPLY},      {199, CRONOFY_BAD_REPLY},
	{405, CRONOFY_BAD_REPLY},   {418, CRONOFY_BAD_REPLY},      {499, CRONOFY_BAD_REPLY},
};

static void every_status_is_an_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		assert_int_equal(cronofy_answer_of_status(statuses[i].status), statuses[i].answer);
	for (long status = -1; status < 1000; status++)
		assert_true(cronofy_answer_of_status(status) < CRONOFY_ANSWERS);
}

/* 5xx to the sender only for what Cronofy itself says of the request. */
static void only_what_cronofy_says_of_the_request_is_a_refusal(void **state)
{
	(void)state;
	for (long status = 0; status < 1000; status++) {
		const enum cronofy_answer answer = cronofy_answer_of_status(status);

		assert_int_equal(cronofy_meaning(answer)->outcome == CANCEL_REFUSED,
				 status == 404 || status == 410 || status == 422);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_has_a_whole_row),
		cmocka_unit_test(every_answer_has_a_word_of_its_own),
		cmocka_unit_test(the_manual_has_every_word),
		cmocka_unit_test(a_row_does_not_contradict_itself),
		cmocka_unit_test(every_status_is_an_answer),
		cmocka_unit_test(only_what_cronofy_says_of_the_request_is_a_refusal),
	};

	return cmocka_run_group_tests_name("cronofy_answer", tests, NULL, NULL);
}
