/*
 * ledger_queue: what was handed in to the ledger and is not yet on the disk.
 *
 * A queue has no lock of its own: its owner's guards every call.
 */
#ifndef LEDGER_QUEUE_H
#define LEDGER_QUEUE_H

#include "ledger_store.h"

#include <stdbool.h>
#include <stddef.h>

/* When the disk does not keep up, so many wait: of those with a caller as many as messages can be at
 * work. */
#define LEDGER_QUEUE_UNWAITED 10000
#define LEDGER_QUEUE_WAITED   10000

enum ledger_entry_kind {
	LEDGER_ENTRY_CALENDAR, /* its caller waits until it is on the disk */
	LEDGER_ENTRY_CALL,     /* begins; its caller waits until it is safe from a kill */
	LEDGER_ENTRY_CALL_END,
	LEDGER_ENTRY_RECORD,
};

struct ledger_entry {
	struct ledger_entry *next;
	enum ledger_entry_kind kind;
	struct record *record; /* of a record */
	struct ledger_key key; /* of all others; into `text` */
	struct span calendar;  /* likewise */
	struct ledger_call call;
	bool answered;           /* of a call's end */
	enum ledger_begun begun; /* of a call, once it is written */
	long long time;          /* ms since 1970 */
	struct buffer text;      /* the key's four texts, each with its NUL, and the calendar */
	bool done;
	bool written;   /* if done */
	bool abandoned; /* by its caller: whoever is done with it frees it */
};

struct ledger_queue {
	struct ledger_entry *first, **end;
	size_t waited;    /* entries whose callers wait */
	size_t unwaited;  /* and whose do not */
	size_t calendars; /* of those that are waited for */
	long long oldest; /* the moment at which the first one was handed in */
};

/* Copies; NULL if there is no memory. */
struct ledger_entry *ledger_entry_new_calendar(const struct ledger_key *key, struct span calendar);
struct ledger_entry *ledger_entry_new_call(const struct ledger_key *key, long long longest);
struct ledger_entry *ledger_entry_new_call_end(const struct ledger_key *key,
					       const struct ledger_call *call, bool answered);
struct ledger_entry *ledger_entry_new_record(const struct record *record);
void ledger_entry_free(struct ledger_entry *entry);

/* Does its caller wait for it? */
bool ledger_entry_is_waited_for(const struct ledger_entry *entry);

void ledger_queue_init(struct ledger_queue *queue);

/* False if there are as many of its kind already; then it stays the caller's. */
bool ledger_queue_add(struct ledger_queue *queue, struct ledger_entry *entry);

/* Takes all of them out, as a list. */
struct ledger_entry *ledger_queue_take(struct ledger_queue *queue);

/*
 * Says of each entry of the list whether it was written. Those that somebody waits for are then
 * his; the others are freed.
 */
void ledger_entries_finish(struct ledger_entry *entry, bool written);

#endif
