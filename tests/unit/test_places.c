/* A bounded number of messages at work. */
#include "places.h"

#include "monotonic.h"
#include "testing.h"

#include <pthread.h>

static void gives_as_many_places_as_there_are(void **state)
{
	struct places *places = places_new();

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(places_take(places, 3));
	assert_false(places_are_free(places, 3));
	assert_false(places_take(places, 3));
	places_leave(places);
	assert_true(places_are_free(places, 3));
	assert_true(places_take(places, 3));
	places_free(places);
}

static void a_reload_can_change_how_many_there_are(void **state)
{
	struct places *places = places_new();

	(void)state;
	assert_true(places_take(places, 1));
	assert_false(places_take(places, 1));
	assert_true(places_take(places, 2));
	places_leave(places);
	assert_false(places_take(places, 1));
	places_free(places);
}

static void there_is_none_once_they_are_closed(void **state)
{
	struct places *places = places_new();

	(void)state;
	assert_true(places_take(places, 3));
	assert_false(places_are_closed(places));
	places_close(places);
	assert_true(places_are_closed(places));
	assert_false(places_are_free(places, 3));
	assert_false(places_take(places, 3));
	places_leave(places);
	assert_false(places_take(places, 3));
	assert_int_equal(places_taken(places), 0);
	places_free(places);
}

static void counts_those_that_are_taken(void **state)
{
	struct places *places = places_new();

	(void)state;
	assert_int_equal(places_taken(places), 0);
	assert_true(places_take(places, 2));
	assert_true(places_take(places, 2));
	assert_false(places_take(places, 2));
	assert_int_equal(places_taken(places), 2);
	places_leave(places);
	assert_int_equal(places_taken(places), 1);
	places_leave(places);
	assert_int_equal(places_taken(places), 0);
	places_free(places);
}

/* How many are inside at once, as the threads themselves count. */
struct crowd {
	struct places *places;
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
		while (!places_take(crowd->places, 3))
			sched_yield();
		count(crowd, 1);
		sched_yield();
		count(crowd, -1);
		places_leave(crowd->places);
	}
	return NULL;
}

static void threads_never_hold_more_places_than_there_are(void **state)
{
	struct crowd crowd = {.places = places_new(), .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
	for (int i = 0; i < 10; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(crowd.passed, 500);
	assert_in_range(crowd.most_inside, 1, 3);
	assert_int_equal(places_taken(crowd.places), 0);
	places_free(crowd.places);
}

static void nothing_to_free_is_fine(void **state)
{
	(void)state;
	places_free(NULL);
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

	return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
