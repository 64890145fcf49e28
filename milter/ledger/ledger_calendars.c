/* The calendars of the ledger's file. */
#include "ledger_connection.h"

static void bind_key(sqlite3_stmt *statement, const struct ledger_key *key)
{
	ledger_connection_bind_text(statement, 1, key->account);
	ledger_connection_bind_text(statement, 2, key->invite_id);
	ledger_connection_bind_text(statement, 3, key->recipient);
}

bool ledger_store_keep(struct ledger_store *store, const struct ledger_key *key, long long time,
		       struct span calendar, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_KEEP];

	bind_key(statement, key);
	ledger_connection_bind_text(statement, 4, key->message_id);
	sqlite3_bind_int64(statement, 5, time);
	sqlite3_bind_blob64(statement, 6, calendar.at, calendar.length, SQLITE_STATIC);
	return ledger_connection_run(store, LEDGER_SQL_KEEP, why);
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
	bind_key(store->statements[LEDGER_SQL_FIND_SAME], key);
	ledger_connection_bind_text(store->statements[LEDGER_SQL_FIND_SAME], 4, key->message_id);
	return find(store, LEDGER_SQL_FIND_SAME, calendar, why);
}

enum ledger_found ledger_store_find_latest(struct ledger_store *store, const struct ledger_key *key,
					   struct buffer *calendar, struct problem *why)
{
	bind_key(store->statements[LEDGER_SQL_FIND_LATEST], key);
	return find(store, LEDGER_SQL_FIND_LATEST, calendar, why);
}
