/* ledger_queue: what the ledger has accepted and not yet written. */
#include "ledger_queue.h"

#include "clock.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TEXTS = 4 };

static struct ledger_entry *new_entry(enum ledger_entry_kind kind, const struct ledger_key *key,
				      struct span calendar)
{
	const char *const texts[KEY_TEXTS] = {key->account, key->invite_id, key->recipient,
					      key->message_id};
	struct ledger_entry *entry = calloc(1, sizeof(*entry));
	const char *copies[KEY_TEXTS];
	size_t offset = 0;

	if (!entry)
		return NULL;
	entry->text = buffer_with_maximum(SIZE_MAX / 4); /* what it copies has its own bounds */
	for (size_t i = 0; i < KEY_TEXTS; i++)
		buffer_append(&entry->text, texts[i], strlen(texts[i]) + 1);
	buffer_append(&entry->text, calendar.at, calendar.length);
	if (entry->text.failed) {
		ledger_entry_free(entry);
		return NULL;
	}
	for (size_t i = 0; i < KEY_TEXTS; i++) {
		copies[i] = entry->text.data + offset;
		offset += strlen(copies[i]) + 1;
	}
	entry->kind = kind;
	entry->key = (struct ledger_key){copies[0], copies[1], copies[2], copies[3]};
	entry->calendar = (struct span){entry->text.data + offset, calendar.length};
	entry->time = clock_utc_now();
	return entry;
}

struct ledger_entry *ledger_entry_new_calendar(const struct ledger_key *key, struct span calendar)
{
	return new_entry(LEDGER_ENTRY_CALENDAR, key, calendar);
}

struct ledger_entry *ledger_entry_new_call(const struct ledger_key *key, long long longest)
{
	struct ledger_entry *entry = new_entry(LEDGER_ENTRY_CALL, key, (struct span){"", 0});

	if (entry)
		entry->call.lease = ledger_lease_new(longest);
	return entry;
}

struct ledger_entry *ledger_entry_new_call_end(const struct ledger_key *key,
					       const struct ledger_call *call, bool answered)
{
	struct ledger_entry *entry = new_entry(LEDGER_ENTRY_CALL_END, key, (struct span){"", 0});

	if (entry) {
		entry->call = *call;
		entry->answered = answered;
	}
	return entry;
}

struct ledger_entry *ledger_entry_new_record(const struct record *record)
{
	struct ledger_entry *entry = calloc(1, sizeof(*entry));

	if (!entry || !(entry->record = record_copy(record))) {
		free(entry);
		return NULL;
	}
	entry->kind = LEDGER_ENTRY_RECORD;
	entry->record->time = clock_utc_now();
	return entry;
}

void ledger_entry_free(struct ledger_entry *entry)
{
	if (!entry)
		return;
	free(entry->record);
	buffer_free(&entry->text);
	free(entry);
}

void ledger_queue_init(struct ledger_queue *queue)
{
	*queue = (struct ledger_queue){.first = NULL};
	queue->end = &queue->first;
}

bool ledger_entry_is_waited_for(const struct ledger_entry *entry)
{
	return entry->kind == LEDGER_ENTRY_CALENDAR || entry->kind == LEDGER_ENTRY_CALL;
}

bool ledger_queue_add(struct ledger_queue *queue, struct ledger_entry *entry)
{
	const bool waited = ledger_entry_is_waited_for(entry);

	if (waited ? queue->waited == LEDGER_QUEUE_WAITED
		   : queue->unwaited == LEDGER_QUEUE_UNWAITED)
		return false;
	if (!queue->first)
		queue->oldest = clock_now();
	*queue->end = entry;
	queue->end = &entry->next;
	queue->waited += waited;
	queue->unwaited += !waited;
	queue->calendars += entry->kind == LEDGER_ENTRY_CALENDAR;
	return true;
}

struct ledger_entry *ledger_queue_take(struct ledger_queue *queue)
{
	struct ledger_entry *first = queue->first;

	ledger_queue_init(queue);
	return first;
}

void ledger_entries_finish(struct ledger_entry *entry, bool written)
{
	while (entry) {
		struct ledger_entry *next = entry->next;

		entry->done = true;
		entry->written = written;
		if (!ledger_entry_is_waited_for(entry) || entry->abandoned)
			ledger_entry_free(entry);
		entry = next;
	}
}
