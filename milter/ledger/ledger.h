/*
 * ledger: what was cancelled, kept so that it need not be asked for again, and a record of it.
 *
 * A calendar is kept as Cronofy wrote it, and is on the disk before its message is answered. So a
 * message that comes again because its delivery failed, or because anything was killed, gets the
 * calendar that was obtained for it; what Cronofy answers to a second cancel nobody knows. A call that
 * is begun is written down before: if it ends without an answer, or with the process, the next try
 * knows that the invite may be cancelled, and that no calendar was kept.
 *
 * One thread writes. All that callers hand in while it is busy goes to the disk with one commit,
 * however many they are. Records are written with the next calendar, or a moment later: a crash may
 * lose those of the last instant. When there is nothing else to do, what is too old is removed, a
 * little at a time.
 *
 * A ledger that cannot be used is no reason to stop: every call then says so at once, the log has
 * it (at most once a minute, and once more when it is over), and it is tried again every
 * `retry` ms. What was kept can still be read when nothing can be written (a full disk). Its file is
 * never removed nor replaced by us. Several processes may share one.
 *
 * With each calendar a SHA-256 of it and its key is kept: one that has changed on the disk is not used.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "clock.h"
#include "ledger_store.h"

#include <stdbool.h>

#define LEDGER_RETRY 5000 /* ms */

struct ledger_options {
	const char *path;            /* copied */
	enum ledger_store_mode mode; /* one of those to write */
	long long keep;              /* ms, how long calendars and records are kept */
	long long retry;             /* ms, LEDGER_RETRY but for tests */
	/*
	 * Nothing is removed while it does not trust the time of day; it outlives the ledger, and
	 * learns from it that the time is likely. NULL: nothing is ever removed.
	 */
	struct clock_watch *clock;
	const char *address_key; /* addresses are kept as its hashes, copied; NULL: whole */
};

struct ledger;

/*
 * Opens the file and starts the thread. That the file cannot be used is no failure: see above.
 * NULL, and why, if there is no memory or no thread.
 */
struct ledger *ledger_start(const struct ledger_options *options, struct problem *why);

/* Writes what was handed in, and ends the thread; calls that come later are refused. */
void ledger_stop(struct ledger *ledger);

/* Stops and frees it; nobody may be in a call. */
void ledger_free(struct ledger *ledger);

/* Could what is handed in now be kept, as far as we know? Complains in the log if not. */
bool ledger_is_usable(struct ledger *ledger);

/* From now on. ms */
void ledger_set_keep(struct ledger *ledger, long long keep);

/*
 * As ledger_store's; LEDGER_FAILED: it cannot be used; the log has it why, and what was damaged.
 * Callers on any thread.
 */
enum ledger_found ledger_find_same(struct ledger *ledger, const struct ledger_key *key,
				   struct buffer *calendar);
enum ledger_found ledger_find_latest(struct ledger *ledger, const struct ledger_key *key,
				     struct buffer *calendar);

/* How many records there are of this very message with this result; 0 if it cannot be told. */
long long ledger_count_same(struct ledger *ledger, const struct ledger_key *key,
			    const char *result);

/*
 * Keeps a calendar: blocks until it is on the disk, at most some seconds. False, and why, if it is
 * not, or not known to be.
 */
bool ledger_keep(struct ledger *ledger, const struct ledger_key *key, struct span calendar,
		 struct problem *why);

/*
 * Writes down that a call to Cronofy for this message is about to be made, which takes `longest` ms at
 * most: from then on a kill leaves it in doubt whether the invite is cancelled, and the next try of the
 * message hears that (call->in_doubt). LEDGER_TAKEN: another try of it is in its call; wait.
 * LEDGER_NOT_BEGUN: the ledger cannot be used. Blocks as ledger_keep(), but not for the disk: what is
 * safe from a kill of the process is safe from a loss of power a moment later.
 */
enum ledger_begun ledger_begin_call(struct ledger *ledger, const struct ledger_key *key,
				    long long longest, struct ledger_call *call);

/*
 * The call is over without a calendar; does not wait. `answered`: it is sure that it has cancelled
 * nothing. A call that was not begun has no end. With a calendar, ledger_keep() is its end.
 */
void ledger_end_call(struct ledger *ledger, const struct ledger_key *key,
		     const struct ledger_call *call, bool answered);

/* Records an record, copied, with the present time; does not wait for the disk. */
void ledger_record(struct ledger *ledger, const struct record *record);

/* A source of metrics (metrics_add_source()): the file's size, and how often it could not be used. */
void ledger_write_metrics(void *ledger, struct buffer *page);

#endif
