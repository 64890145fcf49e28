/* A bounded number of messages at work. */
#include "active.h"

#include "clock.h"
#include "testing.h"

#include <pthread.h>

/* Where there is one account only. */
static enum active_place take(struct active *active, const char *account, size_t most)
{
	return active_take(active, account, &(struct active_limits){.most = most, .accounts = 1});
}

static enum active_place look(struct active *active, const char *account, size_t most)
{
	return active_look(active, account, &(struct active_limits){.most = most, .accounts = 1});
}

static void gives_as_many_places_as_there_are(void **state)
{
	struct active *active = active_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(active, "a", 3), ACTIVE_FREE);
	assert_int_equal(look(active, "a", 3), ACTIVE_FULL);
	assert_int_equal(take(active, "a", 3), ACTIVE_FULL);
	active_leave(active, "a");
	assert_int_equal(look(active, "a", 3), ACTIVE_FREE);
	assert_int_equal(take(active, "a", 3), ACTIVE_FREE);
	active_free(active);
}

static void a_reload_can_change_how_many_there_are(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_int_equal(take(active, "a", 1), ACTIVE_FREE);
	assert_int_equal(take(active, "a", 1), ACTIVE_FULL);
	assert_int_equal(take(active, "a", 2), ACTIVE_FREE);
	active_leave(active, "a");
	assert_int_equal(take(active, "a", 1), ACTIVE_FULL);
	active_free(active);
}

static void there_is_none_once_they_are_closed(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_int_equal(take(active, "a", 3), ACTIVE_FREE);
	active_close(active);
	assert_int_equal(look(active, "a", 3), ACTIVE_CLOSED);
	assert_int_equal(take(active, "a", 3), ACTIVE_CLOSED);
	assert_int_equal(take(active, "b", 3), ACTIVE_CLOSED);
	active_leave(active, "a");
	assert_int_equal(take(active, "a", 3), ACTIVE_CLOSED);
	assert_int_equal(active_taken(active), 0);
	active_free(active);
}

static void counts_those_that_are_taken(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_int_equal(active_taken(active), 0);
	assert_int_equal(take(active, "a", 2), ACTIVE_FREE);
	assert_int_equal(take(active, "a", 2), ACTIVE_FREE);
	assert_int_equal(take(active, "a", 2), ACTIVE_FULL);
	assert_int_equal(active_taken(active), 2);
	active_leave(active, "a");
	assert_int_equal(active_taken(active), 1);
	active_leave(active, "a");
	assert_int_equal(active_taken(active), 0);
	active_free(active);
}

/* Takes all that the account gets; how many. */
static size_t take_all(struct active *active, const char *account, size_t most)
{
	const struct active_limits limits = {.most = most, .accounts = 9};
	size_t count = 0;

	while (active_look(active, account, &limits) == ACTIVE_FREE) {
		assert_int_equal(active_take(active, account, &limits), ACTIVE_FREE);
		count++;
	}
	assert_int_not_equal(active_take(active, account, &limits), ACTIVE_FREE);
	return count;
}

static void one_account_leaves_places_for_others(void **state)
{
	static const struct {
		size_t most, alone;
	} cases[] = {{1, 1}, {2, 1}, {3, 2}, {8, 7}, {10, 8}, {200, 175}, {10000, 8750}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct active *active = active_new();
		const size_t alone = take_all(active, "greedy", cases[i].most);

		if (alone != cases[i].alone)
			fail_msg("%zu of %zu", alone, cases[i].most);
		if (cases[i].most > 1)
			assert_true(take_all(active, "other", cases[i].most) > 0);
		active_free(active);
	}
}

/* Messages of two accounts that always want more end in turns, the greedy one's first to come. */
static void those_that_want_in_come_to_hold_as_many_each(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	const struct active_limits limits = {.most = 200, .accounts = 4};
	struct active *active = active_new();
	size_t held[4] = {0};

	(void)state;
	held[0] = take_all(active, names[0], limits.most);
	for (int turn = 0; turn < 10000; turn++)
		for (int i = 0; i < 4; i++) {
			if (turn % 3 == 0 && held[i] > 0) {
				active_leave(active, names[i]);
				held[i]--;
			}
			if (active_take(active, names[i], &limits) == ACTIVE_FREE)
				held[i]++;
		}
	for (int i = 0; i < 4; i++)
		assert_in_range(held[i], 200 / 4 - 6, 200 / 4 + 2);
	active_free(active);
}

static void what_an_account_lets_go_another_can_have(void **state)
{
	struct active *active = active_new();
	size_t count = take_all(active, "a", 100);

	(void)state;
	while (count-- > 0)
		active_leave(active, "a");
	assert_int_equal(active_taken(active), 0);
	assert_int_equal(take_all(active, "b", 100), 87);
	active_free(active);
}

/* How many are inside at once, as the threads themselves count. */
struct crowd {
	struct active *active;
	pthread_mutex_t lock;
	int inside, most_inside, passed;
};

static void count(struct crowd *crowd, int change)
{
	pthread_mutex_lock(&crowd->lock);
	crowd->inside += change;
	crowd->passed += change > 0;
	if (crowd->inside > crowd->most_inside)
		crowd->most_inside = crowd->inside;
	pthread_mutex_unlock(&crowd->lock);
}

static void *come_and_go(void *context)
{
	struct crowd *crowd = context;

	for (int i = 0; i < 50; i++) {
		while (take(crowd->active, "a", 3) != ACTIVE_FREE)
			sched_yield();
		count(crowd, 1);
		sched_yield();
		count(crowd, -1);
		active_leave(crowd->active, "a");
	}
	return NULL;
}

static void threads_never_hold_more_places_than_there_are(void **state)
{
	struct crowd crowd = {.active = active_new(), .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
	for (int i = 0; i < 10; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.passed, 500);
	assert_in_range(crowd.most_inside, 1, 3);
	assert_int_equal(active_taken(crowd.active), 0);
	active_free(crowd.active);
}

static void nothing_to_free_is_fine(void **state)
{
	(void)state;
	active_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_as_many_places_as_there_are),
		cmocka_unit_test(a_reload_can_change_how_many_there_are),
		cmocka_unit_test(there_is_none_once_they_are_closed),
		cmocka_unit_test(counts_those_that_are_taken),
		cmocka_unit_test(one_account_leaves_places_for_others),
		cmocka_unit_test(those_that_want_in_come_to_hold_as_many_each),
		cmocka_unit_test(what_an_account_lets_go_another_can_have),
		cmocka_unit_test(threads_never_hold_more_places_than_there_are),
		cmocka_unit_test(nothing_to_free_is_fine),
	};

	return cmocka_run_group_tests_name("active", tests, NULL, NULL);
}
