/* How often something may be done: never more than allowed, whatever happens, and never less. */
#include "window.h"

#include "random.h"
#include "testing.h"

#define ARRIVALS_MAXIMUM 20000

static struct window make(long long per_second, long long per_minute, struct window_rates *rates)
{
	struct window window = {0};

	*rates = (struct window_rates){per_second, per_minute};
	assert_true(window_make_room(&window, rates, 1));
	return window;
}

static void done_at(struct window *window, long long moment, unsigned long long number)
{
	window_begin(window, 1);
	window_settle(window, 1, moment, number);
}

static void a_second_holds_so_many(void **state)
{
	struct window_rates rates;
	struct window window = make(3, 100, &rates);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(window_ready(&window, &rates, 1, 1000), 1000);
		done_at(&window, 1000 + i, 0);
	}
	assert_int_equal(window_ready(&window, &rates, 1, 1003), 1000 + WINDOW_SECOND);
	done_at(&window, 1000 + WINDOW_SECOND, 0);
	assert_int_equal(window_ready(&window, &rates, 1, 0), 1001 + WINDOW_SECOND);
	window_free(&window);
}

static void a_minute_holds_so_many(void **state)
{
	struct window_rates rates;
	struct window window = make(2, 3, &rates);

	(void)state;
	done_at(&window, 0, 0);
	done_at(&window, 5000, 0);
	done_at(&window, 10000, 0);
	assert_int_equal(window_ready(&window, &rates, 1, 15000), WINDOW_MINUTE);
	window_free(&window);
}

static void what_is_begun_counts_until_it_is_known_when_it_was(void **state)
{
	struct window_rates rates;
	struct window window = make(1, 100, &rates);

	(void)state;
	window_begin(&window, 1);
	assert_int_equal(window_ready(&window, &rates, 1, 0), WINDOW_NEVER);
	window_settle(&window, 1, 70000, 1); /* took its time */
	assert_int_equal(window_ready(&window, &rates, 1, 70000), 70000 + WINDOW_SECOND);

	window_free(&window);
}

static void what_is_taken_back_does_not_count(void **state)
{
	struct window_rates rates;
	struct window window = make(1, 1, &rates);

	(void)state;
	window_begin(&window, 1);
	window_take_back(&window, 1);
	assert_int_equal(window_ready(&window, &rates, 1, 5), 5);
	window_free(&window);
}

static void what_comes_late_stands_where_it_belongs(void **state)
{
	struct window_rates rates;
	struct window window = make(2, 100, &rates);

	(void)state;
	done_at(&window, 300, 1); /* settled first, done last */
	done_at(&window, 0, 2);
	assert_int_equal(window_ready(&window, &rates, 1, 0), WINDOW_SECOND);
	done_at(&window, WINDOW_SECOND, 3);
	assert_int_equal(window_ready(&window, &rates, 1, 0), 300 + WINDOW_SECOND);
	window_free(&window);
}

static void what_is_heavy_takes_the_room_of_several(void **state)
{
	struct window_rates rates;
	struct window window = make(5, 100, &rates);

	(void)state;
	window_begin(&window, 2);
	window_settle(&window, 2, 0, 1);
	assert_int_equal(window_ready(&window, &rates, 2, 0), 0);
	window_begin(&window, 2);
	window_settle(&window, 2, 100, 2);
	assert_int_equal(window_ready(&window, &rates, 1, 100), 100);
	assert_int_equal(window_ready(&window, &rates, 2, 100), WINDOW_SECOND);
	assert_int_equal(window_ready(&window, &rates, 4, 100), 100 + WINDOW_SECOND);
	window_keep_own(&window);
	assert_int_equal(window.count, 2);
	assert_int_equal(window_ready(&window, &rates, 3, 100), 100);
	window_free(&window);
}

static void what_others_did_can_be_forgotten(void **state)
{
	struct window_rates rates;
	struct window window = make(3, 100, &rates);

	(void)state;
	window_add(&window, 10, 0);
	done_at(&window, 10, 7);
	window_add(&window, 10, 0);
	assert_int_equal(window_ready(&window, &rates, 1, 10), 10 + WINDOW_SECOND);
	window_keep_own(&window);
	assert_int_equal(window.count, 1);
	assert_int_equal(window.entries[0].number, 7);
	window_free(&window);
}

static void new_rates_keep_what_was_done(void **state)
{
	struct window_rates rates, larger = {4, 400};
	struct window window = make(2, 2, &rates);

	(void)state;
	done_at(&window, 0, 0);
	done_at(&window, 0, 0);
	assert_int_equal(window_ready(&window, &rates, 1, 0), WINDOW_MINUTE);
	assert_true(window_make_room(&window, &larger, 1));
	assert_int_equal(window_ready(&window, &larger, 1, 0), 0);
	assert_int_equal(window_ready(&window, &larger, 3, 0), WINDOW_SECOND);
	assert_int_equal(window_ready(&window, &rates, 1, 0), WINDOW_MINUTE);
	window_free(&window);
}

static void no_limit_is_never_reached(void **state)
{
	struct window_rates rates, none = {WINDOW_UNLIMITED, WINDOW_UNLIMITED};
	struct window window = make(2, WINDOW_UNLIMITED, &rates);

	(void)state;
	for (int i = 0; i < 1000; i++)
		done_at(&window, 5, 0);
	assert_int_equal(window.count, 2); /* what the limit of a second takes */
	assert_int_equal(window_ready(&window, &rates, 1, 6), 5 + WINDOW_SECOND);
	assert_int_equal(window_ready(&window, &none, 1, 6), 6);
	assert_int_equal(window_plan(&window, &none, 3, 1000, 6), 6);
	window_free(&window);
	window = make(WINDOW_UNLIMITED, WINDOW_UNLIMITED, &none);
	done_at(&window, 5, 0);
	assert_int_equal(window_ready(&window, &none, 1, 5), 5);
	window_free(&window);
}

/* The plan is what happens if everybody goes when he may. */
static void the_plan_is_what_then_happens(void **state)
{
	uint64_t random = random_start();

	(void)state;
	print_message("seed %llu\n", (unsigned long long)random_seed());
	for (int round = 0; round < 200; round++) {
		struct window_rates rates;
		const long long per_second = 2 + (long long)random_below(&random, 20);
		const long long weight = 1 + (long long)random_below(&random, 2);
		struct window window = make(
			per_second, per_second + (long long)random_below(&random, 100), &rates);
		const size_t ahead = random_below(&random, 300);
		long long now = 0, planned;

		for (size_t i = random_below(&random, 30); i > 0; i--) {
			now = window_ready(&window, &rates, 1,
					   now + (long long)random_below(&random, 50));
			done_at(&window, now, 0);
		}
		planned = window_plan(&window, &rates, weight, ahead, now);
		for (size_t i = 0; i <= ahead; i++) {
			now = window_ready(&window, &rates, weight, now);
			window_begin(&window, weight);
			window_settle(&window, weight, now, 0);
		}
		assert_int_equal(planned, now);
		window_free(&window);
	}
}

/*
 * Requests come at random, each is under way to its server for some random time, some for longer than
 * a second; the server counts when they arrive.
 */
struct trial {
	struct window_rates rates;
	struct window window;
	uint64_t random;
	long long arrivals[ARRIVALS_MAXIMUM];
	size_t count;
	struct flight {
		long long arrives, answered;
		unsigned long long number;
	} flights[64];
	size_t flying;
};

#define TRAVEL 40

static int compare(const void *a, const void *b)
{
	const long long left = *(const long long *)a, right = *(const long long *)b;

	return (left > right) - (left < right);
}

/* What happens at this moment to those under way. */
static void fly(struct trial *trial, long long now)
{
	for (size_t i = trial->flying; i-- > 0;) {
		struct flight *flight = &trial->flights[i];

		if (flight->answered > now)
			continue;
		window_settle(&trial->window, 1, flight->answered, flight->number);
		*flight = trial->flights[--trial->flying];
	}
}

static void take_off(struct trial *trial, long long now, long long handshake)
{
	struct flight *flight = &trial->flights[trial->flying++];

	window_begin(&trial->window, 1);
	flight->arrives = now + (long long)random_below(&trial->random, TRAVEL);
	if (random_below(&trial->random, 20) == 0)
		flight->arrives += (long long)random_below(&trial->random, (size_t)handshake);
	flight->answered = flight->arrives + (long long)random_below(&trial->random, 100);
	flight->number = trial->count + 1;
	trial->arrivals[trial->count++] = flight->arrives;
}

static void assert_within(const long long *arrivals, size_t count, long long limit, long long span)
{
	for (size_t i = (size_t)limit; i < count; i++)
		if (arrivals[i] - arrivals[i - (size_t)limit] < span)
			fail_msg("%lld requests from %lld to %lld", limit + 1,
				 arrivals[i - (size_t)limit], arrivals[i]);
}

static void no_window_of_the_server_is_overfull(void **state)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	uint64_t random = random_start();

	(void)state;
	assert_non_null(trial);
	print_message("seed %llu\n", (unsigned long long)random_seed());
	for (int round = 0; round < 20; round++) {
		const long long handshake = 1 + (long long)random_below(&random, 3000);
		const size_t idle = 1 + random_below(&random, 40);

		*trial = (struct trial){.random = random};
		trial->window = make(1 + (long long)random_below(&random, 30),
				     30 + (long long)random_below(&random, 600), &trial->rates);
		for (long long now = 0; now < 150000 && trial->count < ARRIVALS_MAXIMUM; now++) {
			fly(trial, now);
			while (trial->flying < 64 && trial->count < ARRIVALS_MAXIMUM &&
			       window_ready(&trial->window, &trial->rates, 1, now) == now &&
			       random_below(&trial->random, idle) == 0)
				take_off(trial, now, handshake);
		}
		assert_true(trial->count > 30);
		qsort(trial->arrivals, trial->count, sizeof(trial->arrivals[0]), compare);
		assert_within(trial->arrivals, trial->count, trial->rates.per_second, 1000);
		assert_within(trial->arrivals, trial->count, trial->rates.per_minute, 60000);
		window_free(&trial->window);
		random_next(&random);
	}
	free(trial);
}

/* With answers that come within a few ms. */
static void nearly_all_that_is_allowed_is_used(void **state)
{
	struct window_rates rates;
	struct window window = make(50, 500, &rates);
	long long now = 0, last_second = 0;
	int count;

	(void)state;
	for (count = 0; count < 5000; count++) {
		now = window_ready(&window, &rates, 1, now);
		done_at(&window, now + 5, (unsigned long long)count + 1);
		if (count == 499)
			last_second = now;
	}
	/* 500 in at least 9 s, 5,000 in at least 9 minutes and 9 seconds. */
	print_message("used %.4f of a second's, %.4f of a minute's\n", 9000.0 / (double)last_second,
		      549000.0 / (double)now);
	assert_true(9000.0 / (double)last_second >= 0.98);
	assert_true(549000.0 / (double)now >= 0.98);
	window_free(&window);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_holds_so_many),
		cmocka_unit_test(a_minute_holds_so_many),
		cmocka_unit_test(what_is_begun_counts_until_it_is_known_when_it_was),
		cmocka_unit_test(what_is_taken_back_does_not_count),
		cmocka_unit_test(what_comes_late_stands_where_it_belongs),
		cmocka_unit_test(what_is_heavy_takes_the_room_of_several),
		cmocka_unit_test(what_others_did_can_be_forgotten),
		cmocka_unit_test(new_rates_keep_what_was_done),
		cmocka_unit_test(no_limit_is_never_reached),
		cmocka_unit_test(the_plan_is_what_then_happens),
		cmocka_unit_test(no_window_of_the_server_is_overfull),
		cmocka_unit_test(nearly_all_that_is_allowed_is_used),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
