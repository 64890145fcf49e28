/* ledger_lab: what several tests of the ledger do: a folder with a file in it, keys, SQL behind its back. */
#ifndef LEDGER_LAB_H
#define LEDGER_LAB_H

#include "folder.h"
#include "ledger_store.h"

#include <sqlite3.h>

/* The path of the ledger in the folder; stays until the next call. */
static inline const char *ledger_path(const struct folder *folder)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/ledger.db", folder->path);
	return path;
}

/* Each test begins without one. */
static inline int forget_ledger(void **state)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char path[160];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", ledger_path(*state), tails[i]);
		unlink(path);
	}
	return 0;
}

static inline struct ledger_key key_of(const char *account, const char *invite,
				       const char *recipient, const char *message_id)
{
	return (struct ledger_key){account, invite, recipient, message_id};
}

/* Another program with the same file. Gives the first column of the first row, 0 if there is none. */
static inline long long run_sql(sqlite3 *database, const char *text)
{
	sqlite3_stmt *statement = NULL;
	long long number = 0;
	int code;

	if (sqlite3_prepare_v2(database, text, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(database));
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	else if (code != SQLITE_DONE)
		fail_msg("%s: %s", text, sqlite3_errmsg(database));
	sqlite3_finalize(statement);
	return number;
}

static inline sqlite3 *open_sql(const char *path)
{
	sqlite3 *database = NULL;

	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	sqlite3_busy_timeout(database, 5000);
	return database;
}

static inline long long sql(const char *path, const char *text)
{
	sqlite3 *database = open_sql(path);
	const long long number = run_sql(database, text);

	sqlite3_close(database);
	return number;
}

/* Nothing is wrong in the file, as SQLite itself sees it. */
static inline void assert_integrity(const char *path)
{
	assert_int_equal(sql(path, "SELECT count(*) FROM pragma_integrity_check "
				   "WHERE integrity_check = 'ok'"),
			 1);
}

#endif
