/* When a data center is worth asking, and when not. */
#include "breaker.h"

#include "clock.h"
#include "testing.h"

#include <pthread.h>

#define PAUSE 60 /* ms */

static struct account account_at(const char *endpoint)
{
	return (struct account){
		.name = (char *)"acme",
		.endpoint = (char *)endpoint,
		.proxy = (char *)"",
		.breaker_failures = 3,
		.breaker_pause = PAUSE,
	};
}

static enum breaker_answer ask(struct breakers *breakers, const struct account *account)
{
	struct problem why;

	return breaker_ask(breakers, account, &why);
}

static bool fail_once(struct breakers *breakers, const struct account *account)
{
	return breaker_report(breakers, account, ask(breakers, account), BREAKER_AWAY);
}

static void sleep_until(long long moment)
{
	const struct timespec a_little = {.tv_nsec = 1000000};

	while (clock_now() < moment)
		nanosleep(&a_little, NULL);
}

static struct breakers *open_one(const struct account *account)
{
	struct breakers *breakers = breakers_new();

	assert_false(fail_once(breakers, account));
	assert_false(fail_once(breakers, account));
	assert_true(fail_once(breakers, account));
	return breakers;
}

static void opens_after_so_many_failures_in_a_row(void **state)
{
	const struct account account = account_at("https://api.example:8443/v1");
	struct breakers *breakers = open_one(&account);
	struct problem why;

	(void)state;
	assert_int_equal(breaker_ask(breakers, &account, &why), BREAKER_OPEN);
	assert_contains(
		why.text,
		"Cronofy (api.example:8443) has not answered 3 times; the next call is at ");
	assert_true(breaker_is_open(breakers, &account, &why));
	breakers_free(breakers);
}

static void a_success_between_failures_keeps_it_closed(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = breakers_new();

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_false(fail_once(breakers, &account));
		assert_false(fail_once(breakers, &account));
		assert_false(
			breaker_report(breakers, &account, ask(breakers, &account), BREAKER_ALIVE));
	}
	assert_int_equal(ask(breakers, &account), BREAKER_CALL);
	breakers_free(breakers);
}

static void what_says_nothing_changes_nothing(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = breakers_new();

	(void)state;
	assert_false(fail_once(breakers, &account));
	assert_false(fail_once(breakers, &account));
	assert_false(breaker_report(breakers, &account, ask(breakers, &account), BREAKER_UNKNOWN));
	assert_true(fail_once(breakers, &account));
	breakers_free(breakers);
}

static void one_at_a_time_probes_after_the_pause(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = open_one(&account);
	struct problem why;

	(void)state;
	sleep_until(clock_now() + PAUSE);
	assert_false(breaker_is_open(breakers, &account, &why));
	assert_int_equal(ask(breakers, &account), BREAKER_PROBE);
	assert_int_equal(breaker_ask(breakers, &account, &why), BREAKER_OPEN);
	assert_contains(why.text, "a call is in progress");
	assert_false(breaker_report(breakers, &account, BREAKER_PROBE, BREAKER_AWAY));
	assert_int_equal(breaker_ask(breakers, &account, &why), BREAKER_OPEN);
	assert_contains(why.text, "has not answered 4 times; the next call is at ");
	sleep_until(clock_now() + PAUSE);
	assert_int_equal(ask(breakers, &account), BREAKER_PROBE);
	breaker_report(breakers, &account, BREAKER_PROBE, BREAKER_ALIVE);
	assert_int_equal(ask(breakers, &account), BREAKER_CALL);
	assert_int_equal(ask(breakers, &account), BREAKER_CALL);
	breakers_free(breakers);
}

static void a_probe_that_was_given_up_leaves_its_place_to_another(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = open_one(&account);

	(void)state;
	sleep_until(clock_now() + PAUSE);
	assert_int_equal(ask(breakers, &account), BREAKER_PROBE);
	breaker_report(breakers, &account, BREAKER_PROBE, BREAKER_UNKNOWN);
	assert_int_equal(ask(breakers, &account), BREAKER_PROBE);
	breakers_free(breakers);
}

static void calls_that_were_under_way_do_not_put_off_the_probe(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = open_one(&account);
	const long long opened = clock_now();

	(void)state;
	sleep_until(opened + PAUSE / 2);
	for (int i = 0; i < 5; i++)
		assert_false(breaker_report(breakers, &account, BREAKER_CALL, BREAKER_AWAY));
	sleep_until(opened + PAUSE);
	assert_int_equal(ask(breakers, &account), BREAKER_PROBE);
	/* But one that had an answer after all tells more than any failure. */
	breaker_report(breakers, &account, BREAKER_CALL, BREAKER_ALIVE);
	assert_int_equal(ask(breakers, &account), BREAKER_CALL);
	breakers_free(breakers);
}

static void data_centers_and_proxies_have_their_own(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	const struct account other = account_at("https://api-de.example/v1");
	struct breakers *breakers = open_one(&account);
	struct account behind_proxy = account;
	struct breaker_view views[3];

	(void)state;
	behind_proxy.proxy = (char *)"http://proxy.example:3128";
	assert_int_equal(ask(breakers, &other), BREAKER_CALL);
	assert_int_equal(ask(breakers, &behind_proxy), BREAKER_CALL);
	assert_int_equal(breakers_look(breakers, NULL, 0), 3);
	assert_int_equal(breakers_look(breakers, views, 3), 3);
	assert_string_equal(views[2].endpoint, "https://api.example/v1");
	assert_true(views[2].open);
	assert_int_equal(views[2].failures, 3);
	assert_true(views[2].asked_again > clock_now() - PAUSE);
	assert_false(views[0].open || views[1].open);
	breakers_free(breakers);
}

static void an_account_that_fails_leaves_the_others_alone(void **state)
{
	const struct account account = account_at("https://api.example/v1");
	struct account other = account;
	struct breakers *breakers = open_one(&account);
	struct breaker_view views[2];

	(void)state;
	other.name = (char *)"globex";
	assert_int_equal(ask(breakers, &account), BREAKER_OPEN);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(breakers, &other), BREAKER_CALL);
	/* Its answers say nothing about what fails the first one. */
	breaker_report(breakers, &other, BREAKER_CALL, BREAKER_ALIVE);
	assert_int_equal(ask(breakers, &account), BREAKER_OPEN);
	assert_int_equal(breakers_look(breakers, views, 2), 2);
	assert_string_equal(views[0].account, "globex");
	assert_false(views[0].open);
	assert_true(views[1].open);
	breakers_free(breakers);
}

struct sleeper {
	struct breakers *breakers;
	const struct account *account;
	bool open;
};

static void *sleep_long(void *context)
{
	struct sleeper *sleeper = context;

	sleeper->open = breaker_sleep(sleeper->breakers, sleeper->account, clock_now() + 60000);
	return NULL;
}

static void who_sleeps_is_woken_when_it_opens(void **state)
{
	struct account account = account_at("https://api.example/v1");
	struct breakers *breakers = breakers_new();
	struct sleeper sleeper = {breakers, &account, false};
	const long long begun = clock_now();
	pthread_t thread;

	(void)state;
	account.breaker_pause = 60000;
	assert_false(breaker_sleep(breakers, &account, begun + 20));
	assert_in_range(clock_now() - begun, 20, 5000);
	assert_int_equal(pthread_create(&thread, NULL, sleep_long, &sleeper), 0);
	for (int i = 0; i < 3; i++)
		fail_once(breakers, &account);
	pthread_join(thread, NULL);
	assert_true(sleeper.open);
	assert_in_range(clock_now() - begun, 0, 10000);
	breakers_free(breakers);
}

static void nothing_to_free_is_fine(void **state)
{
	(void)state;
	breakers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_after_so_many_failures_in_a_row),
		cmocka_unit_test(a_success_between_failures_keeps_it_closed),
		cmocka_unit_test(what_says_nothing_changes_nothing),
		cmocka_unit_test(one_at_a_time_probes_after_the_pause),
		cmocka_unit_test(a_probe_that_was_given_up_leaves_its_place_to_another),
		cmocka_unit_test(calls_that_were_under_way_do_not_put_off_the_probe),
		cmocka_unit_test(data_centers_and_proxies_have_their_own),
		cmocka_unit_test(an_account_that_fails_leaves_the_others_alone),
		cmocka_unit_test(who_sleeps_is_woken_when_it_opens),
		cmocka_unit_test(nothing_to_free_is_fine),
	};

	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
