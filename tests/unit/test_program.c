/* A program is asked, and whatever it does we go on: here a script stands in for postconf. */
#include "program.h"

#include "clock.h"
#include "folder.h"
#include "testing.h"

static char *const question[] = {"postconf", "-x", "one word", NULL};

/* Asks a postconf that is this script; NULL: PATH has none. */
static enum program_answer ask(void **state, const char *script, long long timeout,
			       struct buffer *out, struct problem *why)
{
	const struct folder *folder = *state;
	enum program_answer answer;
	char *before = strdup(getenv("PATH"));

	if (script)
		folder_write(folder, "postconf", 0700, script, strlen(script));
	*out = buffer_with_maximum(100000);
	setenv("PATH", folder->path, 1);
	answer = program_ask(question, timeout, out, why);
	setenv("PATH", before, 1);
	free(before);
	return answer;
}

static void gives_what_it_prints(void **state)
{
	struct buffer out;
	struct problem why = {.text = "left alone"};

	assert_int_equal(ask(state, "#!/bin/sh\necho \"$2|$*\"; echo no >&2\n", 10000, &out, &why),
			 PROGRAM_SAID);
	assert_string_equal(out.data, "one word|-x one word\n");
	assert_string_equal(why.text, "left alone");
	buffer_free(&out);
}

static void says_that_it_failed(void **state)
{
	struct buffer out;
	struct problem why;

	assert_int_equal(ask(state, "#!/bin/sh\nexit 1\n", 10000, &out, &why), PROGRAM_FAILED);
	assert_string_equal(why.text, "postconf ended with code 1");
	buffer_free(&out);
}

static void does_not_take_more_than_it_asked_for(void **state)
{
	struct buffer out;
	struct problem why;

	assert_int_equal(ask(state, "#!/bin/sh\nwhile :; do echo xxxxxxxxxxxxxxxx; done\n", 10000,
			     &out, &why),
			 PROGRAM_FAILED);
	assert_contains(why.text, "more than 100000 bytes");
	buffer_free(&out);
}

static void does_not_wait_for_ever(void **state)
{
	const long long began = clock_now();
	struct buffer out;
	struct problem why;

	assert_int_equal(ask(state, "#!/bin/sh\nexec /bin/sleep 100\n", 200, &out, &why),
			 PROGRAM_FAILED);
	assert_contains(why.text, "did not answer within 200 ms");
	assert_in_range(clock_now() - began, 190, 9000);
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_it_prints),
		cmocka_unit_test(says_that_it_failed),
		cmocka_unit_test(does_not_take_more_than_it_asked_for),
		cmocka_unit_test(does_not_wait_for_ever),
	};

	return cmocka_run_group_tests_name("program", tests, folder_setup, folder_teardown);
}
