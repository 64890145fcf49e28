/* The ledger's thread: who waits for what, what becomes of trouble, what is removed. */
#include "ledger.h"

#include "ledger_lab.h"
#include "log.h"
#include "clock.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define HOUR           3600000LL
#define RETRY          50  /* ms */
#define SETTLING_AGAIN 500 /* ms */

/* The time of day as it would be if somebody had set it. */
static atomic_llong clock_set; /* s */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += clock_set;
	return result;
}

/* SQLite's calls come through here: how often was something brought to the disk? */
static atomic_int syncs;

int fdatasync(int file)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, file);
}

int fsync(int file)
{
	syncs++;
	return (int)syscall(SYS_fsync, file);
}

static struct ledger *start_settling(const char *path, long long settling)
{
	static struct clock_watch watch;
	const struct ledger_options options = {path, LEDGER_STORE_CREATE, 24 * HOUR, RETRY, &watch,
					       NULL};
	struct problem why = {.text = ""};
	struct ledger *ledger;

	clock_watch_start(&watch, settling, SETTLING_AGAIN);
	ledger = ledger_start(&options, &why);
	if (!ledger)
		fail_msg("%s", why.text);
	return ledger;
}

static struct ledger *start(const char *path)
{
	return start_settling(path, 0);
}

static bool keep(struct ledger *ledger, const char *invite, const char *message_id,
		 const char *calendar)
{
	const struct ledger_key key = key_of("acme", invite, "ann@example.com", message_id);
	struct problem why = {.text = ""};
	const bool kept = ledger_keep(ledger, &key, span_of_text(calendar), &why);

	assert_int_equal(kept, why.text[0] == '\0' || kept);
	return kept;
}

/* `expected` is NULL if there must be none. */
static void check_same(struct ledger *ledger, const char *invite, const char *message_id,
		       const char *expected)
{
	const struct ledger_key key = key_of("acme", invite, "ann@example.com", message_id);
	struct buffer calendar = buffer_with_maximum(1000);

	assert_int_equal(ledger_find_same(ledger, &key, &calendar),
			 expected ? LEDGER_FOUND : LEDGER_NOTHING);
	if (expected)
		assert_string_equal(calendar.data, expected);
	buffer_free(&calendar);
}

static void record(struct ledger *ledger, const char *invite)
{
	const struct record record = {
		.texts = {[RECORD_RESULT] = "cancelled", [RECORD_INVITE] = invite}};

	ledger_record(ledger, &record);
}

static void wait_until_usable(struct ledger *ledger)
{
	const long long until = clock_now() + 10000;

	while (!ledger_is_usable(ledger) && clock_now() < until)
		poll(NULL, 0, 5);
	assert_true(ledger_is_usable(ledger));
}

static void wait_for_count(const char *path, const char *query, long long count)
{
	const long long until = clock_now() + 10000;

	while (sql(path, query) != count && clock_now() < until)
		poll(NULL, 0, 5);
	assert_int_equal(sql(path, query), count);
}

/* ---- keeping ---- */

static void what_is_kept_is_there_at_once_and_after_a_restart(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	check_same(ledger, "i-1", "<1@x>", "calendar");
	check_same(ledger, "i-2", "<1@x>", NULL);
	/* Another process sees it too: it is committed, not only known to us. */
	assert_int_equal(sql(path, "SELECT count(*) FROM calendar"), 1);
	ledger_free(ledger);
	ledger = start(path);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	ledger_free(ledger);
}

static void the_latest_calendar_is_found_for_any_message(void **state)
{
	struct ledger *ledger = start(ledger_path(*state));
	const struct ledger_key key = key_of("acme", "i-1", "ann@example.com", "<3@x>");
	struct buffer calendar = buffer_with_maximum(1000);

	assert_true(keep(ledger, "i-1", "<1@x>", "first"));
	assert_true(keep(ledger, "i-1", "", "second"));
	assert_int_equal(ledger_find_latest(ledger, &key, &calendar), LEDGER_FOUND);
	assert_string_equal(calendar.data, "second");
	buffer_free(&calendar);
	ledger_free(ledger);
}

static void records_are_written_without_anybody_waiting(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	for (int i = 0; i < 100; i++)
		record(ledger, "i-1");
	wait_for_count(path, "SELECT count(*) FROM record", 100);
	ledger_free(ledger);
}

static void stopping_writes_what_was_handed_in(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	for (int i = 0; i < 1000; i++)
		record(ledger, "i-1");
	ledger_stop(ledger);
	assert_int_equal(sql(path, "SELECT count(*) FROM record"), 1000);
	assert_false(keep(ledger, "i-1", "<1@x>", "too late"));
	record(ledger, "i-1");
	ledger_stop(ledger);
	ledger_free(ledger);
	assert_int_equal(sql(path, "SELECT count(*) FROM record"), 1000);
}

static void what_is_kept_is_on_the_disk_and_records_go_with_it(void **state)
{
	struct ledger *ledger = start(ledger_path(*state));
	int before;

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	for (int i = 0; i < 20; i++) {
		before = syncs;
		record(ledger, "i-1");
		assert_true(keep(ledger, "i-1", "<2@x>", "calendar"));
		assert_true(syncs > before);
	}
	/* One for all, and some for bringing the log over into the file. */
	before = syncs;
	for (int i = 0; i < 50; i++)
		record(ledger, "i-1");
	assert_true(keep(ledger, "i-1", "<3@x>", "calendar"));
	assert_in_range(syncs - before, 1, 4);
	ledger_free(ledger);
}

struct crowd {
	struct ledger *ledger;
	int number;
	int kept;
};

static void *keep_some(void *context)
{
	struct crowd *crowd = context;

	for (int i = 0; i < 20; i++) {
		char id[32];

		snprintf(id, sizeof(id), "<%d-%d@x>", crowd->number, i);
		crowd->kept += keep(crowd->ledger, "i-1", id, id);
		record(crowd->ledger, id);
		check_same(crowd->ledger, "i-1", id, id);
	}
	return NULL;
}

static void many_at_once_share_commits(void **state)
{
	struct ledger *ledger = start(ledger_path(*state));
	struct crowd crowd[40];
	pthread_t threads[40];
	const int before = syncs;

	for (int i = 0; i < 40; i++) {
		crowd[i] = (struct crowd){.ledger = ledger, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, keep_some, &crowd[i]), 0);
	}
	for (int i = 0; i < 40; i++)
		pthread_join(threads[i], NULL);
	assert_in_range(syncs - before, 20, 400); /* for 800 calendars */
	ledger_free(ledger);
}

static void many_at_once_lose_nothing(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledgers[] = {start(path), start(path)};
	struct crowd crowd[40];
	pthread_t threads[40];

	for (int i = 0; i < 40; i++) {
		crowd[i] = (struct crowd){.ledger = ledgers[i % 2], .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, keep_some, &crowd[i]), 0);
	}
	for (int i = 0; i < 40; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(crowd[i].kept, 20);
	}
	ledger_free(ledgers[0]);
	ledger_free(ledgers[1]);
	assert_int_equal(sql(path, "SELECT count(*) FROM calendar"), 800);
	assert_int_equal(sql(path, "SELECT count(*) FROM record"), 800);
	assert_integrity(path);
}

/* ---- calls ---- */

static struct ledger_call begin_call(struct ledger *ledger, const char *message_id,
				     enum ledger_begun expected)
{
	const struct ledger_key key = key_of("acme", "i-1", "ann@example.com", message_id);
	struct ledger_call call;

	assert_int_equal(ledger_begin_call(ledger, &key, HOUR, &call), expected);
	return call;
}

static void a_call_that_is_begun_is_safe_from_a_kill_at_once(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path), *other = start(path);
	const struct ledger_key key = key_of("acme", "i-1", "ann@example.com", "<1@x>");
	struct ledger_call call = begin_call(ledger, "<1@x>", LEDGER_BEGUN);

	assert_false(call.in_doubt);
	assert_int_equal(sql(path, "SELECT count(*) FROM call"), 1);
	begin_call(other, "<1@x>", LEDGER_TAKEN);
	ledger_end_call(ledger, &key, &call, false);
	wait_for_count(path, "SELECT count(*) FROM call WHERE owner = ''", 1);
	assert_true(begin_call(other, "<1@x>", LEDGER_BEGUN).in_doubt);
	ledger_free(ledger);
	ledger_free(other);
}

/* It is brought to the disk while the call goes on, and costs its message no wait. */
static void a_call_is_brought_to_the_disk_beside_it(void **state)
{
	struct ledger *ledger = start(ledger_path(*state));
	const long long until = clock_now() + 10000;
	int before;

	assert_true(keep(ledger, "i-0", "<0@x>", "calendar"));
	before = syncs;
	begin_call(ledger, "<1@x>", LEDGER_BEGUN);
	while (syncs == before && clock_now() < until)
		poll(NULL, 0, 1);
	assert_int_equal(syncs - before, 1);
	ledger_free(ledger);
}

static void what_cannot_be_written_down_is_not_begun(void **state)
{
	const struct folder *folder = *state;
	char path[128];
	struct ledger *ledger;

	snprintf(path, sizeof(path), "%s/none/ledger.db", folder->path);
	ledger = start(path);
	begin_call(ledger, "<1@x>", LEDGER_NOT_BEGUN);
	ledger_free(ledger);
}

/* ---- trouble ---- */

static void refuse_everything(struct ledger *ledger)
{
	const struct ledger_key key = key_of("acme", "i-1", "ann@example.com", "<1@x>");
	const long long begun = clock_now();
	struct buffer calendar = buffer_with_maximum(1000);

	assert_false(ledger_is_usable(ledger));
	assert_false(keep(ledger, "i-1", "<1@x>", "calendar"));
	assert_int_equal(ledger_find_same(ledger, &key, &calendar), LEDGER_FAILED);
	assert_int_equal(ledger_find_latest(ledger, &key, &calendar), LEDGER_FAILED);
	record(ledger, "i-1");
	assert_true(clock_now() - begun < 1000);
	buffer_free(&calendar);
}

static void a_directory_that_comes_later_is_enough(void **state)
{
	const struct folder *folder = *state;
	char directory[96], path[128];
	struct ledger *ledger;

	snprintf(directory, sizeof(directory), "%s/later", folder->path);
	snprintf(path, sizeof(path), "%s/ledger.db", directory);
	ledger = start(path);
	refuse_everything(ledger);
	assert_int_equal(mkdir(directory, 0700), 0);
	wait_until_usable(ledger);
	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	check_same(ledger, "i-1", "<1@x>", "calendar");
	ledger_free(ledger);
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
}

static void a_file_that_is_no_ledger_is_left_until_it_is_moved_away(void **state)
{
	const struct folder *folder = *state;
	char *text = text_of_length(8192, 'x');
	const char *path = folder_write_text(folder, "ledger.db", text);
	struct ledger *ledger = start(path);
	struct stat status;
	char away[160];

	refuse_everything(ledger);
	poll(NULL, 0, 3 * RETRY);
	refuse_everything(ledger);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 8192);
	snprintf(away, sizeof(away), "%s.broken", path);
	assert_int_equal(rename(path, away), 0);
	wait_until_usable(ledger);
	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	ledger_free(ledger);
	free(text);
}

static void a_ledger_that_is_moved_away_meanwhile_is_made_anew(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	assert_true(keep(ledger, "i-1", "<1@x>", "first"));
	forget_ledger(state);
	assert_true(keep(ledger, "i-2", "<1@x>", "second"));
	check_same(ledger, "i-1", "<1@x>", NULL);
	check_same(ledger, "i-2", "<1@x>", "second");
	ledger_free(ledger);
	assert_int_equal(sql(path, "SELECT count(*) FROM calendar"), 1);
}

static void a_lock_holds_up_one_message_for_a_while_and_the_next_not_at_all(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);
	sqlite3 *other = open_sql(path);
	long long begun;

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	run_sql(other, "BEGIN IMMEDIATE");
	begun = clock_now();
	assert_false(keep(ledger, "i-1", "<2@x>", "calendar"));
	assert_in_range(clock_now() - begun, LEDGER_STORE_PATIENCE - 200,
			LEDGER_STORE_PATIENCE + 3000);
	begun = clock_now();
	assert_false(keep(ledger, "i-1", "<3@x>", "calendar"));
	assert_true(clock_now() - begun < 500);
	run_sql(other, "COMMIT");
	sqlite3_close(other);
	wait_until_usable(ledger);
	assert_true(keep(ledger, "i-1", "<3@x>", "calendar"));
	check_same(ledger, "i-1", "<1@x>", "calendar");
	check_same(ledger, "i-1", "<2@x>", NULL);
	ledger_free(ledger);
}

static void a_full_disk_is_over_when_there_is_room_again(void **state)
{
	struct ledger *ledger = start(ledger_path(*state));
	char *text = text_of_length(300000, 'x');
	struct rlimit before, limit;

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 200000;
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_false(keep(ledger, "i-2", "<1@x>", text));
	assert_false(ledger_is_usable(ledger));
	check_same(ledger, "i-1", "<1@x>", "calendar");
	poll(NULL, 0, 3 * RETRY); /* it was tried again */
	check_same(ledger, "i-1", "<1@x>", "calendar");
	check_same(ledger, "i-2", "<1@x>", NULL);
	setrlimit(RLIMIT_FSIZE, &before);
	wait_until_usable(ledger);
	assert_true(keep(ledger, "i-2", "<1@x>", "there is room"));
	check_same(ledger, "i-1", "<1@x>", "calendar");
	check_same(ledger, "i-2", "<1@x>", "there is room");
	ledger_free(ledger);
	signal(SIGXFSZ, SIG_DFL);
	free(text);
}

/* Standard error goes to a file while this runs; gives what was written. The caller frees it. */
static char *log_of(const struct folder *folder, void (*run)(struct ledger *),
		    struct ledger *ledger)
{
	const char *path = folder_write_text(folder, "log", "");
	const int saved = dup(STDERR_FILENO), file = open(path, O_RDWR | O_CLOEXEC);
	char *text = calloc(1, 10000);

	assert_true(saved >= 0 && file >= 0 && text);
	dup2(file, STDERR_FILENO);
	run(ledger);
	dup2(saved, STDERR_FILENO);
	assert_true(pread(file, text, 9999, 0) >= 0);
	close(file);
	close(saved);
	return text;
}

static void ask_often(struct ledger *ledger)
{
	for (int i = 0; i < 100; i++)
		refuse_everything(ledger);
	poll(NULL, 0, 3 * RETRY);
}

static char recovered[128];

static void recover(struct ledger *ledger)
{
	assert_int_equal(mkdir(recovered, 0700), 0);
	wait_until_usable(ledger);
}

static void trouble_is_told_once_and_its_end_once(void **state)
{
	const struct folder *folder = *state;
	char path[160], *text;
	struct ledger *ledger;
	const char *first;

	snprintf(recovered, sizeof(recovered), "%s/absent", folder->path);
	snprintf(path, sizeof(path), "%s/ledger.db", recovered);
	ledger = start(path); /* which tells it already */
	text = log_of(folder, ask_often, ledger);
	assert_string_equal(text, "");
	free(text);
	text = log_of(folder, recover, ledger);
	first = strstr(text, "can be used again");
	assert_non_null(first);
	assert_null(strstr(first + 1, "can be used again"));
	free(text);
	ledger_free(ledger);
	unlink(path);
	rmdir(recovered);
}

/* ---- removing ---- */

static void what_is_too_old_is_removed_a_little_at_a_time(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);
	sqlite3 *other;

	assert_true(keep(ledger, "i-1", "<new@x>", "calendar"));
	ledger_free(ledger);
	other = open_sql(path);
	run_sql(other,
		"INSERT INTO calendar SELECT NULL, 'acme', 'old', 'r', value, 1000, 'text', '' "
		"FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 "
		"FROM n LIMIT 2000) SELECT value FROM n)");
	run_sql(other,
		"INSERT INTO record SELECT NULL, 1000, 0, 0, 'cancelled', '', 'acme', 'old', "
		"'', '', '', '', '', '', '', '', '' FROM calendar LIMIT 1700");
	ledger = start(path);
	record(ledger, "new");
	wait_for_count(path, "SELECT count(*) FROM calendar", 1);
	wait_for_count(path, "SELECT count(*) FROM record WHERE invite = 'old'", 0);
	wait_for_count(path, "SELECT count(*) FROM record", 1);
	check_same(ledger, "i-1", "<new@x>", "calendar");
	ledger_free(ledger);
	sqlite3_close(other);
	assert_integrity(path);
}

static void a_shorter_keep_is_followed_at_once(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	assert_true(keep(ledger, "i-2", "<1@x>", "calendar"));
	sql(path, "UPDATE calendar SET time = time - 7200000 WHERE invite = 'i-1'");
	poll(NULL, 0, 300);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	ledger_set_keep(ledger, HOUR);
	wait_for_count(path, "SELECT count(*) FROM calendar", 1);
	check_same(ledger, "i-1", "<1@x>", NULL);
	check_same(ledger, "i-2", "<1@x>", "calendar");
	ledger_free(ledger);
}

/* What it makes old is not removed, and when it is right again, nothing was old. */
static void a_clock_that_is_set_for_a_moment_removes_nothing(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	poll(NULL, 0, 200); /* the clock was looked at */
	clock_set = 40 * HOUR / 1000;
	ledger_set_keep(ledger, 24 * HOUR); /* looks at once for what is old */
	poll(NULL, 0, 200);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	clock_set = 0;
	ledger_set_keep(ledger, 24 * HOUR);
	poll(NULL, 0, SETTLING_AGAIN + 100);
	ledger_set_keep(ledger, 24 * HOUR);
	poll(NULL, 0, 200);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	ledger_free(ledger);
}

static void a_clock_that_stays_as_it_was_set_is_believed(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger = start(path);

	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	poll(NULL, 0, 200);
	clock_set = 40 * HOUR / 1000;
	ledger_set_keep(ledger, 24 * HOUR);
	poll(NULL, 0, SETTLING_AGAIN + 100);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	ledger_set_keep(ledger, 24 * HOUR);
	wait_for_count(path, "SELECT count(*) FROM calendar", 0);
	clock_set = 0;
	ledger_free(ledger);
}

static void a_clock_is_not_trusted_just_after_the_start(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger *ledger;

	clock_set = -40 * HOUR / 1000;
	ledger = start(path);
	assert_true(keep(ledger, "i-1", "<1@x>", "calendar"));
	ledger_free(ledger);
	clock_set = 0;
	ledger = start_settling(path, HOUR);
	poll(NULL, 0, 300);
	check_same(ledger, "i-1", "<1@x>", "calendar");
	/* Unless the newest that is there shows that it can be right. */
	assert_true(keep(ledger, "i-2", "<1@x>", "calendar"));
	ledger_free(ledger);
	ledger = start_settling(path, HOUR);
	wait_for_count(path, "SELECT count(*) FROM calendar", 1);
	check_same(ledger, "i-2", "<1@x>", "calendar");
	ledger_free(ledger);
}

static struct folder *the_folder;

static int forget_ledger_of_group(void **state)
{
	*state = the_folder;
	return forget_ledger(state);
}

static int group_setup(void **state)
{
	const int result = folder_setup(state);

	the_folder = *state;
	return result;
}

#define test(name) cmocka_unit_test_setup(name, forget_ledger_of_group)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_kept_is_there_at_once_and_after_a_restart),
		test(the_latest_calendar_is_found_for_any_message),
		test(records_are_written_without_anybody_waiting),
		test(stopping_writes_what_was_handed_in),
		test(what_is_kept_is_on_the_disk_and_records_go_with_it),
		test(many_at_once_share_commits),
		test(many_at_once_lose_nothing),
		test(a_call_that_is_begun_is_safe_from_a_kill_at_once),
		test(a_call_is_brought_to_the_disk_beside_it),
		test(what_cannot_be_written_down_is_not_begun),
		test(a_directory_that_comes_later_is_enough),
		test(a_file_that_is_no_ledger_is_left_until_it_is_moved_away),
		test(a_ledger_that_is_moved_away_meanwhile_is_made_anew),
		test(a_lock_holds_up_one_message_for_a_while_and_the_next_not_at_all),
		test(a_full_disk_is_over_when_there_is_room_again),
		test(trouble_is_told_once_and_its_end_once),
		test(what_is_too_old_is_removed_a_little_at_a_time),
		test(a_shorter_keep_is_followed_at_once),
		test(a_clock_that_is_set_for_a_moment_removes_nothing),
		test(a_clock_that_stays_as_it_was_set_is_believed),
		test(a_clock_is_not_trusted_just_after_the_start),
	};

	return cmocka_run_group_tests_name("ledger", tests, group_setup, folder_teardown);
}
