/* The ledger's file. */
#include "ledger_store.h"

#include "ledger_lab.h"
#include "ledger_sql.h"
#include "random.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct ledger_store *open_store(const char *path)
{
	struct problem why = {.text = ""};
	struct ledger_store *store = ledger_store_open(path, LEDGER_STORE_CREATE, &why);

	if (!store)
		fail_msg("%s", why.text);
	return store;
}

static void check_refused(const char *path, enum ledger_store_mode mode, const char *part)
{
	struct problem why = {.text = ""};

	assert_null(ledger_store_open(path, mode, &why));
	assert_contains(why.text, path);
	assert_contains(why.text, part);
}

static void keep(struct ledger_store *store, struct ledger_key key, long long time,
		 const char *calendar)
{
	struct problem why = {.text = ""};

	if (!ledger_store_begin(store, &why) ||
	    !ledger_store_keep(store, &key, time, span_of_text(calendar), &why) ||
	    !ledger_store_commit(store, &why))
		fail_msg("%s", why.text);
}

static void put(struct ledger_store *store, const struct record *record)
{
	struct problem why = {.text = ""};

	if (!ledger_store_begin(store, &why) || !ledger_store_record(store, record, &why) ||
	    !ledger_store_commit(store, &why))
		fail_msg("%s", why.text);
}

typedef enum ledger_found finder(struct ledger_store *store, const struct ledger_key *key,
				 struct buffer *calendar, struct problem *why);

/* `expected` is NULL if there must be none. */
static void check_found(finder *find, struct ledger_store *store, struct ledger_key key,
			const char *expected)
{
	struct buffer calendar = buffer_with_maximum(1000);
	struct problem why = {.text = ""};
	const enum ledger_found found = find(store, &key, &calendar, &why);

	assert_int_equal(found, expected ? LEDGER_FOUND : LEDGER_NOTHING);
	if (expected)
		assert_string_equal(calendar.data, expected);
	buffer_free(&calendar);
}

#define check_same(...)   check_found(ledger_store_find_same, __VA_ARGS__)
#define check_latest(...) check_found(ledger_store_find_latest, __VA_ARGS__)

/* ---- opening ---- */

static void a_new_file_is_for_its_owner_alone(void **state)
{
	const char *path = ledger_path(*state);
	const mode_t before = umask(0);
	struct ledger_store *store = open_store(path);
	char log[160];
	struct stat status;

	umask(before);
	keep(store, key_of("a", "i", "r", "m"), 1, "calendar");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	snprintf(log, sizeof(log), "%s-wal", path);
	assert_int_equal(stat(log, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	ledger_store_close(store);
}

static void is_made_only_by_who_may_make_it(void **state)
{
	const char *path = ledger_path(*state);

	check_refused(path, LEDGER_STORE_EXISTING, "No such file");
	check_refused(path, LEDGER_STORE_READ, "No such file");
	assert_int_equal(access(path, F_OK), -1);
}

static void a_new_file_has_a_write_ahead_log_and_todays_schema(void **state)
{
	const char *path = ledger_path(*state);

	ledger_store_close(open_store(path));
	assert_int_equal(sql(path, "SELECT count(*) FROM pragma_journal_mode "
				   "WHERE journal_mode = 'wal'"),
			 1);
	assert_int_equal(sql(path, "PRAGMA user_version"), ledger_sql_version);
	assert_integrity(path);
}

static void a_missing_directory_is_told(void **state)
{
	const struct folder *folder = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/none/ledger.db", folder->path);
	check_refused(path, LEDGER_STORE_CREATE, "there is no directory");
}

static void a_file_that_is_no_database_is_left_alone(void **state)
{
	const struct folder *folder = *state;
	char *text = text_of_length(8192, 'x');
	const char *path = folder_write_text(folder, "ledger.db", text);
	struct stat status;

	check_refused(path, LEDGER_STORE_CREATE, "move it away");
	check_refused(path, LEDGER_STORE_READ, "damaged");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 8192);
	free(text);
}

static void another_programs_database_is_left_alone(void **state)
{
	const char *path = ledger_path(*state);

	sql(path, "CREATE TABLE theirs (a)");
	check_refused(path, LEDGER_STORE_CREATE, "another program's");
	assert_int_equal(sql(path, "SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(sql(path, "SELECT count(*) FROM pragma_journal_mode "
				   "WHERE journal_mode = 'wal'"),
			 0);
}

static void a_later_versions_file_is_left_alone(void **state)
{
	const char *path = ledger_path(*state);
	char text[64];

	ledger_store_close(open_store(path));
	snprintf(text, sizeof(text), "PRAGMA user_version = %zu", ledger_sql_version + 1);
	sql(path, text);
	check_refused(path, LEDGER_STORE_CREATE, "later version");
	check_refused(path, LEDGER_STORE_READ, "later version");
	assert_int_equal(sql(path, "PRAGMA user_version"), ledger_sql_version + 1);
}

/* As the first version made it, with a calendar whose row number came before its time. */
static void a_ledger_of_the_first_version_keeps_its_calendars(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store;
	sqlite3 *old = open_sql(path);

	assert_int_equal(sqlite3_exec(old, ledger_sql_steps[0], NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(old,
				      "PRAGMA application_id = 0x43494d4c; PRAGMA user_version = 1;"
				      "INSERT INTO calendar VALUES"
				      "('a', 'i', 'r', '<2@x>', 2, CAST('second' AS BLOB)),"
				      "('a', 'i', 'r', '<1@x>', 1, CAST('first' AS BLOB))",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(old);
	store = open_store(path);
	check_same(store, key_of("a", "i", "r", "<1@x>"), "first");
	check_same(store, key_of("a", "i", "r", "<2@x>"), "second");
	check_latest(store, key_of("a", "i", "r", ""), "second");
	ledger_store_close(store);
	assert_int_equal(sql(path, "PRAGMA user_version"), ledger_sql_version);
	assert_integrity(path);
}

static void an_empty_file_becomes_a_ledger(void **state)
{
	const char *path = folder_write_text(*state, "ledger.db", "");

	check_refused(path, LEDGER_STORE_READ, "start the filter");
	ledger_store_close(open_store(path));
	assert_int_equal(sql(path, "PRAGMA user_version"), ledger_sql_version);
}

static void what_may_not_be_written_can_be_read(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);
	struct problem why = {.text = ""};
	const struct ledger_key key = key_of("a", "i", "r", "m");

	keep(store, key, 1, "calendar");
	ledger_store_close(store);
	store = ledger_store_open(path, LEDGER_STORE_READ, &why);
	assert_non_null(store);
	check_same(store, key, "calendar");
	assert_false(ledger_store_begin(store, &why) &&
		     ledger_store_keep(store, &key, 2, span_of_text("other"), &why));
	ledger_store_rollback(store);
	check_same(store, key, "calendar");
	ledger_store_close(store);
}

static void a_file_of_somebody_else_is_told(void **state)
{
	const struct folder *folder = *state;
	const char *path = ledger_path(folder);
	int status = 0;
	pid_t child;

	if (geteuid() != 0)
		skip();
	ledger_store_close(open_store(path));
	chmod(folder->path, 0755);
	child = fork();
	if (child == 0) {
		struct problem why = {.text = ""};

		/* cmocka's own assertions would go on with the other tests here. */
		if (setuid(65534) != 0 || ledger_store_open(path, LEDGER_STORE_CREATE, &why) ||
		    !strstr(why.text, "must belong to the user"))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_lock_is_not_waited_for_without_end(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);
	const struct ledger_key key = key_of("a", "i", "r", "m");
	sqlite3 *other;
	struct problem why = {.text = ""};

	keep(store, key, 1, "calendar");
	other = open_sql(path);
	run_sql(other, "BEGIN IMMEDIATE");
	assert_false(ledger_store_begin(store, &why));
	assert_contains(why.text, "locked");
	check_same(store, key, "calendar");
	run_sql(other, "COMMIT");
	sqlite3_close(other);
	keep(store, key, 2, "later");
	check_same(store, key, "later");
	ledger_store_close(store);
}

static void knows_when_its_file_is_not_there_any_more(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);

	assert_false(ledger_store_has_moved(store));
	unlink(path);
	assert_true(ledger_store_has_moved(store));
	ledger_store_close(store);
}

static void a_full_disk_is_an_error_and_nothing_else(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);
	const struct ledger_key key = key_of("a", "i", "r", "m"),
				large = key_of("a", "l", "r", "m");
	char *text = text_of_length(300000, 'x');
	struct rlimit before, limit;
	struct problem why = {.text = ""};

	keep(store, key, 1, "calendar");
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 200000;
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_false(ledger_store_begin(store, &why) &&
		     ledger_store_keep(store, &large, 2, span_of_text(text), &why) &&
		     ledger_store_commit(store, &why));
	ledger_store_rollback(store);
	setrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_DFL);
	assert_contains(why.text, path);
	check_same(store, large, NULL);
	check_same(store, key, "calendar");
	keep(store, large, 3, "now there is room");
	check_same(store, large, "now there is room");
	ledger_store_close(store);
	assert_integrity(path);
	free(text);
}

/* Whatever is in the file: an error, or some answer; never more than that. */
static void bytes_that_changed_by_themselves_kill_nobody(void **state)
{
	const struct folder *folder = *state;
	const char *path = ledger_path(folder);
	uint64_t random = random_start();
	struct ledger_store *store = open_store(path);
	char whole[262144];
	size_t size;
	int opened = 0;
	FILE *stream;

	for (int i = 0; i < 100; i++) {
		char id[32];
		const struct record record = {
			.time = i, .texts = {[RECORD_INVITE] = id, [RECORD_REASON] = "because"}};

		snprintf(id, sizeof(id), "invite-%d", i);
		keep(store, key_of("a", id, "r", "m"), i, "calendar");
		put(store, &record);
	}
	ledger_store_close(store);
	stream = fopen(path, "re");
	size = fread(whole, 1, sizeof(whole), stream);
	fclose(stream);
	assert_in_range(size, 8192, sizeof(whole) - 1);
	for (int round = 0; round < 300; round++) {
		struct buffer calendar = buffer_with_maximum(100000);
		const struct ledger_key key = key_of("a", "invite-50", "r", "m");
		struct problem why = {.text = ""};
		char *damaged = malloc(size);

		forget_ledger(state);
		memcpy(damaged, whole, size);
		for (size_t i = 0; i < 1 + random_below(&random, 400); i++)
			damaged[random_below(&random, size)] = (char)random_next(&random);
		folder_write(folder, "ledger.db", 0600, damaged,
			     round % 4 ? size : random_below(&random, size));
		store = ledger_store_open(path, LEDGER_STORE_EXISTING, &why);
		if (store) {
			opened++;
			ledger_store_find_same(store, &key, &calendar, &why);
			ledger_store_find_latest(store, &key, &calendar, &why);
			if (ledger_store_begin(store, &why) &&
			    ledger_store_keep(store, &key, 1, span_of_text("new"), &why))
				(void)!ledger_store_commit(store, &why);
			ledger_store_rollback(store);
			ledger_store_prune(store, 60, 500, &why);
		}
		ledger_store_close(store);
		buffer_free(&calendar);
		free(damaged);
	}
	/* Else nothing was tried. */
	assert_true(opened > 10);
}

static size_t read_file(const char *path, char *out, size_t size)
{
	FILE *stream = fopen(path, "re");
	size_t length;

	assert_non_null(stream);
	length = fread(out, 1, size, stream);
	fclose(stream);
	assert_in_range(length, 1, size - 1);
	return length;
}

/* Found as it was written, or not at all. Gives what was found. */
static enum ledger_found look_for(finder *find, struct ledger_store *store, const char *invite,
				  const char *expected)
{
	const struct ledger_key key = key_of("acme", invite, "ann@example.com", "<1@x>");
	struct buffer calendar = buffer_with_maximum(100000);
	struct problem why = {.text = ""};
	const enum ledger_found found = find(store, &key, &calendar, &why);

	if (found == LEDGER_FOUND)
		assert_string_equal(calendar.data, expected);
	buffer_free(&calendar);
	return found;
}

/*
 * One bit of the file is another: all those of the calendars, and of their index, and a sample of the
 * rest. A calendar is found as it was written or not at all.
 */
static void no_bit_that_changed_by_itself_changes_a_calendar(void **state)
{
	const struct folder *folder = *state;
	const char *path = ledger_path(folder);
	uint64_t random = random_start();
	struct ledger_store *store = open_store(path);
	static char whole[262144];
	size_t size, changed = 0;
	int found[LEDGER_FAILED + 1] = {0};

	keep(store, key_of("acme", "invite-1", "ann@example.com", "<1@x>"), 1, "calendar 1");
	keep(store, key_of("acme", "invite-2", "ann@example.com", "<1@x>"), 2, "calendar 2");
	ledger_store_close(store);
	size = read_file(path, whole, sizeof(whole));
	for (size_t at = 0; at < size; at++) {
		static const char zeros[8];
		const bool used = at + 8 > size || memcmp(whole + at, zeros, 8) != 0;
		const bool near = memmem(whole + at, size - at < 40 ? size - at : 40, "acme", 4);
		const int bit = (int)random_below(&random, 8);

		for (int i = 0; i < 8; i++) {
			struct problem why = {.text = ""};

			if (!(near || (i == bit && random_below(&random, used ? 8 : 200) == 0)))
				continue;
			changed++;
			whole[at] = (char)(whole[at] ^ (1 << i));
			forget_ledger(state);
			folder_write(folder, "ledger.db", 0600, whole, size);
			whole[at] = (char)(whole[at] ^ (1 << i));
			store = ledger_store_open(path, LEDGER_STORE_READ, &why);
			if (!store)
				continue;
			found[look_for(ledger_store_find_same, store, "invite-1", "calendar 1")]++;
			look_for(ledger_store_find_latest, store, "invite-1", "calendar 1");
			found[look_for(ledger_store_find_same, store, "invite-2", "calendar 2")]++;
			look_for(ledger_store_find_latest, store, "invite-2", "calendar 2");
			ledger_store_close(store);
		}
	}
	/* All that there is was seen, often. */
	assert_in_range(changed, 1000, 20000);
	assert_true(found[LEDGER_FOUND] > 100 && found[LEDGER_DAMAGED] > 100 &&
		    found[LEDGER_NOTHING] > 100);
}

/* ---- calendars ---- */

static void a_calendar_is_found_by_its_whole_key_only(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));

	keep(store, key_of("acme", "i-1", "ann@example.com", "<1@x>"), 1, "first");
	check_same(store, key_of("acme", "i-1", "ann@example.com", "<1@x>"), "first");
	check_same(store, key_of("Acme", "i-1", "ann@example.com", "<1@x>"), NULL);
	check_same(store, key_of("acme", "I-1", "ann@example.com", "<1@x>"), NULL);
	check_same(store, key_of("acme", "i-1", "Ann@example.com", "<1@x>"), NULL);
	check_same(store, key_of("acme", "i-1", "ann@example.com", "<2@x>"), NULL);
	check_latest(store, key_of("acme", "i-1", "ann@example.com", "<2@x>"), "first");
	check_latest(store, key_of("globex", "i-1", "ann@example.com", "<1@x>"), NULL);
	check_latest(store, key_of("acme", "i-2", "ann@example.com", "<1@x>"), NULL);
	check_latest(store, key_of("acme", "i-1", "ann@EXAMPLE.com", "<1@x>"), NULL);
	ledger_store_close(store);
}

static void each_message_has_its_own_and_the_latest_is_the_invites(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));

	keep(store, key_of("a", "i", "r", "<1@x>"), 10, "first");
	keep(store, key_of("a", "i", "r", "<2@x>"), 20, "second");
	check_same(store, key_of("a", "i", "r", "<1@x>"), "first");
	check_same(store, key_of("a", "i", "r", "<2@x>"), "second");
	check_latest(store, key_of("a", "i", "r", "<3@x>"), "second");
	keep(store, key_of("a", "i", "r", "<1@x>"), 30, "first again");
	check_same(store, key_of("a", "i", "r", "<1@x>"), "first again");
	check_latest(store, key_of("a", "i", "r", ""), "first again");
	ledger_store_close(store);
}

static void the_latest_is_the_last_one_whatever_the_clock_said(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));

	keep(store, key_of("a", "i", "r", "<1@x>"), 2000, "first");
	keep(store, key_of("a", "i", "r", "<2@x>"), 1000, "second");
	check_latest(store, key_of("a", "i", "r", ""), "second");
	keep(store, key_of("a", "i", "r", "<1@x>"), 500, "first again");
	check_latest(store, key_of("a", "i", "r", ""), "first again");
	ledger_store_close(store);
}

static void the_latest_that_is_not_damaged_is_the_latest(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);

	keep(store, key_of("acme", "i", "ann@example.com", "<0@x>"), 1, "first");
	keep(store, key_of("acme", "i", "ann@example.com", "<1@x>"), 2, "second");
	sql(path, "UPDATE calendar SET text = CAST('sEcond' AS BLOB) WHERE message_id = '<1@x>'");
	assert_int_equal(look_for(ledger_store_find_same, store, "i", ""), LEDGER_DAMAGED);
	check_latest(store, key_of("acme", "i", "ann@example.com", "<1@x>"), "first");
	sql(path, "UPDATE calendar SET digest = ''");
	assert_int_equal(look_for(ledger_store_find_latest, store, "i", ""), LEDGER_DAMAGED);
	keep(store, key_of("acme", "i", "ann@example.com", "<1@x>"), 3, "third");
	assert_int_equal(look_for(ledger_store_find_same, store, "i", "third"), LEDGER_FOUND);
	ledger_store_close(store);
}

static void a_message_without_an_id_is_never_the_same(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));

	keep(store, key_of("a", "i", "r", ""), 1, "calendar");
	check_same(store, key_of("a", "i", "r", ""), NULL);
	check_latest(store, key_of("a", "i", "r", ""), "calendar");
	ledger_store_close(store);
}

static void what_is_rolled_back_was_never_there(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));
	const struct ledger_key key = key_of("a", "i", "r", "m");
	struct problem why = {.text = ""};

	assert_true(ledger_store_begin(store, &why));
	assert_true(ledger_store_keep(store, &key, 1, span_of_text("calendar"), &why));
	ledger_store_rollback(store);
	check_same(store, key, NULL);
	ledger_store_close(store);
}

static void two_that_are_open_see_each_others(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *one = open_store(path), *other = open_store(path);

	keep(one, key_of("a", "1", "r", "m"), 1, "one's");
	keep(other, key_of("a", "2", "r", "m"), 1, "the other's");
	check_same(other, key_of("a", "1", "r", "m"), "one's");
	check_same(one, key_of("a", "2", "r", "m"), "the other's");
	ledger_store_close(one);
	check_same(other, key_of("a", "1", "r", "m"), "one's");
	ledger_store_close(other);
}

/* ---- records ---- */

struct taken {
	size_t count, most;
	char ids[2000][16];
	struct record *last;
};

static bool take(void *context, const struct record *record)
{
	struct taken *taken = context;

	snprintf(taken->ids[taken->count++], sizeof(taken->ids[0]), "%s",
		 record_text(record, RECORD_QUEUE_ID));
	free(taken->last);
	taken->last = record_copy(record);
	return taken->count < taken->most;
}

static struct taken *about(struct ledger_store *store, const char *what)
{
	static struct taken taken;
	struct problem why = {.text = ""};

	free(taken.last);
	taken = (struct taken){.most = 2000};
	assert_true(ledger_store_each_about(store, what, take, &taken, &why));
	return &taken;
}

static void an_attempt_comes_back_as_it_was(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));
	const struct record record = {
		.time = 1234567890123,
		.status = 404,
		.ms = 86,
		.texts = {"cancelled", "fallback", "acme", "i-1", "ann@example.com",
			  "bob@example.com", "robot@acme.example", "<1@acme.example>", "63972A",
			  "uid@cronofy", "2", "451 4.3.0", "because\n\xff"},
	};
	const struct taken *taken;

	put(store, &record);
	taken = about(store, "i-1");
	assert_int_equal(taken->count, 1);
	assert_int_equal(taken->last->time, record.time);
	assert_int_equal(taken->last->status, 404);
	assert_int_equal(taken->last->ms, 86);
	for (int i = 0; i < RECORD_TEXTS; i++)
		assert_string_equal(taken->last->texts[i], record.texts[i]);
	about(store, "nothing");
	ledger_store_close(store);
}

static void an_attempt_is_found_by_what_people_know_of_it(void **state)
{
	static const char *const known[] = {"i-1",
					    "ann@example.com",
					    "Ann@Example.COM",
					    "bob@example.com",
					    "<1@acme.example>",
					    "1@acme.example",
					    "63972A"};
	static const char *const unknown[] = {"i-", "i-12",   "robot@acme.example", "acme", "",
					      "%",  "63972a", "cancelled"};
	struct ledger_store *store = open_store(ledger_path(*state));
	const struct record record = {.texts = {"cancelled", "", "acme", "i-1", "ann@example.com",
						"bob@example.com", "robot@acme.example",
						"<1@acme.example>", "63972A", "u", "2", "-", "-"}};

	put(store, &record);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(about(store, known[i])->count, 1);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(about(store, unknown[i])->count, 0);
	ledger_store_close(store);
}

/* More than are read at a time; 1,000 of the 2,000. */
static void many_attempts_come_each_once_and_in_order(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));
	struct taken *taken = calloc(1, sizeof(*taken));
	struct problem why = {.text = ""};

	assert_true(ledger_store_begin(store, &why));
	for (int i = 0; i < 2000; i++) {
		char id[16];
		const struct record record = {.time = i,
					      .texts = {[RECORD_INVITE] = i % 2 ? "odd" : "even",
							[RECORD_RECIPIENT] = "odd",
							[RECORD_QUEUE_ID] = id}};

		snprintf(id, sizeof(id), "q%d", i);
		if (i % 2)
			assert_true(ledger_store_record(store, &record, &why));
	}
	assert_true(ledger_store_commit(store, &why));
	for (size_t i = 0; i < about(store, "odd")->count; i++) {
		char id[16];

		snprintf(id, sizeof(id), "q%zu", 2 * i + 1);
		assert_string_equal(about(store, "odd")->ids[i], id);
		i += 97; /* asking for all of them each time is slow */
	}
	assert_int_equal(about(store, "odd")->count, 1000);
	assert_int_equal(about(store, "even")->count, 0);
	taken->most = 2000;
	assert_true(ledger_store_each_since(store, 1001, take, taken, &why));
	assert_int_equal(taken->count, 500);
	assert_string_equal(taken->ids[0], "q1001");
	assert_string_equal(taken->ids[499], "q1999");
	taken->count = 0;
	taken->most = 3;
	assert_true(ledger_store_each_since(store, 0, take, taken, &why));
	assert_int_equal(taken->count, 3);
	free(taken->last);
	free(taken);
	about(store, "nothing");
	ledger_store_close(store);
}

static void give_nothing(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	(void)values;
	sqlite3_result_null(context);
}

/* What people look for goes through an index, however large the ledger is. */
static void looking_for_something_walks_over_no_table(void **state)
{
	const char *path = ledger_path(*state);
	static const enum ledger_sql asked[] = {LEDGER_SQL_EACH_ABOUT, LEDGER_SQL_FIND_SAME,
						LEDGER_SQL_FIND_LATEST, LEDGER_SQL_PRUNE_RECORDS,
						LEDGER_SQL_PRUNE_CALENDARS};
	sqlite3 *database;

	ledger_store_close(open_store(path));
	database = open_sql(path);
	assert_int_equal(sqlite3_create_function(database, "calendar_digest", LEDGER_SQL_DIGESTED,
						 SQLITE_UTF8, NULL, give_nothing, NULL, NULL),
			 SQLITE_OK);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		char text[2000];
		sqlite3_stmt *plan = NULL;
		int steps = 0;

		snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", ledger_sql_texts[asked[i]]);
		assert_int_equal(sqlite3_prepare_v2(database, text, -1, &plan, NULL), SQLITE_OK);
		while (sqlite3_step(plan) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(plan, 3);

			steps++;
			if (strncmp(step, "SCAN record", 12) == 0 ||
			    strncmp(step, "SCAN calendar", 13) == 0)
				fail_msg("%s: %s", ledger_sql_texts[asked[i]], step);
		}
		sqlite3_finalize(plan);
		assert_true(steps > 0);
	}
	sqlite3_close(database);
}

static void write_count(void *context, const char *account, const char *result, long long count,
			long long kept)
{
	buffer_printf(context, "%s %s %lld %lld\n", account, result, count, kept);
}

static void counts_by_account_and_result(void **state)
{
	static const struct record records[] = {
		{.time = 1, .texts = {"cancelled", "", "b"}},
		{.time = 2, .texts = {"cancelled", "fallback", "b"}},
		{.time = 3, .texts = {"refused", "", "b"}},
		{.time = 4, .texts = {"cancelled", "", "a"}},
	};
	struct ledger_store *store = open_store(ledger_path(*state));
	struct buffer counts = buffer_with_maximum(1000);
	struct problem why = {.text = ""};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		put(store, &records[i]);
	assert_true(ledger_store_count(store, 0, write_count, &counts, &why));
	assert_string_equal(counts.data, "a cancelled 1 0\nb cancelled 2 1\nb refused 1 0\n");
	buffer_clear(&counts);
	assert_true(ledger_store_count(store, 3, write_count, &counts, &why));
	assert_string_equal(counts.data, "a cancelled 1 0\nb refused 1 0\n");
	buffer_free(&counts);
	ledger_store_close(store);
}

/* ---- calls ---- */

static const struct ledger_key called = {"acme", "i-1", "ann@example.com", "<1@x>"};
static const struct ledger_key other_message = {"acme", "i-1", "ann@example.com", "<2@x>"};
static const struct ledger_key other_recipient = {"acme", "i-1", "bob@example.com", "<1@x>"};

static struct ledger_call begin_call(struct ledger_store *store, struct ledger_key key,
				     enum ledger_begun expected)
{
	struct ledger_call call = {.lease = ledger_lease_new(60000)};
	struct problem why = {.text = ""};

	assert_true(ledger_store_begin(store, &why));
	assert_int_equal(ledger_store_begin_call(store, &key, 1, &call, &why), expected);
	assert_true(ledger_store_commit(store, &why));
	return call;
}

static void end_call(struct ledger_store *store, struct ledger_key key,
		     const struct ledger_call *call, bool answered)
{
	struct problem why = {.text = ""};

	assert_true(ledger_store_begin(store, &why));
	assert_true(ledger_store_end_call(store, &key, &call->lease, answered, &why));
	assert_true(ledger_store_commit(store, &why));
}

static void a_call_that_was_answered_leaves_no_doubt(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);
	struct ledger_call call = begin_call(store, called, LEDGER_BEGUN);

	assert_false(call.in_doubt);
	end_call(store, called, &call, true);
	call = begin_call(store, called, LEDGER_BEGUN);
	assert_false(call.in_doubt);
	keep(store, called, 1, "calendar");
	assert_int_equal(sql(path, "SELECT count(*) FROM call"), 0);
	ledger_store_close(store);
}

static void of_one_message_one_call_is_made_at_a_time(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state)),
			    *other = open_store(ledger_path(*state));
	struct ledger_call call = begin_call(store, called, LEDGER_BEGUN);

	begin_call(store, called, LEDGER_TAKEN);
	begin_call(other, called, LEDGER_TAKEN);
	assert_true(begin_call(other, other_message, LEDGER_BEGUN).in_doubt);
	assert_false(begin_call(other, other_recipient, LEDGER_BEGUN).in_doubt);
	end_call(store, called, &call, true);
	begin_call(other, called, LEDGER_BEGUN);
	ledger_store_close(store);
	ledger_store_close(other);
}

/* Whatever the next ones are answered, until there is a calendar. */
static void what_was_not_answered_stays_in_doubt(void **state)
{
	const char *path = ledger_path(*state);
	struct ledger_store *store = open_store(path);
	struct ledger_call call = begin_call(store, called, LEDGER_BEGUN);

	end_call(store, called, &call, false);
	for (int i = 0; i < 3; i++) {
		call = begin_call(store, called, LEDGER_BEGUN);
		assert_true(call.in_doubt);
		end_call(store, called, &call, true);
	}
	call = begin_call(store, other_message, LEDGER_BEGUN);
	assert_true(call.in_doubt);
	end_call(store, other_message, &call, true);
	assert_int_equal(sql(path, "SELECT count(*) FROM call"), 1);
	keep(store, called, 1, "calendar");
	assert_false(begin_call(store, called, LEDGER_BEGUN).in_doubt);
	ledger_store_close(store);
}

static void a_call_ends_by_its_own_word_only(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));
	struct ledger_call first = begin_call(store, called, LEDGER_BEGUN), second;

	sql(ledger_path(*state), "UPDATE call SET until = since");
	second = begin_call(store, called, LEDGER_BEGUN);
	assert_true(second.in_doubt);
	end_call(store, called, &first, true); /* it took longer than it said */
	begin_call(store, called, LEDGER_TAKEN);
	end_call(store, called, &second, true);
	begin_call(store, called, LEDGER_BEGUN);
	ledger_store_close(store);
}

/* As a filter that is killed: its process has ended, and nobody waited for it yet, or somebody did. */
static void who_was_killed_keeps_nobody_waiting(void **state)
{
	const char *path = ledger_path(*state);

	for (int waited = 0; waited < 2; waited++) {
		struct ledger_store *store;
		const pid_t child = fork();

		if (child == 0) {
			begin_call(open_store(path), called, LEDGER_BEGUN);
			raise(SIGKILL);
		}
		if (waited)
			waitpid(child, NULL, 0);
		else
			assert_int_equal(
				waitid(P_PID, (id_t)child, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
		store = open_store(path);
		assert_true(begin_call(store, called, LEDGER_BEGUN).in_doubt);
		sql(path, "DELETE FROM call");
		ledger_store_close(store);
		if (!waited)
			waitpid(child, NULL, 0);
	}
}

/* Nor one of before the machine was started anew, or with the number of a process of today. */
static void a_lease_is_believed_only_as_far_as_it_can_be_true(void **state)
{
	struct ledger_lease lease = ledger_lease_new(60000), long_ago = lease, later = lease;

	(void)state;
	assert_true(ledger_lease_holds(&lease));
	long_ago.until = long_ago.since;
	assert_false(ledger_lease_holds(&long_ago));
	later.since += 100000;
	later.until += 100000;
	assert_false(ledger_lease_holds(&later));
	lease.owner[0] = '\0';
	assert_false(ledger_lease_holds(&lease));
	snprintf(lease.owner, sizeof(lease.owner), "nonsense");
	assert_false(ledger_lease_holds(&lease));
	lease = ledger_lease_new(60000);
	*(strchr(strchr(lease.owner, ' ') + 1, ' ') + 1) ^= 1; /* its start */
	assert_false(ledger_lease_holds(&lease));
	lease = ledger_lease_new(60000);
	lease.owner[0] = lease.owner[0] == '1' ? '2' : '1'; /* another namespace: who knows */
	assert_true(ledger_lease_holds(&lease));
}

/* ---- pruning ---- */

static void removes_the_oldest_and_no_more_than_asked(void **state)
{
	struct ledger_store *store = open_store(ledger_path(*state));
	struct problem why = {.text = ""};

	for (int i = 0; i < 10; i++) {
		const struct record record = {.time = i, .texts = {[RECORD_INVITE] = "i"}};
		char id[16];

		snprintf(id, sizeof(id), "<%d@x>", i);
		keep(store, key_of("a", "i", "r", id), i, "calendar");
		put(store, &record);
	}
	assert_int_equal(ledger_store_prune(store, 5, 3, &why), 6);
	assert_int_equal(about(store, "i")->count, 7);
	check_same(store, key_of("a", "i", "r", "<2@x>"), NULL);
	check_same(store, key_of("a", "i", "r", "<3@x>"), "calendar");
	assert_int_equal(ledger_store_prune(store, 5, 3, &why), 4);
	assert_int_equal(ledger_store_prune(store, 5, 3, &why), 0);
	assert_int_equal(about(store, "i")->count, 5);
	check_same(store, key_of("a", "i", "r", "<4@x>"), NULL);
	check_same(store, key_of("a", "i", "r", "<5@x>"), "calendar");
	about(store, "nothing");
	ledger_store_close(store);
}

#define test(name) cmocka_unit_test_setup(name, forget_ledger_of_group)

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_new_file_is_for_its_owner_alone),
		test(is_made_only_by_who_may_make_it),
		test(a_new_file_has_a_write_ahead_log_and_todays_schema),
		test(a_missing_directory_is_told),
		test(a_file_that_is_no_database_is_left_alone),
		test(another_programs_database_is_left_alone),
		test(a_later_versions_file_is_left_alone),
		test(a_ledger_of_the_first_version_keeps_its_calendars),
		test(an_empty_file_becomes_a_ledger),
		test(what_may_not_be_written_can_be_read),
		test(a_file_of_somebody_else_is_told),
		test(a_lock_is_not_waited_for_without_end),
		test(knows_when_its_file_is_not_there_any_more),
		test(a_full_disk_is_an_error_and_nothing_else),
		test(bytes_that_changed_by_themselves_kill_nobody),
		test(no_bit_that_changed_by_itself_changes_a_calendar),
		test(a_calendar_is_found_by_its_whole_key_only),
		test(each_message_has_its_own_and_the_latest_is_the_invites),
		test(the_latest_is_the_last_one_whatever_the_clock_said),
		test(the_latest_that_is_not_damaged_is_the_latest),
		test(a_message_without_an_id_is_never_the_same),
		test(what_is_rolled_back_was_never_there),
		test(two_that_are_open_see_each_others),
		test(an_attempt_comes_back_as_it_was),
		test(an_attempt_is_found_by_what_people_know_of_it),
		test(many_attempts_come_each_once_and_in_order),
		test(looking_for_something_walks_over_no_table),
		test(counts_by_account_and_result),
		test(a_call_that_was_answered_leaves_no_doubt),
		test(of_one_message_one_call_is_made_at_a_time),
		test(what_was_not_answered_stays_in_doubt),
		test(a_call_ends_by_its_own_word_only),
		test(who_was_killed_keeps_nobody_waiting),
		test(a_lease_is_believed_only_as_far_as_it_can_be_true),
		test(removes_the_oldest_and_no_more_than_asked),
	};

	return cmocka_run_group_tests_name("ledger_store", tests, group_setup, folder_teardown);
}
