/* The calendars of the ledger's file. */
#include "ledger_connection.h"

/* A call is over that the calendar is the answer to. */
static bool answer_call(struct ledger_store *store, const struct ledger_key *key,
			struct problem *why)
{
	ledger_connection_bind_key(store->statements[LEDGER_SQL_ANSWER_CALL], key);
	return ledger_connection_run(store, LEDGER_SQL_ANSWER_CALL, why);
}

bool ledger_store_keep(struct ledger_store *store, const struct ledger_key *key, long long time,
		       struct span calendar, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_KEEP];

	ledger_connection_bind_key(statement, key);
	sqlite3_bind_int64(statement, 5, time);
	sqlite3_bind_blob64(statement, 6, calendar.at, calendar.length, SQLITE_STATIC);
	return ledger_connection_run(store, LEDGER_SQL_KEEP, why) && answer_call(store, key, why);
}

/* ---- reading ---- */

/* Takes the first row that is as it was written, and is done with them. */
static enum ledger_found find(struct ledger_store *store, enum ledger_sql which,
			      struct buffer *calendar, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[which];
	enum ledger_found found = LEDGER_NOTHING;
	int code;

	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = sqlite3_column_blob(statement, 0);
		const size_t length = (size_t)sqlite3_column_bytes(statement, 0);

		found = LEDGER_DAMAGED;
		if (!sqlite3_column_int(statement, 1))
			continue;
		buffer_append(calendar, text ? text : "", length);
		found = length > 0 ? LEDGER_FOUND : LEDGER_NOTHING;
		code = calendar->failed ? SQLITE_NOMEM : SQLITE_DONE;
		break;
	}
	if (code != SQLITE_DONE) {
		ledger_connection_explain(store, code, why);
		found = LEDGER_FAILED;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return found;
}

enum ledger_found ledger_store_find_same(struct ledger_store *store, const struct ledger_key *key,
					 struct buffer *calendar, struct problem *why)
{
	ledger_connection_bind_key(store->statements[LEDGER_SQL_FIND_SAME], key);
	return find(store, LEDGER_SQL_FIND_SAME, calendar, why);
}

enum ledger_found ledger_store_find_latest(struct ledger_store *store, const struct ledger_key *key,
					   struct buffer *calendar, struct problem *why)
{
	ledger_connection_bind_key(store->statements[LEDGER_SQL_FIND_LATEST], key);
	return find(store, LEDGER_SQL_FIND_LATEST, calendar, why);
}
