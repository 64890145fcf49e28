/*
 * A process that keeps calendars is killed at random moments, CIM_KILLS times (else 200). What it said
 * was kept is there each time, and the file is whole.
 */
#include "ledger.h"

#include "ledger_lab.h"
#include "clock.h"
#include "random.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define KEEPERS 4
#define LONGEST 25000 /* us, that a process lives */

/* What a keeper says when a calendar was kept: whose it is. */
struct receipt {
	int round, keeper, number;
};

struct keeper {
	struct ledger *ledger;
	int pipe;
	struct receipt receipt;
};

static void write_id(char *out, size_t size, const struct receipt *receipt)
{
	snprintf(out, size, "<%d-%d-%d@x>", receipt->round, receipt->keeper, receipt->number);
}

static void *keep_for_ever(void *context)
{
	struct keeper *keeper = context;

	for (;; keeper->receipt.number++) {
		char id[64], text[3000];
		const struct ledger_key key = {"acme", "i-1", "ann@example.com", id};
		const struct record record = {
			.texts = {[RECORD_RESULT] = "cancelled", [RECORD_MESSAGE_ID] = id}};
		struct problem why;

		write_id(id, sizeof(id), &keeper->receipt);
		snprintf(text, sizeof(text), "%2900s", id);
		if (!ledger_keep(keeper->ledger, &key, span_of_text(text), &why))
			continue;
		if (write(keeper->pipe, &keeper->receipt, sizeof(keeper->receipt)) < 0)
			return NULL;
		ledger_record(keeper->ledger, &record);
	}
}

static _Noreturn void live(const char *path, int round, int pipe)
{
	const struct ledger_options options = {path, LEDGER_STORE_CREATE, 86400000, 50, NULL, NULL};
	struct keeper keepers[KEEPERS];
	struct problem why;
	struct ledger *ledger = ledger_start(&options, &why);
	pthread_t thread;

	for (int i = 0; i < KEEPERS && ledger; i++) {
		keepers[i] = (struct keeper){ledger, pipe, {round, i, 0}};
		if (pthread_create(&thread, NULL, keep_for_ever, &keepers[i]) != 0)
			_exit(1);
	}
	while (ledger)
		pause();
	_exit(1);
}

/* Kills it after a random time, and once at least one calendar was kept every other round. */
static void kill_it(pid_t child, int pipe, bool after_the_first, uint64_t *random)
{
	struct pollfd readable = {.fd = pipe, .events = POLLIN};
	int status;

	if (after_the_first)
		assert_int_equal(poll(&readable, 1, 20000), 1);
	usleep((useconds_t)random_below(random, LONGEST));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status)); /* it did not end before */
}

static size_t check_receipts(const char *path, int pipe)
{
	struct problem why = {.text = ""};
	struct ledger_store *store = ledger_store_open(path, LEDGER_STORE_CREATE, &why);
	struct receipt receipt;
	size_t count = 0;

	if (!store)
		fail_msg("%s", why.text);
	while (read(pipe, &receipt, sizeof(receipt)) == (ssize_t)sizeof(receipt)) {
		struct buffer calendar = buffer_with_maximum(4000);
		char id[64];
		const struct ledger_key key = {"acme", "i-1", "ann@example.com", id};

		write_id(id, sizeof(id), &receipt);
		if (ledger_store_find_same(store, &key, &calendar, &why) != LEDGER_FOUND ||
		    calendar.length != 2900 || !strstr(calendar.data, id))
			fail_msg("CIM_SEED=%llu: %s was kept and is not there",
				 (unsigned long long)random_seed(), id);
		buffer_free(&calendar);
		count++;
	}
	ledger_store_close(store);
	return count;
}

static void what_was_kept_survives_being_killed_at_any_moment(void **state)
{
	const char *given = getenv("CIM_KILLS"), *path = ledger_path(*state);
	const long kills = given ? strtol(given, NULL, 10) : 200;
	uint64_t random = random_start();
	size_t kept = 0;

	for (int round = 0; round < kills; round++) {
		int ends[2];
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(ends[0]);
			live(path, round, ends[1]);
		}
		close(ends[1]);
		kill_it(child, ends[0], round % 2 == 0, &random);
		kept += check_receipts(path, ends[0]);
		close(ends[0]);
		assert_integrity(path);
		/* What it costs to look through it is not to grow. */
		if (round % 20 == 19)
			sql(path, "DELETE FROM calendar");
	}
	print_message("CIM_SEED=%llu: %ld kills, %zu calendars were kept, all are there\n",
		      (unsigned long long)random_seed(), kills, kept);
	assert_true(kept >= (size_t)kills / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_kept_survives_being_killed_at_any_moment),
	};

	return cmocka_run_group_tests_name("ledger_kill", tests, folder_setup, folder_teardown);
}
