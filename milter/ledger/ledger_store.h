/*
 * ledger_store: the ledger's file, a SQLite 3 database: what is in it, and one connection to it.
 *
 * No threads and no policy here: a connection is for one thread at a time, and every call is done
 * when it returns. Several connections, of several processes, may be open at once; one that writes
 * keeps others that want to write waiting, nobody who reads. A lock is waited for at most
 * LEDGER_STORE_PATIENCE.
 *
 * Every call that fails says why, with the file's name and what to do about it.
 */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include "ledger_lease.h"
#include "record.h"
#include "buffer.h"
#include "span.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define LEDGER_STORE_PATIENCE 2000 /* ms */

/*
 * What a kept calendar belongs to. All compare byte for byte: it is not documented that Cronofy
 * takes two spellings of an address for one, so neither do we.
 */
struct ledger_key {
	const char *account;
	const char *invite_id;
	const char *recipient;  /* the invite's */
	const char *message_id; /* of the message that it was obtained for; "" if that has none */
};

struct ledger_store;

enum ledger_store_mode {
	LEDGER_STORE_CREATE,   /* to write; made (0600) if there is none */
	LEDGER_STORE_EXISTING, /* to write, if there is one */
	LEDGER_STORE_READ,     /* only to read */
};

/*
 * Opens the file; to write, it is brought to today's schema, and proved to be writable. NULL, and
 * why, if that cannot be done, also if the file is damaged, not ours, or made by a later version:
 * then it is left as it is.
 */
struct ledger_store *ledger_store_open(const char *path, enum ledger_store_mode mode,
				       struct problem *why);
void ledger_store_close(struct ledger_store *store);

/* Is the file that is open not the one at the path any more? */
bool ledger_store_has_moved(struct ledger_store *store);

/* ---- writing ---- */

/*
 * A transaction: what was written since begin is on the disk, all of it, when commit gives true,
 * and stays there whatever is killed or loses power (see also ledger_store_set_durable()). After a failure of anything in between, or
 * of the commit: rollback.
 */
bool ledger_store_begin(struct ledger_store *store, struct problem *why);
bool ledger_store_commit(struct ledger_store *store, struct problem *why);

/*
 * From the next transaction on: is it on the disk when it is committed, or (no) only safe from what
 * happens to processes? Then ledger_store_sync() brings it there. At first it is.
 */
bool ledger_store_set_durable(struct ledger_store *store, bool durable, struct problem *why);
bool ledger_store_sync(struct ledger_store *store, struct problem *why);
void ledger_store_rollback(struct ledger_store *store);

/* `time`: ms since 1970. An earlier calendar of the very same key is replaced. */
bool ledger_store_keep(struct ledger_store *store, const struct ledger_key *key, long long time,
		       struct span calendar, struct problem *why);
bool ledger_store_record(struct ledger_store *store, const struct record *record,
			 struct problem *why);

/* A call to Cronofy that is about to be made. */
struct ledger_call {
	struct ledger_lease lease;
	bool in_doubt; /* an earlier one for the invite was begun, and nobody knows how it ended */
};

enum ledger_begun {
	LEDGER_BEGUN,
	LEDGER_TAKEN, /* somebody is in a call for this very message already */
	LEDGER_NOT_BEGUN,
};

/*
 * Writes down that a call for this message is about to be made, at `time`, under call->lease, and sets
 * call->in_doubt. Without a Message-ID nobody else's lease counts.
 */
enum ledger_begun ledger_store_begin_call(struct ledger_store *store, const struct ledger_key *key,
					  long long time, struct ledger_call *call,
					  struct problem *why);

/*
 * The call is over without a calendar. `answered`: and has cancelled nothing; what was in doubt before
 * still is. With a calendar, ledger_store_keep() ends it.
 */
bool ledger_store_end_call(struct ledger_store *store, const struct ledger_key *key,
			   const struct ledger_lease *lease, bool answered, struct problem *why);

/*
 * Removes at most `most` records, calendars and calls, of each, that are older than `before`, outside of a
 * transaction. Gives how many it removed; -1, and why, if it failed.
 */
int ledger_store_prune(struct ledger_store *store, long long before, int most, struct problem *why);

struct ledger_forgotten {
	long long records, calendars, calls;
};

/*
 * Removes all records that name the address as recipient or sender, and the calendars and calls of this
 * recipient, whatever the case of its letters; their bytes are overwritten. False, and why, if nothing
 * was removed because that failed.
 */
bool ledger_store_forget(struct ledger_store *store, const char *address,
			 struct ledger_forgotten *forgotten, struct problem *why);

/* ---- reading ---- */

/* The time of the newest record or calendar; 0 if there is none. */
bool ledger_store_newest(struct ledger_store *store, long long *time, struct problem *why);

enum ledger_found {
	LEDGER_FOUND,   /* the calendar is appended */
	LEDGER_NOTHING, /* there is none */
	LEDGER_DAMAGED, /* there was one, and it is not what was written */
	LEDGER_FAILED,
};

/* The calendar that was obtained for this very key; never one without a Message-ID. */
enum ledger_found ledger_store_find_same(struct ledger_store *store, const struct ledger_key *key,
					 struct buffer *calendar, struct problem *why);

/* The latest one that was obtained for this invite and recipient, whatever the message; if that is
 * damaged, the one before. */
enum ledger_found ledger_store_find_latest(struct ledger_store *store, const struct ledger_key *key,
					   struct buffer *calendar, struct problem *why);

/* False: no more of them. */
typedef bool ledger_store_take_record(void *context, const struct record *record);

/*
 * Gives records, oldest first. They are read some at a time, and nothing is locked or held back
 * while they are taken, however long that takes.
 */
bool ledger_store_each_about(struct ledger_store *store, const char *what,
			     ledger_store_take_record *take, void *context, struct problem *why);
bool ledger_store_each_since(struct ledger_store *store, long long since,
			     ledger_store_take_record *take, void *context, struct problem *why);

/* How many records have it that this very message came to this result; -1, and why. */
long long ledger_store_count_same(struct ledger_store *store, const struct ledger_key *key,
				  const char *result, struct problem *why);

typedef void ledger_store_take_count(void *context, const char *account, const char *result,
				     long long count, long long kept);

/*
 * Counts records since then by account and result, in the order of these; `kept`: how many of
 * them used a kept calendar.
 */
bool ledger_store_count(struct ledger_store *store, long long since, ledger_store_take_count *take,
			void *context, struct problem *why);

#endif
