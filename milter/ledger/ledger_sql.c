/* ledger_sql: the ledger's tables, their upgrades and its statements. */
#include "ledger_sql.h"

const char *const ledger_sql_steps[] = {
	"CREATE TABLE calendar ("
	"  account TEXT NOT NULL,"
	"  invite TEXT NOT NULL,"
	"  recipient TEXT NOT NULL,"
	"  message_id TEXT NOT NULL,"
	"  time INTEGER NOT NULL,"
	"  text BLOB NOT NULL,"
	"  PRIMARY KEY (account, invite, recipient, message_id));"
	"CREATE INDEX calendar_time ON calendar (time);"
	/* Who looks for an address does not mind its case. */
	"CREATE TABLE record ("
	"  number INTEGER PRIMARY KEY,"
	"  time INTEGER NOT NULL,"
	"  status INTEGER NOT NULL,"
	"  ms INTEGER NOT NULL,"
	"  result TEXT NOT NULL,"
	"  kept TEXT NOT NULL,"
	"  account TEXT NOT NULL,"
	"  invite TEXT NOT NULL,"
	"  recipient TEXT NOT NULL COLLATE NOCASE,"
	"  envelope_recipient TEXT NOT NULL COLLATE NOCASE,"
	"  sender TEXT NOT NULL,"
	"  message_id TEXT NOT NULL,"
	"  queue_id TEXT NOT NULL,"
	"  uid TEXT NOT NULL,"
	"  sequence TEXT NOT NULL,"
	"  reply TEXT NOT NULL,"
	"  reason TEXT NOT NULL);"
	"CREATE INDEX record_time ON record (time);"
	"CREATE INDEX record_invite ON record (invite);"
	"CREATE INDEX record_recipient ON record (recipient);"
	"CREATE INDEX record_envelope_recipient ON record (envelope_recipient);"
	"CREATE INDEX record_message_id ON record (message_id);"
	"CREATE INDEX record_queue_id ON record (queue_id);",
	/* Calendars in the order in which they came, and with proof that they are as they came. */
	"CREATE TABLE proven ("
	"  number INTEGER PRIMARY KEY,"
	"  account TEXT NOT NULL,"
	"  invite TEXT NOT NULL,"
	"  recipient TEXT NOT NULL,"
	"  message_id TEXT NOT NULL,"
	"  time INTEGER NOT NULL,"
	"  text BLOB NOT NULL,"
	"  digest TEXT NOT NULL," /* SHA-256 of the key and the text */
	"  UNIQUE (account, invite, recipient, message_id));"
	"INSERT INTO proven (account, invite, recipient, message_id, time, text, digest) "
	"  SELECT account, invite, recipient, message_id, time, text,"
	"    calendar_digest(account, invite, recipient, message_id, text)"
	"  FROM calendar ORDER BY time, rowid;"
	"DROP TABLE calendar;"
	"ALTER TABLE proven RENAME TO calendar;"
	"CREATE INDEX calendar_time ON calendar (time);",
	/* Calls that were begun and whose answer is not known, or not yet. */
	"CREATE TABLE call ("
	"  account TEXT NOT NULL,"
	"  invite TEXT NOT NULL,"
	"  recipient TEXT NOT NULL,"
	"  message_id TEXT NOT NULL,"
	"  time INTEGER NOT NULL,"
	"  doubtful INTEGER NOT NULL," /* one for this message ended before, and nobody knows how */
	"  owner TEXT NOT NULL,"       /* and since, until: struct ledger_lease */
	"  since INTEGER NOT NULL,"
	"  until INTEGER NOT NULL,"
	"  PRIMARY KEY (account, invite, recipient, message_id)) WITHOUT ROWID;"
	"CREATE INDEX call_time ON call (time);",
};

const size_t ledger_sql_version = sizeof(ledger_sql_steps) / sizeof(ledger_sql_steps[0]);

/* In the order of struct record. */
#define COLUMNS                                                                                    \
	"time, status, ms, result, kept, account, invite, recipient, envelope_recipient, sender, " \
	"message_id, queue_id, uid, sequence, reply, reason"

#define THIS_MESSAGE "account = ?1 AND invite = ?2 AND recipient = ?3 AND message_id = ?4"

const char *const ledger_sql_texts[LEDGER_SQL_STATEMENTS] = {
	[LEDGER_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[LEDGER_SQL_COMMIT] = "COMMIT",
	[LEDGER_SQL_ROLLBACK] = "ROLLBACK",
	[LEDGER_SQL_KEEP] = "INSERT OR REPLACE INTO calendar "
			    "(account, invite, recipient, message_id, time, text, digest) "
			    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, calendar_digest(?1, ?2, ?3, ?4, ?6))",
	[LEDGER_SQL_RECORD] = "INSERT INTO record (" COLUMNS ") "
			      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[LEDGER_SQL_PRUNE_RECORDS] = "DELETE FROM record WHERE number IN "
				     "(SELECT number FROM record WHERE time < ?1 LIMIT ?2)",
	[LEDGER_SQL_PRUNE_CALENDARS] = "DELETE FROM calendar WHERE number IN "
				       "(SELECT number FROM calendar WHERE time < ?1 LIMIT ?2)",
	/* What the file says of the key does not count: the digest is that of the key asked for. */
	[LEDGER_SQL_FIND_SAME] =
		"SELECT text, digest = calendar_digest(?1, ?2, ?3, ?4, text) FROM calendar "
		"WHERE " THIS_MESSAGE " AND message_id <> ''",
	[LEDGER_SQL_FIND_LATEST] =
		"SELECT text, digest = calendar_digest(?1, ?2, ?3, message_id, text) FROM calendar "
		"WHERE account = ?1 AND invite = ?2 AND recipient = ?3 "
		"ORDER BY number DESC LIMIT 10",
	/* Each part goes through an index; one OR over all of them would be a walk over the table. */
	[LEDGER_SQL_EACH_ABOUT] =
		"SELECT number, " COLUMNS " FROM record WHERE number IN ("
		"SELECT number FROM record WHERE invite = ?1 AND number > ?2 UNION "
		"SELECT number FROM record WHERE recipient = ?1 AND number > ?2 UNION "
		"SELECT number FROM record WHERE envelope_recipient = ?1 AND number > ?2 UNION "
		"SELECT number FROM record WHERE message_id IN (?1, '<' || ?1 || '>') "
		"AND number > ?2 UNION "
		"SELECT number FROM record WHERE queue_id = ?1 AND number > ?2 "
		"ORDER BY number LIMIT ?3) ORDER BY number",
	[LEDGER_SQL_EACH_SINCE] = "SELECT number, " COLUMNS " FROM record "
				  "WHERE time >= ?1 AND number > ?2 ORDER BY number LIMIT ?3",
	[LEDGER_SQL_COUNT] =
		"SELECT account, result, count(*), sum(kept <> '') FROM record WHERE time >= ?1 "
		"GROUP BY account, result ORDER BY account, result",
	[LEDGER_SQL_COUNT_SAME] = "SELECT count(*) FROM record WHERE " THIS_MESSAGE
				  " AND message_id <> '' AND result = ?5",
	[LEDGER_SQL_PRUNE_CALLS] =
		"DELETE FROM call WHERE (account, invite, recipient, message_id) IN "
		"(SELECT account, invite, recipient, message_id FROM call WHERE time < ?1 LIMIT ?2)",
	[LEDGER_SQL_FIND_CALL] = "SELECT owner, since, until FROM call WHERE " THIS_MESSAGE,
	[LEDGER_SQL_IS_IN_DOUBT] = "SELECT EXISTS (SELECT 1 FROM call WHERE account = ?1 "
				   "AND invite = ?2 AND recipient = ?3)",
	[LEDGER_SQL_BEGIN_CALL] = "INSERT OR REPLACE INTO call (account, invite, recipient, "
				  "message_id, time, doubtful, owner, since, until) "
				  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[LEDGER_SQL_FORGET_CALL] =
		"DELETE FROM call WHERE " THIS_MESSAGE " AND owner = ?5 AND doubtful = 0",
	[LEDGER_SQL_DOUBT_CALL] =
		"UPDATE call SET owner = '', doubtful = 1 WHERE " THIS_MESSAGE " AND owner = ?5",
	[LEDGER_SQL_ANSWER_CALL] = "DELETE FROM call WHERE " THIS_MESSAGE,
	[LEDGER_SQL_FORGET_RECORDS] =
		"DELETE FROM record WHERE recipient = ?1 OR envelope_recipient = ?1 "
		"OR sender = ?1 COLLATE NOCASE",
	[LEDGER_SQL_FORGET_CALENDARS] = "DELETE FROM calendar WHERE recipient = ?1 COLLATE NOCASE",
	[LEDGER_SQL_FORGET_CALLS] = "DELETE FROM call WHERE recipient = ?1 COLLATE NOCASE",
	[LEDGER_SQL_NEWEST] = "SELECT max(newest) FROM (SELECT max(time) AS newest FROM record "
			      "UNION ALL SELECT max(time) FROM calendar)",
};
