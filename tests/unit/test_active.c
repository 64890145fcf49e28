/* A bounded number of messages at work. */
#include "active.h"

#include "clock.h"
#include "testing.h"

#include <pthread.h>

static void gives_as_many_places_as_there_are(void **state)
{
	struct active *active = active_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(active_take(active, 3));
	assert_false(active_has_room(active, 3));
	assert_false(active_take(active, 3));
	active_leave(active);
	assert_true(active_has_room(active, 3));
	assert_true(active_take(active, 3));
	active_free(active);
}

static void a_reload_can_change_how_many_there_are(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_true(active_take(active, 1));
	assert_false(active_take(active, 1));
	assert_true(active_take(active, 2));
	active_leave(active);
	assert_false(active_take(active, 1));
	active_free(active);
}

static void there_is_none_once_they_are_closed(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_true(active_take(active, 3));
	assert_false(active_is_closed(active));
	active_close(active);
	assert_true(active_is_closed(active));
	assert_false(active_has_room(active, 3));
	assert_false(active_take(active, 3));
	active_leave(active);
	assert_false(active_take(active, 3));
	assert_int_equal(active_taken(active), 0);
	active_free(active);
}

static void counts_those_that_are_taken(void **state)
{
	struct active *active = active_new();

	(void)state;
	assert_int_equal(active_taken(active), 0);
	assert_true(active_take(active, 2));
	assert_true(active_take(active, 2));
	assert_false(active_take(active, 2));
	assert_int_equal(active_taken(active), 2);
	active_leave(active);
	assert_int_equal(active_taken(active), 1);
	active_leave(active);
	assert_int_equal(active_taken(active), 0);
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
		while (!active_take(crowd->active, 3))
			sched_yield();
		count(crowd, 1);
		sched_yield();
		count(crowd, -1);
		active_leave(crowd->active);
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
		cmocka_unit_test(threads_never_hold_more_places_than_there_are),
		cmocka_unit_test(nothing_to_free_is_fine),
	};

	return cmocka_run_group_tests_name("active", tests, NULL, NULL);
}
