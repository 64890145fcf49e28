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

/* When the disk does not keep up, so many wait: of calendars as many as messages can be at work. */
#define LEDGER_QUEUE_RECORDS   10000
#define LEDGER_QUEUE_CALENDARS 10000

/* A calendar, whose caller waits, or an record. */
struct ledger_entry {
	struct ledger_entry *next;
	struct record *record; /* or NULL: it is a calendar */
	struct ledger_key key; /* into `text` */
	struct span calendar;  /* likewise */
	long long time;        /* ms since 1970 */
	struct buffer text;    /* the key's four texts, each with its NUL, and the calendar */
	bool done;
	bool written;   /* if done */
	bool abandoned; /* by its caller: whoever is done with it frees it */
};

struct ledger_queue {
	struct ledger_entry *first, **end;
	size_t records;   /* how many of the entries are records */
	size_t calendars; /* and how many are not */
	long long oldest; /* the moment at which the first one was handed in */
};

/* Copies; NULL if there is no memory. */
struct ledger_entry *ledger_entry_new_calendar(const struct ledger_key *key, struct span calendar);
struct ledger_entry *ledger_entry_new_record(const struct record *record);
void ledger_entry_free(struct ledger_entry *entry);

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
