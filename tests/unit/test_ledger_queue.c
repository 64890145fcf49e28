/* What waits for the disk. */
#include "ledger_queue.h"

#include "testing.h"

static struct ledger_entry *new_calendar(void)
{
	const struct ledger_key key = {"acme", "1", "a@b.example", "<1@x>"};

	return ledger_entry_new_calendar(&key, (struct span){"BEGIN", 5});
}

/* Nobody waits for what is in the list. */
static void finish(struct ledger_entry *first)
{
	for (struct ledger_entry *entry = first; entry; entry = entry->next)
		entry->abandoned = true;
	ledger_entries_finish(first, true);
}

static void comes_out_as_it_went_in(void **state)
{
	const struct record kept = {.status = 200};
	struct ledger_entry *calendar = new_calendar(), *record = ledger_entry_new_record(&kept);
	struct ledger_queue queue;

	(void)state;
	ledger_queue_init(&queue);
	assert_true(ledger_queue_add(&queue, calendar));
	assert_true(ledger_queue_add(&queue, record));
	assert_int_equal(queue.calendars, 1);
	assert_int_equal(queue.unwaited, 1);
	assert_ptr_equal(ledger_queue_take(&queue), calendar);
	assert_ptr_equal(calendar->next, record);
	assert_null(ledger_queue_take(&queue));
	finish(calendar);
}

/* A disk that hangs for hours does not fill the memory: those whose callers gave up stay in it. */
static void holds_so_many_calendars_and_no_more(void **state)
{
	struct ledger_queue queue;
	struct ledger_entry *one_more = new_calendar();

	(void)state;
	ledger_queue_init(&queue);
	for (size_t i = 0; i < LEDGER_QUEUE_WAITED; i++)
		assert_true(ledger_queue_add(&queue, new_calendar()));
	assert_false(ledger_queue_add(&queue, one_more));
	assert_int_equal(queue.calendars, LEDGER_QUEUE_WAITED);
	finish(ledger_queue_take(&queue));
	assert_true(ledger_queue_add(&queue, one_more));
	finish(ledger_queue_take(&queue));
}

static void records_leave_room_for_calendars(void **state)
{
	const struct record kept = {.status = 200};
	struct ledger_queue queue;
	struct ledger_entry *one_more = ledger_entry_new_record(&kept);

	(void)state;
	ledger_queue_init(&queue);
	for (size_t i = 0; i < LEDGER_QUEUE_UNWAITED; i++)
		assert_true(ledger_queue_add(&queue, ledger_entry_new_record(&kept)));
	assert_false(ledger_queue_add(&queue, one_more));
	assert_true(ledger_queue_add(&queue, new_calendar()));
	finish(ledger_queue_take(&queue));
	ledger_entry_free(one_more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_as_it_went_in),
		cmocka_unit_test(holds_so_many_calendars_and_no_more),
		cmocka_unit_test(records_leave_room_for_calendars),
	};

	return cmocka_run_group_tests_name("ledger_queue", tests, NULL, NULL);
}
