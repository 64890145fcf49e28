/*
 * ledger_sql: all that the ledger says in SQL: its tables, and the statements on them.
 *
 * The tables are written as the steps of their upgrades. A file of version N (SQLite's
 * user_version) has had the first N of them. A step that was ever released is never changed: what is
 * to be different is a further step.
 *
 * They call one function of ours: calendar_digest(account, invite, recipient, Message-ID, text), the
 * SHA-256 of these.
 */
#ifndef LEDGER_SQL_H
#define LEDGER_SQL_H

#include <stddef.h>

/* SQLite's application_id: "CIML". */
#define LEDGER_SQL_APPLICATION 0x43494d4c

#define LEDGER_SQL_DIGESTED 5 /* arguments of calendar_digest() */

extern const char *const ledger_sql_steps[];
extern const size_t ledger_sql_version; /* today's: how many steps there are */

enum ledger_sql {
	LEDGER_SQL_BEGIN,
	LEDGER_SQL_COMMIT,
	LEDGER_SQL_ROLLBACK,
	LEDGER_SQL_KEEP,   /* account, invite, recipient, Message-ID, time, calendar */
	LEDGER_SQL_RECORD, /* time, status, ms, and the texts of struct record in their order */
	LEDGER_SQL_PRUNE_RECORDS, /* older than, how many */
	LEDGER_SQL_PRUNE_CALENDARS,
	LEDGER_SQL_FIND_SAME, /* account, invite, recipient, Message-ID: calendar, is it right? */
	LEDGER_SQL_FIND_LATEST, /* account, invite, recipient: calendars, the latest first, likewise */
	LEDGER_SQL_EACH_ABOUT, /* what, after number, how many: number, and as RECORD */
	LEDGER_SQL_EACH_SINCE, /* time, after number, how many: likewise */
	LEDGER_SQL_COUNT,      /* since: account, result, count, how many with a kept calendar */
	LEDGER_SQL_COUNT_SAME, /* account, invite, recipient, Message-ID, result: how many records */
	LEDGER_SQL_PRUNE_CALLS,    /* older than, how many */
	LEDGER_SQL_FIND_CALL,      /* account, invite, recipient, Message-ID: owner, since, until */
	LEDGER_SQL_IS_IN_DOUBT,    /* account, invite, recipient: is there any? */
	LEDGER_SQL_BEGIN_CALL,     /* as FIND_CALL, time, doubtful, owner, since, until */
	LEDGER_SQL_FORGET_CALL,    /* as FIND_CALL, owner; unless it is doubtful */
	LEDGER_SQL_DOUBT_CALL,     /* as FIND_CALL, owner */
	LEDGER_SQL_ANSWER_CALL,    /* as FIND_CALL */
	LEDGER_SQL_FORGET_RECORDS, /* address; and likewise */
	LEDGER_SQL_FORGET_CALENDARS,
	LEDGER_SQL_FORGET_CALLS,
	LEDGER_SQL_NEWEST, /* time of the newest record or calendar; NULL */
	LEDGER_SQL_STATEMENTS,
};

extern const char *const ledger_sql_texts[LEDGER_SQL_STATEMENTS];

#endif
