/* The calls of the ledger's file: begun, and not known to be over. */
#include "ledger_connection.h"

#include <stdio.h>

/* The lease of the call for this very message; nobody's if there is none. */
static bool find_lease(struct ledger_store *store, const struct ledger_key *key, bool *exists,
		       struct ledger_lease *lease, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_FIND_CALL];
	int code;

	*lease = (struct ledger_lease){.owner = ""};
	ledger_connection_bind_key(statement, key);
	code = sqlite3_step(statement);
	*exists = code == SQLITE_ROW;
	if (*exists) {
		const unsigned char *owner = sqlite3_column_text(statement, 0);

		snprintf(lease->owner, sizeof(lease->owner), "%s",
			 owner ? (const char *)owner : "");
		lease->since = sqlite3_column_int64(statement, 1);
		lease->until = sqlite3_column_int64(statement, 2);
	} else if (code != SQLITE_DONE) {
		ledger_connection_explain(store, code, why);
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

/* Is there any call for the invite, this message's or another's? */
static bool find_doubt(struct ledger_store *store, const struct ledger_key *key, bool *in_doubt,
		       struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_IS_IN_DOUBT];
	int code;

	ledger_connection_bind_key(statement, key);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*in_doubt = sqlite3_column_int(statement, 0) != 0;
	else
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return code == SQLITE_ROW;
}

enum ledger_begun ledger_store_begin_call(struct ledger_store *store, const struct ledger_key *key,
					  long long time, struct ledger_call *call,
					  struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_BEGIN_CALL];
	struct ledger_lease other;
	bool exists;

	if (!find_lease(store, key, &exists, &other, why) ||
	    !find_doubt(store, key, &call->in_doubt, why))
		return LEDGER_NOT_BEGUN;
	if (key->message_id[0] && ledger_lease_holds(&other))
		return LEDGER_TAKEN;
	ledger_connection_bind_key(statement, key);
	sqlite3_bind_int64(statement, 5, time);
	sqlite3_bind_int(statement, 6, exists);
	ledger_connection_bind_text(statement, 7, call->lease.owner);
	sqlite3_bind_int64(statement, 8, call->lease.since);
	sqlite3_bind_int64(statement, 9, call->lease.until);
	return ledger_connection_run(store, LEDGER_SQL_BEGIN_CALL, why) ? LEDGER_BEGUN
									: LEDGER_NOT_BEGUN;
}

static bool end(struct ledger_store *store, enum ledger_sql how, const struct ledger_key *key,
		const struct ledger_lease *lease, struct problem *why)
{
	ledger_connection_bind_key(store->statements[how], key);
	ledger_connection_bind_text(store->statements[how], 5, lease->owner);
	return ledger_connection_run(store, how, why);
}

bool ledger_store_end_call(struct ledger_store *store, const struct ledger_key *key,
			   const struct ledger_lease *lease, bool answered, struct problem *why)
{
	return (!answered || end(store, LEDGER_SQL_FORGET_CALL, key, lease, why)) &&
	       end(store, LEDGER_SQL_DOUBT_CALL, key, lease, why);
}
