/* Turns to call Cronofy: in order, within the limits, alone and shared. Takes real time. */
#include "pace.h"

#include "clock.h"
#include "redis_server.h"

#include <pthread.h>

#define LONG 60000 /* ms: nobody waits so long in these tests */

static struct account account_of(const char *key, long long per_second, long long per_minute)
{
	return (struct account){
		.name = (char *)"acme",
		.endpoint = (char *)"https://api.example/v1",
		.api_key = (char *)key,
		.requests_per_second = per_second,
		.requests_per_minute = per_minute,
	};
}

static void configure(struct pace *pace, struct account *accounts, size_t count, long long share_of)
{
	const struct config config = {
		.accounts = accounts, .account_count = count, .share_of = share_of};

	assert_true(pace_configure(pace, &config));
}

static enum pace_answer take(struct pace *pace, const struct account *account, long long patience,
			     struct pace_turn *turn)
{
	const struct pace_wait wait = {.last_start = clock_now() + patience, .interval = LONG};
	struct problem why;

	return pace_take(pace, account, &wait, turn, &why);
}

static void sleep_for(long long duration)
{
	const struct timespec time = {duration / 1000, duration % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* A whole call, answered at once. */
static void call(struct pace *pace, const struct account *account)
{
	struct pace_turn turn;

	assert_int_equal(take(pace, account, LONG, &turn), PACE_GO);
	pace_done(&turn, clock_now(), false, -1);
}

static struct pace_view view_of(struct pace *pace)
{
	struct pace_view views[4];

	assert_true(pace_snapshot(pace, views, 4) >= 1);
	return views[0];
}

/* ---- one filter ---- */

static void keeps_the_limit_of_a_second_and_uses_it(void **state)
{
	const struct account account = account_of("CRN_a", 20, 10000);
	struct pace *pace = pace_new();
	const long long begun = clock_now();
	long long moments[41];

	(void)state;
	for (int i = 0; i < 41; i++) {
		call(pace, &account);
		moments[i] = clock_now();
		if (i >= 20)
			assert_true(moments[i] - moments[i - 20] >= 1000);
	}
	assert_in_range(clock_now() - begun, 2000, 2300);
	pace_free(pace);
}

static void says_at_once_that_it_will_be_too_late(void **state)
{
	const struct account account = account_of("CRN_a", 2, 3);
	struct pace *pace = pace_new();
	const long long begun = clock_now();
	const struct pace_wait wait = {.last_start = begun + 30000, .interval = LONG};
	struct pace_turn turn;
	struct problem why;

	(void)state;
	call(pace, &account);
	call(pace, &account);
	assert_int_equal(take(pace, &account, 500, &turn), PACE_TOO_LATE);
	call(pace, &account);
	assert_int_equal(pace_take(pace, &account, &wait, &turn, &why), PACE_TOO_LATE);
	assert_contains(why.text,
			"account acme, which may make 2 requests a second and 3 a minute");
	assert_in_range(clock_now() - begun, 1000, 1500);
	pace_free(pace);
}

static void a_call_under_way_counts_until_it_is_known_when_it_was(void **state)
{
	const struct account account = account_of("CRN_a", 1, 100);
	struct pace *pace = pace_new();
	const long long begun = clock_now();
	struct pace_turn slow, next;

	(void)state;
	assert_int_equal(take(pace, &account, LONG, &slow), PACE_GO);
	sleep_for(300); /* an answer that takes its time */
	assert_int_equal(take(pace, &account, 900, &next), PACE_TOO_LATE);
	pace_done(&slow, clock_now(), false, -1);
	call(pace, &account);
	assert_in_range(clock_now() - begun, 1300, 1600);
	pace_free(pace);
}

static void a_turn_that_is_returned_is_free(void **state)
{
	const struct account account = account_of("CRN_a", 1, 100);
	struct pace *pace = pace_new();
	struct pace_turn turn;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(take(pace, &account, 100, &turn), PACE_GO);
		pace_return(&turn);
	}
	pace_free(pace);
}

static void accounts_with_the_same_key_share_a_budget_and_others_do_not(void **state)
{
	struct account accounts[] = {account_of("CRN_a", 10, 100), account_of("CRN_a", 2, 200),
				     account_of("CRN_b", 10, 100), account_of("CRN_a", 10, 100)};
	struct pace *pace = pace_new();
	struct pace_view views[4];
	struct pace_turn turn;

	(void)state;
	accounts[1].name = (char *)"branch";
	accounts[3].endpoint = (char *)"https://api-de.example/v1";
	configure(pace, accounts, 4, 1);
	assert_int_equal(pace_snapshot(pace, views, 4), 3);
	assert_string_equal(views[2].names, "acme, branch");
	assert_int_equal(views[2].per_second, 2);
	assert_int_equal(views[2].per_minute, 100);
	call(pace, &accounts[0]);
	call(pace, &accounts[1]);
	assert_int_equal(take(pace, &accounts[0], 100, &turn), PACE_TOO_LATE);
	assert_int_equal(take(pace, &accounts[1], 100, &turn), PACE_TOO_LATE);
	call(pace, &accounts[2]);
	call(pace, &accounts[3]);
	pace_free(pace);
}

static void new_rates_keep_what_was_used(void **state)
{
	struct account account = account_of("CRN_a", 2, 100);
	struct pace *pace = pace_new();
	struct pace_turn turn;

	(void)state;
	configure(pace, &account, 1, 1);
	call(pace, &account);
	call(pace, &account);
	assert_int_equal(take(pace, &account, 100, &turn), PACE_TOO_LATE);
	account.requests_per_second = 3;
	configure(pace, &account, 1, 1);
	call(pace, &account);
	assert_int_equal(take(pace, &account, 100, &turn), PACE_TOO_LATE);
	pace_free(pace);
}

/* ---- the queue ---- */

struct caller {
	struct pace *pace;
	const struct account *account;
	pthread_mutex_t *lock;
	bool want; /* under the lock */
	enum pace_answer answer;
	unsigned long long number; /* of the turn: they are given in this order */
	pthread_t thread;
};

static bool still_wanted(void *context)
{
	struct caller *caller = context;
	bool want;

	pthread_mutex_lock(caller->lock);
	want = caller->want;
	pthread_mutex_unlock(caller->lock);
	return want;
}

static void *wait_and_call(void *context)
{
	struct caller *caller = context;
	const struct pace_wait wait = {clock_now() + LONG, LONG, still_wanted, caller};
	struct pace_turn turn;
	struct problem why;

	caller->answer = pace_take(caller->pace, caller->account, &wait, &turn, &why);
	caller->number = turn.number;
	if (caller->answer == PACE_GO) {
		pace_done(&turn, clock_now(), false, -1);
	}
	return NULL;
}

/* Waits until so many wait for a turn. */
static void await(struct pace *pace, size_t waiting)
{
	const long long until = clock_now() + 10000;

	while (view_of(pace).waiting != waiting && clock_now() < until)
		sleep_for(1);
	assert_int_equal(view_of(pace).waiting, waiting);
}

static void turns_come_in_the_order_of_arrival_and_who_gives_up_leaves_no_gap(void **state)
{
	const struct account account = account_of("CRN_a", 5, 1000);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct pace *pace = pace_new();
	struct caller callers[13];
	unsigned long long last = 0;
	long long begun;

	(void)state;
	for (int i = 0; i < 5; i++)
		call(pace, &account);
	begun = clock_now();
	for (int i = 0; i < 13; i++) {
		callers[i] = (struct caller){
			.pace = pace, .account = &account, .lock = &lock, .want = true};
		assert_int_equal(
			pthread_create(&callers[i].thread, NULL, wait_and_call, &callers[i]), 0);
		await(pace, (size_t)i + 1);
	}
	pthread_mutex_lock(&lock);
	callers[0].want = callers[4].want = callers[12].want = false;
	pthread_mutex_unlock(&lock);
	pace_wake(pace);
	for (int i = 0; i < 13; i++)
		pthread_join(callers[i].thread, NULL);
	for (int i = 0; i < 13; i++) {
		const bool stayed = i != 0 && i != 4 && i != 12;

		assert_int_equal(callers[i].answer, stayed ? PACE_GO : PACE_GIVEN_UP);
		if (!stayed)
			continue;
		assert_true(callers[i].number > last);
		last = callers[i].number;
	}
	/* Ten turns at five a second, behind five that had just been used. */
	assert_in_range(clock_now() - begun, 1900, 2400);
	assert_int_equal(view_of(pace).waiting, 0);
	pace_free(pace);
}

/* ---- 429 ---- */

static void a_429_stops_all_then_halves_the_rate_which_recovers(void **state)
{
	const struct account account = account_of("CRN_a", 16, 1000);
	struct pace *pace = pace_new();
	const long long begun = clock_now();
	struct pace_turn first, second, turn;
	struct pace_view view;

	(void)state;
	assert_int_equal(take(pace, &account, LONG, &first), PACE_GO);
	assert_int_equal(take(pace, &account, LONG, &second), PACE_GO);
	pace_done(&first, clock_now(), true, 400);
	pace_done(&second, clock_now(), true, 300); /* of the same burst: not halved again */
	view = view_of(pace);
	assert_true(view.slowed);
	assert_int_equal(view.per_second, 8);
	assert_int_equal(view.per_minute, 500);
	assert_in_range(view.not_before, begun + 400, begun + 1000);
	assert_int_equal(take(pace, &account, 200, &turn), PACE_TOO_LATE);
	call(pace, &account);
	assert_in_range(clock_now() - begun, 400, 800);
	assert_int_equal(take(pace, &account, LONG, &turn), PACE_GO);
	pace_done(&turn, clock_now(), true, 0); /* still too much */
	assert_int_equal(view_of(pace).per_second, 4);
	sleep_for(1100);
	assert_int_equal(view_of(pace).per_second, 5);
	pace_free(pace);
}

static void who_waits_is_told_at_once_that_a_429_makes_it_too_late(void **state)
{
	const struct account account = account_of("CRN_a", 1, 1000);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct pace *pace = pace_new();
	struct caller caller = {.pace = pace, .account = &account, .lock = &lock, .want = true};
	const long long begun = clock_now();
	struct pace_turn turn;

	(void)state;
	assert_int_equal(take(pace, &account, LONG, &turn), PACE_GO);
	assert_int_equal(pthread_create(&caller.thread, NULL, wait_and_call, &caller), 0);
	await(pace, 1);
	pace_done(&turn, clock_now(), true, 100LL * LONG);
	pthread_join(caller.thread, NULL);
	assert_int_equal(caller.answer, PACE_TOO_LATE);
	assert_in_range(clock_now() - begun, 0, 900);
	assert_in_range(view_of(pace).not_before, begun + PACE_LONGEST_PAUSE,
			begun + PACE_LONGEST_PAUSE + 5000);
	pace_free(pace);
}

/* ---- several filters ---- */

static struct pace *start_shared(const struct redis_server *server, struct account *account,
				 long long share_of)
{
	const struct redis_address address = redis_server_address(server);
	const struct redis_store_settings settings = {.address = &address, .prefix = "test:"};
	struct pace *pace = pace_new();
	struct problem why;

	configure(pace, account, 1, share_of);
	assert_true(pace_share(pace, redis_store_new(&settings), &why));
	return pace;
}

/* As many calls as are to be had in this time; gives how many. */
static int call_for(struct pace *pace, const struct account *account, long long duration)
{
	const long long end = clock_now() + duration;
	int count = 0;

	for (long long left; (left = end - clock_now()) > 0;) {
		struct pace_turn turn;

		if (take(pace, account, left, &turn) != PACE_GO) {
			sleep_for(20);
			continue;
		}
		pace_done(&turn, clock_now(), false, -1);
		count++;
	}
	return count;
}

static void await_alone(struct pace *pace, bool alone)
{
	const long long until = clock_now() + 10000;

	while (view_of(pace).alone != alone && clock_now() < until)
		sleep_for(5);
	assert_int_equal(view_of(pace).alone, alone);
}

static void filters_share_what_a_minute_allows(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 20, 30);
	struct pace *one, *other;
	int first, second;

	redis_server_start(server, NULL);
	one = start_shared(server, &account, 2);
	other = start_shared(server, &account, 2);
	first = call_for(one, &account, 300);
	assert_int_equal(first, 20);
	second = call_for(other, &account, 1500);
	assert_int_equal(second, 10);
	assert_int_equal(call_for(one, &account, 300), 0);
	pace_free(one);
	pace_free(other);
}

static void a_429_of_one_filter_is_heeded_by_the_others(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 20, 300);
	struct pace *one, *other;
	struct pace_turn turn;

	redis_server_start(server, NULL);
	one = start_shared(server, &account, 2);
	other = start_shared(server, &account, 2);
	assert_int_equal(take(one, &account, LONG, &turn), PACE_GO);
	pace_done(&turn, clock_now(), true, 5000);
	assert_int_equal(call_for(other, &account, 500), 0);
	pace_free(one);
	pace_free(other);
}

struct filter {
	struct pace *pace;
	const struct account *account;
	long long duration;
	int calls;
};

static void *run_filter(void *context)
{
	struct filter *filter = context;

	filter->calls = call_for(filter->pace, filter->account, filter->duration);
	return NULL;
}

/* The same by two at once. */
static int both_call_for(struct pace *one, struct pace *other, const struct account *account,
			 long long duration)
{
	struct filter filter = {one, account, duration, 0};
	pthread_t thread;
	int count;

	assert_int_equal(pthread_create(&thread, NULL, run_filter, &filter), 0);
	count = call_for(other, account, duration);
	pthread_join(thread, NULL);
	return count + filter.calls;
}

/* All this happens within a minute: so all of it together may be no more than a minute allows. */
static void what_one_did_before_redis_went_counts_for_the_others(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 20, 60);
	struct pace *one, *other;
	int before, alone, after;

	redis_server_start(server, NULL);
	one = start_shared(server, &account, 2);
	other = start_shared(server, &account, 2);
	before = call_for(one, &account, 500);
	assert_int_equal(before, 20);
	sleep_for(600); /* the other has looked */
	redis_server_stop(server);
	await_alone(one, true);
	await_alone(other, true);
	/* 40 are left, less 20 that the others might have used unseen. */
	alone = both_call_for(one, other, &account, 3000);
	assert_in_range(alone, 16, 40);
	redis_server_start(server, NULL); /* empty */
	await_alone(one, false);
	await_alone(other, false);
	after = both_call_for(one, other, &account, 1500);
	assert_int_equal(before + alone + after, 60);
	pace_free(one);
	pace_free(other);
}

/* What both did before is known to them alone, when Redis is back with nothing. */
static void what_was_used_before_redis_was_emptied_counts(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 30, 30);
	struct pace *one, *other;

	redis_server_start(server, NULL);
	one = start_shared(server, &account, 2);
	other = start_shared(server, &account, 2);
	for (int i = 0; i < 15; i++) {
		struct pace_turn turn;

		assert_int_equal(take(one, &account, LONG, &turn), PACE_GO);
		pace_done(&turn, clock_now(), false, -1);
		assert_int_equal(take(other, &account, LONG, &turn), PACE_GO);
		pace_done(&turn, clock_now(), false, -1);
	}
	sleep_for(600); /* both have looked */
	redis_server_stop(server);
	await_alone(one, true);
	await_alone(other, true);
	redis_server_start(server, NULL); /* empty */
	await_alone(one, false);
	await_alone(other, false);
	assert_int_equal(both_call_for(one, other, &account, 1500), 0);
	pace_free(one);
	pace_free(other);
}

/*
 * Those who asked leave before Redis runs what it was asked: nobody would hear of the turns that it
 * gave, and they would count for half a minute.
 */
static void a_redis_that_hangs_for_a_moment_costs_no_more_than_its_return(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 20, 1000);
	struct filter filter = {.account = &account, .duration = 8000};
	pthread_t thread;
	struct pace *other;

	redis_server_start(server, NULL);
	filter.pace = start_shared(server, &account, 2);
	other = start_shared(server, &account, 2);
	assert_int_equal(pthread_create(&thread, NULL, run_filter, &filter), 0);
	assert_in_range(call_for(other, &account, 1000), 5, 20);
	kill(server->pid, SIGSTOP);
	sleep_for(1500);
	kill(server->pid, SIGCONT);
	/* Half the rate until it is back, 1.5 s and then some 2.5 s; then all that the other leaves. */
	assert_in_range(call_for(other, &account, 5500), 30, 110);
	pthread_join(thread, NULL);
	/* 8 s, of which 4.5 at half of it for each, and the rest for both together. */
	assert_in_range(filter.calls, 50, 160);
	await_alone(filter.pace, false);
	await_alone(other, false);
	pace_free(filter.pace);
	pace_free(other);
}

static void a_rate_of_none_lets_all_go_at_once(void **state)
{
	const struct account account = account_of("CRN_a", RATE_NONE, RATE_NONE);
	struct pace *pace = pace_new();
	struct pace_turn turn;

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_int_equal(take(pace, &account, LONG, &turn), PACE_GO);
	pace_free(pace);
}

static void a_filter_alone_uses_its_share_and_all_when_redis_comes(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct account account = account_of("CRN_a", 10, 1000);
	struct pace *pace = start_shared(server, &account, 2);
	struct pace_view view = view_of(pace);

	assert_true(view.alone);
	assert_int_equal(view.per_second, 5);
	assert_int_equal(view.per_minute, 500);
	assert_int_equal(call_for(pace, &account, 900), 5);
	redis_server_start(server, NULL);
	await_alone(pace, false);
	sleep_for(1000);
	assert_int_equal(call_for(pace, &account, 900), 10);
	pace_free(pace);
}

#define redis_test(test)                                                                           \
	cmocka_unit_test_setup_teardown(test, redis_server_setup, redis_server_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_limit_of_a_second_and_uses_it),
		cmocka_unit_test(says_at_once_that_it_will_be_too_late),
		cmocka_unit_test(a_call_under_way_counts_until_it_is_known_when_it_was),
		cmocka_unit_test(a_turn_that_is_returned_is_free),
		cmocka_unit_test(accounts_with_the_same_key_share_a_budget_and_others_do_not),
		cmocka_unit_test(new_rates_keep_what_was_used),
		cmocka_unit_test(turns_come_in_the_order_of_arrival_and_who_gives_up_leaves_no_gap),
		cmocka_unit_test(a_429_stops_all_then_halves_the_rate_which_recovers),
		cmocka_unit_test(who_waits_is_told_at_once_that_a_429_makes_it_too_late),
		redis_test(filters_share_what_a_minute_allows),
		redis_test(a_429_of_one_filter_is_heeded_by_the_others),
		redis_test(what_one_did_before_redis_went_counts_for_the_others),
		redis_test(what_was_used_before_redis_was_emptied_counts),
		redis_test(a_redis_that_hangs_for_a_moment_costs_no_more_than_its_return),
		cmocka_unit_test(a_rate_of_none_lets_all_go_at_once),
		redis_test(a_filter_alone_uses_its_share_and_all_when_redis_comes),
	};

	signal(SIGPIPE, SIG_IGN);
	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
