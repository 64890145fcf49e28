/* ledger_store: opens the ledger's file, checks and upgrades it. */
#include "ledger_connection.h"

#include "digest.h"
#include "ledger_trouble.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what goes wrong ---- */

/* What SQLite's code means for the administrator. */
void ledger_connection_explain(const struct ledger_store *store, int code, struct problem *why)
{
	enum ledger_trouble trouble = LEDGER_TROUBLE_OTHER;
	int error = sqlite3_system_errno(store->database);
	const char *damage = sqlite3_errmsg(store->database);
	char shown[100]; /* it quotes the file, whatever is in there */

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		trouble = LEDGER_TROUBLE_LOCKED;
		break;
	case SQLITE_FULL:
		trouble = LEDGER_TROUBLE_FULL;
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		trouble = LEDGER_TROUBLE_PLACE;
		error = EACCES;
		break;
	case SQLITE_CANTOPEN:
		trouble = LEDGER_TROUBLE_PLACE;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* such as a table that is not there */
		trouble = LEDGER_TROUBLE_DAMAGED;
		break;
	default:
		break;
	}
	ledger_trouble_explain(trouble, store->path, error,
			       trouble == LEDGER_TROUBLE_DAMAGED
				       ? problem_quote(shown, sizeof(shown), damage, strlen(damage))
				       : sqlite3_errstr(code),
			       why);
}

/* The same, where it is we who find something wrong. Gives false. */
static bool refuse(const struct ledger_store *store, enum ledger_trouble trouble,
		   struct problem *why)
{
	ledger_trouble_explain(trouble, store->path, 0, "", why);
	return false;
}

/* ---- statements ---- */

void ledger_connection_bind_text(sqlite3_stmt *statement, int column, const char *text)
{
	sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

void ledger_connection_bind_key(sqlite3_stmt *statement, const struct ledger_key *key)
{
	ledger_connection_bind_text(statement, 1, key->account);
	ledger_connection_bind_text(statement, 2, key->invite_id);
	ledger_connection_bind_text(statement, 3, key->recipient);
	if (sqlite3_bind_parameter_count(statement) >= 4)
		ledger_connection_bind_text(statement, 4, key->message_id);
}

/* Runs one that gives no rows. */
bool ledger_connection_run(struct ledger_store *store, enum ledger_sql which, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[which];
	const int code = sqlite3_step(statement);

	if (code != SQLITE_DONE)
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_DONE;
}

static bool execute(struct ledger_store *store, const char *text, struct problem *why)
{
	const int code = sqlite3_exec(store->database, text, NULL, NULL, NULL);

	if (code != SQLITE_OK)
		ledger_connection_explain(store, code, why);
	return code == SQLITE_OK;
}

/* The one number that a query gives. */
static bool ask(struct ledger_store *store, const char *text, long long *number,
		struct problem *why)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(store->database, text, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	else
		ledger_connection_explain(store, code, why);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW;
}

/* ---- opening ---- */

/* SQLite would make it as the umask says; it holds addresses of people. */
static bool make_file(const char *path, struct problem *why)
{
	const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (file >= 0)
		close(file);
	else if (errno != EEXIST)
		ledger_trouble_explain(LEDGER_TROUBLE_PLACE, path, errno, "", why);
	return file >= 0 || errno == EEXIST;
}

/* Readers beside a writer, and one fsync() a commit. Changing to it may meet another's lock. */
static bool use_write_ahead_log(struct ledger_store *store, struct problem *why)
{
	static const char pragma[] = "PRAGMA journal_mode = WAL";
	sqlite3_stmt *statement = NULL;
	int code = SQLITE_BUSY;
	bool good = false;

	for (int i = 0; i < LEDGER_STORE_PATIENCE / 100 && code == SQLITE_BUSY; i++) {
		if (i > 0)
			poll(NULL, 0, 50);
		sqlite3_finalize(statement);
		code = sqlite3_prepare_v2(store->database, pragma, -1, &statement, NULL);
		if (code == SQLITE_OK)
			code = sqlite3_step(statement) & 0xff;
	}
	if (code != SQLITE_ROW)
		ledger_connection_explain(store, code, why);
	else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
		problem_set(why, "%.300s: its file system cannot hold a database; use a local one",
			    store->path);
	else
		good = true;
	sqlite3_finalize(statement);
	return good;
}

/* Is it ours, and not of a later version? `*version`: how many steps it has had. */
static bool check_schema(struct ledger_store *store, long long *version, struct problem *why)
{
	long long application, tables;

	if (!ask(store, "PRAGMA application_id", &application, why) ||
	    !ask(store, "PRAGMA user_version", version, why) ||
	    !ask(store, "SELECT count(*) FROM sqlite_schema", &tables, why))
		return false;
	if (tables > 0 && application != LEDGER_SQL_APPLICATION)
		return refuse(store, LEDGER_TROUBLE_FOREIGN, why);
	if (*version < 0 || *version > (long long)ledger_sql_version)
		return refuse(store, LEDGER_TROUBLE_LATER, why);
	return true;
}

/* Always writes something: that is how we know that we can. */
static bool migrate(struct ledger_store *store, struct problem *why)
{
	long long version = 0;
	bool good;
	char text[96];

	snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %zu",
		 LEDGER_SQL_APPLICATION, ledger_sql_version);
	if (!execute(store, ledger_sql_texts[LEDGER_SQL_BEGIN], why))
		return false;
	good = check_schema(store, &version, why);
	for (size_t i = (size_t)version; good && i < ledger_sql_version; i++)
		good = execute(store, ledger_sql_steps[i], why);
	good = good && execute(store, text, why) &&
	       execute(store, ledger_sql_texts[LEDGER_SQL_COMMIT], why);
	if (!good)
		sqlite3_exec(store->database, ledger_sql_texts[LEDGER_SQL_ROLLBACK], NULL, NULL,
			     NULL);
	return good;
}

static bool open_to_write(struct ledger_store *store, struct problem *why)
{
	long long version;

	/* Another program's database must not even become one with a write-ahead log. */
	return check_schema(store, &version, why) && use_write_ahead_log(store, why) &&
	       execute(store,
		       "PRAGMA synchronous = FULL;"
		       "PRAGMA secure_delete = FAST;" /* what was pruned is gone */
		       "PRAGMA journal_size_limit = 4194304",
		       why) &&
	       migrate(store, why);
}

static bool open_to_read(struct ledger_store *store, struct problem *why)
{
	long long version;

	if (!check_schema(store, &version, why))
		return false;
	return version == (long long)ledger_sql_version ||
	       refuse(store, LEDGER_TROUBLE_EARLIER, why);
}

static bool prepare(struct ledger_store *store, struct problem *why)
{
	for (int i = 0; i < LEDGER_SQL_STATEMENTS; i++) {
		const int code =
			sqlite3_prepare_v3(store->database, ledger_sql_texts[i], -1,
					   SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);

		if (code != SQLITE_OK) {
			ledger_connection_explain(store, code, why);
			return false;
		}
	}
	return true;
}

/* calendar_digest(), which ledger_sql.h describes. */
static void give_digest(sqlite3_context *context, int count, sqlite3_value **values)
{
	struct span fields[LEDGER_SQL_DIGESTED];
	char digest[DIGEST_LENGTH + 1];

	for (int i = 0; i < count; i++) {
		const void *bytes = sqlite3_value_blob(values[i]);

		fields[i] =
			(struct span){bytes, bytes ? (size_t)sqlite3_value_bytes(values[i]) : 0};
	}
	if (digest_of(fields, (size_t)count, digest))
		sqlite3_result_text(context, digest, DIGEST_LENGTH, SQLITE_TRANSIENT);
	else
		sqlite3_result_error_nomem(context);
}

static bool add_digest(struct ledger_store *store, struct problem *why)
{
	const int code = sqlite3_create_function(
		store->database, "calendar_digest", LEDGER_SQL_DIGESTED,
		SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, give_digest, NULL, NULL);

	if (code != SQLITE_OK)
		ledger_connection_explain(store, code, why);
	return code == SQLITE_OK;
}

static bool connect_to(struct ledger_store *store, enum ledger_store_mode mode, struct problem *why)
{
	const int flags = SQLITE_OPEN_NOMUTEX | (mode == LEDGER_STORE_READ ? SQLITE_OPEN_READONLY
									   : SQLITE_OPEN_READWRITE);
	const int code = sqlite3_open_v2(store->path, &store->database, flags, NULL);

	if (!store->database) {
		problem_set(why, "no memory for the ledger");
		return false;
	}
	if (code != SQLITE_OK) {
		ledger_connection_explain(store, code, why);
		return false;
	}
	sqlite3_busy_timeout(store->database, LEDGER_STORE_PATIENCE);
	/* A file that is damaged, or cut while we look, is an error and never a signal. */
	if (!execute(
		    store,
		    "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
		    why) ||
	    !add_digest(store, why))
		return false;
	return mode == LEDGER_STORE_READ ? open_to_read(store, why) : open_to_write(store, why);
}

struct ledger_store *ledger_store_open(const char *path, enum ledger_store_mode mode,
				       struct problem *why)
{
	struct ledger_store *store = calloc(1, sizeof(*store));

	if (!store || strlen(path) >= sizeof(store->path)) {
		problem_set(why, "no memory for the ledger, or its path is too long");
		free(store);
		return NULL;
	}
	memcpy(store->path, path, strlen(path) + 1);
	if ((mode != LEDGER_STORE_CREATE || make_file(path, why)) && connect_to(store, mode, why) &&
	    prepare(store, why))
		return store;
	ledger_store_close(store);
	return NULL;
}

void ledger_store_close(struct ledger_store *store)
{
	if (!store)
		return;
	for (int i = 0; i < LEDGER_SQL_STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->database);
	free(store);
}

bool ledger_store_has_moved(struct ledger_store *store)
{
	int moved = 0;

	sqlite3_file_control(store->database, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved != 0;
}

/* ---- writing ---- */

bool ledger_store_set_durable(struct ledger_store *store, bool durable, struct problem *why)
{
	if (durable == !store->relaxed)
		return true;
	if (!execute(store, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
		     why))
		return false;
	store->relaxed = !durable;
	return true;
}

bool ledger_store_sync(struct ledger_store *store, struct problem *why)
{
	sqlite3_file *log = NULL;
	int code =
		sqlite3_file_control(store->database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);

	if (code == SQLITE_OK && log && log->pMethods)
		code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
	if (code != SQLITE_OK)
		ledger_connection_explain(store, code, why);
	return code == SQLITE_OK;
}

bool ledger_store_begin(struct ledger_store *store, struct problem *why)
{
	return ledger_connection_run(store, LEDGER_SQL_BEGIN, why);
}

bool ledger_store_commit(struct ledger_store *store, struct problem *why)
{
	return ledger_connection_run(store, LEDGER_SQL_COMMIT, why);
}

void ledger_store_rollback(struct ledger_store *store)
{
	struct problem why;

	/* SQLite may have done so itself. */
	if (!sqlite3_get_autocommit(store->database))
		ledger_connection_run(store, LEDGER_SQL_ROLLBACK, &why);
}

int ledger_store_prune(struct ledger_store *store, long long before, int most, struct problem *why)
{
	static const enum ledger_sql all[] = {LEDGER_SQL_PRUNE_RECORDS, LEDGER_SQL_PRUNE_CALENDARS,
					      LEDGER_SQL_PRUNE_CALLS};
	int removed = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		sqlite3_bind_int64(store->statements[all[i]], 1, before);
		sqlite3_bind_int(store->statements[all[i]], 2, most);
		if (!ledger_connection_run(store, all[i], why))
			return -1;
		removed += sqlite3_changes(store->database);
	}
	return removed;
}

static bool forget(struct ledger_store *store, enum ledger_sql what, const char *address,
		   long long *removed, struct problem *why)
{
	ledger_connection_bind_text(store->statements[what], 1, address);
	if (!ledger_connection_run(store, what, why))
		return false;
	*removed = sqlite3_changes(store->database);
	return true;
}

bool ledger_store_forget(struct ledger_store *store, const char *address,
			 struct ledger_forgotten *forgotten, struct problem *why)
{
	const bool good =
		execute(store, "PRAGMA secure_delete = ON", why) &&
		ledger_store_begin(store, why) &&
		forget(store, LEDGER_SQL_FORGET_RECORDS, address, &forgotten->records, why) &&
		forget(store, LEDGER_SQL_FORGET_CALENDARS, address, &forgotten->calendars, why) &&
		forget(store, LEDGER_SQL_FORGET_CALLS, address, &forgotten->calls, why) &&
		ledger_store_commit(store, why);

	if (!good) {
		ledger_store_rollback(store);
		return false;
	}
	/* What was written before is still in the write-ahead log, until that is begun anew. */
	sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return true;
}

bool ledger_store_newest(struct ledger_store *store, long long *time, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_NEWEST];
	const int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		*time = sqlite3_column_int64(statement, 0);
	else
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	return code == SQLITE_ROW;
}
