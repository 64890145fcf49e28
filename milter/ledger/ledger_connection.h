/*
 * ledger_connection: what a struct ledger_store is; for the files that ledger_store.h is made of, and
 * for no others.
 */
#ifndef LEDGER_CONNECTION_H
#define LEDGER_CONNECTION_H

#include "ledger_sql.h"
#include "ledger_store.h"

#include <limits.h>
#include <sqlite3.h>

struct ledger_store {
	sqlite3 *database;
	sqlite3_stmt *statements[LEDGER_SQL_STATEMENTS];
	char path[PATH_MAX];
	bool relaxed; /* the next commit is not brought to the disk */
};

/* What SQLite's code means for the administrator. */
void ledger_connection_explain(const struct ledger_store *store, int code, struct problem *why);

/* The text must stay until the statement was run. */
void ledger_connection_bind_text(sqlite3_stmt *statement, int column, const char *text);

/* Account, invite, recipient and Message-ID, as the parameters 1 to 4. */
void ledger_connection_bind_key(sqlite3_stmt *statement, const struct ledger_key *key);

/* Runs a statement that gives no rows, and clears what was bound. */
bool ledger_connection_run(struct ledger_store *store, enum ledger_sql which, struct problem *why);

#endif
