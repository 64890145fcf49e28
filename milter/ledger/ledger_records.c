/* The records of the ledger's file. */
#include "ledger_connection.h"

#include <stdlib.h>

#define PAGE 200 /* records that are read at a time */

bool ledger_store_record(struct ledger_store *store, const struct record *record,
			 struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_RECORD];

	sqlite3_bind_int64(statement, 1, record->time);
	sqlite3_bind_int64(statement, 2, record->status);
	sqlite3_bind_int64(statement, 3, record->ms);
	for (int i = 0; i < RECORD_TEXTS; i++)
		ledger_connection_bind_text(statement, 4 + i,
					    record_text(record, (enum record_text)i));
	return ledger_connection_run(store, LEDGER_SQL_RECORD, why);
}

/* "" where a damaged file, or a lack of memory, has none. */
static const char *column_text(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	return text ? (const char *)text : "";
}

/* A copy of the row at hand; NULL if there is no memory. */
static struct record *copy_row(sqlite3_stmt *statement)
{
	struct record record = {
		.time = sqlite3_column_int64(statement, 1),
		.status = sqlite3_column_int64(statement, 2),
		.ms = sqlite3_column_int64(statement, 3),
	};

	for (int i = 0; i < RECORD_TEXTS; i++)
		record.texts[i] = column_text(statement, 4 + i);
	return record_copy(&record);
}

/* Reads the next page, after record number `*last`. Gives how many there are; -1, and why. */
static int read_page(struct ledger_store *store, enum ledger_sql which, long long *last,
		     struct record *page[PAGE], struct problem *why)
{
	sqlite3_stmt *statement = store->statements[which];
	int count = 0, code;

	sqlite3_bind_int64(statement, 2, *last);
	sqlite3_bind_int(statement, 3, PAGE);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && count < PAGE) {
		*last = sqlite3_column_int64(statement, 0);
		page[count] = copy_row(statement);
		if (!page[count]) {
			code = SQLITE_NOMEM;
			break;
		}
		count++;
	}
	if (code != SQLITE_DONE)
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	if (code == SQLITE_DONE)
		return count;
	for (int i = 0; i < count; i++)
		free(page[i]);
	return -1;
}

static bool each(struct ledger_store *store, enum ledger_sql which, ledger_store_take_record *take,
		 void *context, struct problem *why)
{
	struct record *page[PAGE];
	long long last = -1;
	bool wanted = true;
	int count;

	do {
		count = read_page(store, which, &last, page, why);
		for (int i = 0; i < count; i++) {
			wanted = wanted && take(context, page[i]);
			free(page[i]);
		}
	} while (count == PAGE && wanted);
	sqlite3_clear_bindings(store->statements[which]);
	return count >= 0;
}

bool ledger_store_each_about(struct ledger_store *store, const char *what,
			     ledger_store_take_record *take, void *context, struct problem *why)
{
	ledger_connection_bind_text(store->statements[LEDGER_SQL_EACH_ABOUT], 1, what);
	return each(store, LEDGER_SQL_EACH_ABOUT, take, context, why);
}

bool ledger_store_each_since(struct ledger_store *store, long long since,
			     ledger_store_take_record *take, void *context, struct problem *why)
{
	sqlite3_bind_int64(store->statements[LEDGER_SQL_EACH_SINCE], 1, since);
	return each(store, LEDGER_SQL_EACH_SINCE, take, context, why);
}

bool ledger_store_count(struct ledger_store *store, long long since, ledger_store_take_count *take,
			void *context, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_COUNT];
	int code;

	sqlite3_bind_int64(statement, 1, since);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		take(context, column_text(statement, 0), column_text(statement, 1),
		     sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3));
	if (code != SQLITE_DONE)
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

long long ledger_store_count_same(struct ledger_store *store, const struct ledger_key *key,
				  const char *result, struct problem *why)
{
	sqlite3_stmt *statement = store->statements[LEDGER_SQL_COUNT_SAME];
	long long count = -1;
	int code;

	ledger_connection_bind_key(statement, key);
	ledger_connection_bind_text(statement, 5, result);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		count = sqlite3_column_int64(statement, 0);
	else
		ledger_connection_explain(store, code, why);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return count;
}
