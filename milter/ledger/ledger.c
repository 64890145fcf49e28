/* ledger: calendars and records, written by one thread and read by all. */
#include "ledger.h"

#include "ledger_privacy.h"
#include "ledger_queue.h"
#include "log.h"
#include "clock.h"

#include "metrics.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEEP_PATIENCE      10000 /* ms that a caller waits for its calendar to be on the disk */
#define RECORD_DELAY       100 /* ms that records, and calls' rows, wait for a calendar to go with */
#define COMPLAINT_INTERVAL 60000      /* ms */
#define PRUNE_INTERVAL     60000      /* ms, once nothing old is left */
#define PRUNE_PAUSE        20         /* ms between two steps, for other processes */
#define PRUNE_OVERDUE      600000     /* ms: then also if there is always something else to do */
#define PRUNE_STEP         100        /* records, and calendars */
#define NEWEST_LIKELY      86400000LL /* ms that the newest record is old where mail comes in */

struct ledger {
	char *path;
	enum ledger_store_mode mode;
	long long retry;
	struct redact redact;      /* its key is ours */
	struct clock_watch *clock; /* or NULL */
	pthread_t thread;

	struct ledger_store *writer; /* the thread's own; NULL if it is not open */
	bool told_step;              /* likewise: the log has it that the time was changed */

	pthread_mutex_t reading;     /* guards the next */
	struct ledger_store *reader; /* NULL if it is not open */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t handed_in;
	pthread_cond_t committed;
	struct ledger_queue queue;
	bool usable;
	bool stopping, stopped;
	bool reopen;                 /* reading failed */
	struct problem trouble;      /* unless usable */
	unsigned long long troubles; /* how often a call found it unusable */
	long long next_complaint;
	bool complained; /* since it was usable the last time */
	long long keep;
	long long next_open, next_prune; /* moments */
	long long unsynced; /* the moment since when a call's row is not on the disk; 0: all are */
};

/* ---- what the log is told ---- */

/* With the lock held. */
static void complain(struct ledger *ledger)
{
	const long long now = clock_now();

	ledger->troubles++;
	if (now < ledger->next_complaint || ledger->stopping)
		return;
	ledger->next_complaint = now + COMPLAINT_INTERVAL;
	ledger->complained = true;
	log_write(LOG_LEVEL_ERROR, "the ledger cannot be used: %s", ledger->trouble.text);
}

static void set_usable(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->lock);
	ledger->usable = true;
	ledger->reopen = false;
	if (ledger->complained)
		log_write(LOG_LEVEL_INFO, "the ledger can be used again: %s", ledger->path);
	ledger->complained = false;
	pthread_mutex_unlock(&ledger->lock);
}

/* Trying again in vain is told only if it is for another reason, or when somebody needs it. */
static void set_unusable(struct ledger *ledger, const struct problem *why)
{
	pthread_mutex_lock(&ledger->lock);
	if (ledger->usable || strcmp(ledger->trouble.text, why->text) != 0) {
		ledger->trouble = *why;
		complain(ledger);
	}
	ledger->usable = false;
	ledger->reopen = false;
	ledger->next_open = clock_now() + ledger->retry;
	pthread_mutex_unlock(&ledger->lock);
}

/* ---- open and closed ---- */

static void close_writer(struct ledger *ledger)
{
	ledger_store_close(ledger->writer);
	ledger->writer = NULL;
}

/* `reader` takes the place of the one there is; or NULL. */
static void set_reader(struct ledger *ledger, struct ledger_store *reader)
{
	struct ledger_store *before;

	pthread_mutex_lock(&ledger->reading);
	before = ledger->reader;
	ledger->reader = reader;
	pthread_mutex_unlock(&ledger->reading);
	ledger_store_close(before);
}

/* The writer last: it is the one that can bring the log over into the file, and remove it. */
static void close_stores(struct ledger *ledger)
{
	set_reader(ledger, NULL);
	close_writer(ledger);
}

/* A reader that works stays open when nothing can be written: kept calendars can still be read. */
static bool has_good_reader(struct ledger *ledger)
{
	bool good;

	pthread_mutex_lock(&ledger->reading);
	good = ledger->reader && !ledger_store_has_moved(ledger->reader);
	pthread_mutex_unlock(&ledger->reading);
	return good;
}

static void open_stores(struct ledger *ledger)
{
	struct ledger_store *reader = NULL;
	struct problem why, reading;

	close_writer(ledger);
	ledger->writer = ledger_store_open(ledger->path, ledger->mode, &why);
	if (ledger->writer || !has_good_reader(ledger)) {
		reader = ledger_store_open(ledger->path, LEDGER_STORE_READ, &reading);
		set_reader(ledger, reader);
	}
	if (ledger->writer && reader) {
		set_usable(ledger);
		return;
	}
	set_unusable(ledger, ledger->writer ? &reading : &why);
	close_writer(ledger);
}

/* Somebody moved the file away, or put another in its place: what we write would go nowhere. */
static void follow_file(struct ledger *ledger)
{
	if (ledger->writer && ledger_store_has_moved(ledger->writer))
		open_stores(ledger);
}

/* ---- the thread ---- */

/* Tells those who wait, with the lock held. */
static void finish(struct ledger *ledger, struct ledger_entry *entries, bool written)
{
	ledger_entries_finish(entries, written);
	pthread_cond_broadcast(&ledger->committed);
}

static bool write_entry(struct ledger_store *store, struct ledger_entry *entry, struct problem *why)
{
	switch (entry->kind) {
	case LEDGER_ENTRY_CALENDAR:
		return ledger_store_keep(store, &entry->key, entry->time, entry->calendar, why);
	case LEDGER_ENTRY_CALL:
		entry->begun =
			ledger_store_begin_call(store, &entry->key, entry->time, &entry->call, why);
		return entry->begun != LEDGER_NOT_BEGUN;
	case LEDGER_ENTRY_CALL_END:
		return ledger_store_end_call(store, &entry->key, &entry->call.lease,
					     entry->answered, why);
	case LEDGER_ENTRY_RECORD:
		break;
	}
	return ledger_store_record(store, entry->record, why);
}

static bool write_batch(struct ledger_store *store, struct ledger_entry *entry, bool durable,
			struct problem *why)
{
	bool good = ledger_store_set_durable(store, durable, why) && ledger_store_begin(store, why);

	if (!good)
		return false;
	for (; entry && good; entry = entry->next)
		good = write_entry(store, entry, why);
	if (good && ledger_store_commit(store, why))
		return true;
	ledger_store_rollback(store);
	return false;
}

static void give_up_writer(struct ledger *ledger, const struct problem *why)
{
	close_writer(ledger);
	set_unusable(ledger, why);
}

/*
 * Calls that were begun are safe from a kill. If no other commit has brought their rows to the disk by
 * now, while they go on, this does. With the lock held, but for that.
 */
static void sync_calls(struct ledger *ledger)
{
	struct problem why;

	ledger->unsynced = 0;
	pthread_mutex_unlock(&ledger->lock);
	if (ledger->writer && !ledger_store_sync(ledger->writer, &why))
		give_up_writer(ledger, &why);
	pthread_mutex_lock(&ledger->lock);
}

/* Writes all that was handed in, or says that it could not. With the lock held, but for that. */
static void write_entries(struct ledger *ledger)
{
	const bool only_calls =
		ledger->queue.waited > ledger->queue.calendars && ledger->queue.calendars == 0;
	struct ledger_entry *entries = ledger_queue_take(&ledger->queue);
	struct problem why;
	bool written;

	pthread_mutex_unlock(&ledger->lock);
	follow_file(ledger);
	written = ledger->writer && write_batch(ledger->writer, entries, !only_calls, &why);
	if (ledger->writer && !written)
		give_up_writer(ledger, &why);
	pthread_mutex_lock(&ledger->lock);
	finish(ledger, entries, written);
	if (!written)
		finish(ledger, ledger_queue_take(&ledger->queue), false);
	else if (!only_calls)
		ledger->unsynced = 0;
	else if (ledger->unsynced == 0)
		ledger->unsynced = clock_now();
}

/* What a clock that was set by mistake makes old is not old. */
static bool is_time_trusted(struct ledger *ledger)
{
	enum clock_trust trust = CLOCK_UNKNOWN;

	if (ledger->clock)
		trust = clock_watch_look(ledger->clock);
	if (trust == CLOCK_STEPPED && !ledger->told_step)
		log_write(LOG_LEVEL_WARNING,
			  "the time of day was changed by more than an hour: nothing is removed "
			  "from the ledger until it has stayed like that for a day");
	ledger->told_step = trust == CLOCK_STEPPED;
	return trust == CLOCK_TRUSTED;
}

/* With the lock held, but for the work. */
static void prune(struct ledger *ledger)
{
	const long long before = clock_utc_now() - ledger->keep;
	struct problem why;
	int removed = 0;

	pthread_mutex_unlock(&ledger->lock);
	if (is_time_trusted(ledger))
		removed = ledger_store_prune(ledger->writer, before, PRUNE_STEP, &why);
	if (removed < 0)
		give_up_writer(ledger, &why);
	pthread_mutex_lock(&ledger->lock);
	ledger->next_prune = clock_now() + (removed >= PRUNE_STEP ? PRUNE_PAUSE : PRUNE_INTERVAL);
}

/* The moment at which there is something to be done, if nobody hands in anything meanwhile. */
static long long next_moment(const struct ledger *ledger)
{
	long long moment = ledger->next_prune;

	if (!ledger->usable)
		moment = ledger->next_open;
	else if (ledger->queue.first && ledger->queue.oldest + RECORD_DELAY < moment)
		moment = ledger->queue.oldest + RECORD_DELAY;
	if (ledger->unsynced > 0 && ledger->unsynced + RECORD_DELAY < moment)
		moment = ledger->unsynced + RECORD_DELAY;
	return moment;
}

/* Is it time to write? With the lock held. */
static bool is_time_to_write(const struct ledger *ledger, long long now)
{
	return ledger->queue.first && (ledger->queue.waited > 0 || ledger->stopping ||
				       now >= ledger->queue.oldest + RECORD_DELAY);
}

/* Writing goes first, unless there is always something to write. With the lock held. */
static bool is_time_to_prune(const struct ledger *ledger, long long now)
{
	return ledger->usable &&
	       now >= ledger->next_prune + (is_time_to_write(ledger, now) ? PRUNE_OVERDUE : 0);
}

static void *run(void *context)
{
	struct ledger *ledger = context;

	pthread_mutex_lock(&ledger->lock);
	while (!ledger->stopping || ledger->queue.first) {
		const long long now = clock_now();

		if (ledger->reopen || (!ledger->usable && now >= ledger->next_open)) {
			pthread_mutex_unlock(&ledger->lock);
			open_stores(ledger);
			pthread_mutex_lock(&ledger->lock);
		} else if (is_time_to_prune(ledger, now)) {
			prune(ledger);
		} else if (is_time_to_write(ledger, now)) {
			write_entries(ledger);
		} else if (ledger->unsynced > 0 && now >= ledger->unsynced + RECORD_DELAY) {
			sync_calls(ledger);
		} else {
			clock_wait(&ledger->handed_in, &ledger->lock, next_moment(ledger));
		}
	}
	ledger->stopped = true;
	ledger->usable = false;
	problem_set(&ledger->trouble, "the filter is being stopped");
	finish(ledger, ledger_queue_take(&ledger->queue), false);
	pthread_mutex_unlock(&ledger->lock);
	close_stores(ledger);
	return NULL;
}

/* ---- life ---- */

static void destroy(struct ledger *ledger)
{
	close_stores(ledger);
	pthread_cond_destroy(&ledger->committed);
	pthread_cond_destroy(&ledger->handed_in);
	pthread_mutex_destroy(&ledger->lock);
	pthread_mutex_destroy(&ledger->reading);
	if (ledger->redact.key)
		explicit_bzero((char *)ledger->redact.key, strlen(ledger->redact.key));
	free((char *)ledger->redact.key);
	free(ledger->path);
	free(ledger);
}

/* At the start: is the time of day that of what was written last, or nothing there to be too old? */
static bool is_time_likely(struct ledger *ledger)
{
	const long long now = clock_utc_now();
	struct problem why;
	long long newest;

	return ledger->writer && ledger_store_newest(ledger->writer, &newest, &why) &&
	       (newest == 0 || (newest <= now + CLOCK_STEP && newest >= now - NEWEST_LIKELY));
}

struct ledger *ledger_start(const struct ledger_options *options, struct problem *why)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int result;

	if (!ledger || !(ledger->path = strdup(options->path))) {
		problem_set(why, "no memory for the ledger");
		free(ledger);
		return NULL;
	}
	ledger->mode = options->mode;
	ledger->retry = options->retry;
	if (options->address_key) {
		ledger->redact = (struct redact){REDACT_HASH, strdup(options->address_key)};
		if (!ledger->redact.key) {
			problem_set(why, "no memory for the ledger");
			free(ledger->path);
			free(ledger);
			return NULL;
		}
	}
	ledger->clock = options->clock;
	ledger->keep = options->keep;
	ledger_queue_init(&ledger->queue);
	pthread_mutex_init(&ledger->reading, NULL);
	pthread_mutex_init(&ledger->lock, NULL);
	clock_condition_init(&ledger->handed_in);
	clock_condition_init(&ledger->committed);
	ledger->next_prune = clock_now() + RECORD_DELAY;
	open_stores(ledger);
	if (ledger->clock && is_time_likely(ledger))
		clock_watch_trust(ledger->clock);
	result = pthread_create(&ledger->thread, NULL, run, ledger);
	if (result == 0)
		return ledger;
	problem_set(why, "no thread for the ledger: %s", strerror(result));
	destroy(ledger);
	return NULL;
}

void ledger_stop(struct ledger *ledger)
{
	bool running;

	if (!ledger)
		return;
	pthread_mutex_lock(&ledger->lock);
	running = !ledger->stopping;
	ledger->stopping = true;
	pthread_cond_signal(&ledger->handed_in);
	pthread_mutex_unlock(&ledger->lock);
	if (running)
		pthread_join(ledger->thread, NULL);
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	ledger_stop(ledger);
	destroy(ledger);
}

void ledger_set_keep(struct ledger *ledger, long long keep)
{
	pthread_mutex_lock(&ledger->lock);
	ledger->keep = keep;
	ledger->next_prune = clock_now();
	pthread_cond_signal(&ledger->handed_in);
	pthread_mutex_unlock(&ledger->lock);
}

/* ---- callers ---- */

/* False if it is closed by now, or too much waits. With the lock held. */
static bool hand_in(struct ledger *ledger, struct ledger_entry *entry)
{
	if (!ledger->usable || ledger->stopped || !ledger_queue_add(&ledger->queue, entry))
		return false;
	pthread_cond_signal(&ledger->handed_in);
	return true;
}

bool ledger_is_usable(struct ledger *ledger)
{
	bool usable;

	pthread_mutex_lock(&ledger->lock);
	usable = ledger->usable;
	if (!usable)
		complain(ledger);
	pthread_mutex_unlock(&ledger->lock);
	return usable;
}

typedef enum ledger_found store_finder(struct ledger_store *store, const struct ledger_key *key,
				       struct buffer *calendar, struct problem *why);

/* The reader gives no answer: it is closed, and the thread opens another. */
static void give_up_reader(struct ledger *ledger, const struct problem *why)
{
	set_reader(ledger, NULL);
	pthread_mutex_lock(&ledger->lock);
	ledger->trouble = *why;
	complain(ledger);
	ledger->reopen = true;
	pthread_cond_signal(&ledger->handed_in);
	pthread_mutex_unlock(&ledger->lock);
}

static enum ledger_found find(struct ledger *ledger, store_finder *finder,
			      const struct ledger_key *key, struct buffer *calendar)
{
	struct private_key private;
	enum ledger_found found = LEDGER_FAILED;
	struct problem why = {.text = ""};

	pthread_mutex_lock(&ledger->reading);
	if (ledger->reader)
		found = finder(ledger->reader, ledger_private_key(&ledger->redact, key, &private),
			       calendar, &why);
	pthread_mutex_unlock(&ledger->reading);
	if (found == LEDGER_FAILED && why.text[0])
		give_up_reader(ledger, &why);
	else if (found == LEDGER_FAILED)
		ledger_is_usable(ledger); /* complains */
	if (found == LEDGER_DAMAGED)
		log_write(LOG_LEVEL_ERROR,
			  "%s: the calendar that was kept for invite %.200s has changed on the "
			  "disk, so it is not used; check the disk",
			  ledger->path, key->invite_id);
	return found;
}

enum ledger_found ledger_find_same(struct ledger *ledger, const struct ledger_key *key,
				   struct buffer *calendar)
{
	return find(ledger, ledger_store_find_same, key, calendar);
}

enum ledger_found ledger_find_latest(struct ledger *ledger, const struct ledger_key *key,
				     struct buffer *calendar)
{
	return find(ledger, ledger_store_find_latest, key, calendar);
}

long long ledger_count_same(struct ledger *ledger, const struct ledger_key *key, const char *result)
{
	struct private_key private;
	struct problem why;
	long long count = 0;

	pthread_mutex_lock(&ledger->reading);
	if (ledger->reader)
		count = ledger_store_count_same(ledger->reader,
						ledger_private_key(&ledger->redact, key, &private),
						result, &why);
	pthread_mutex_unlock(&ledger->reading);
	if (count < 0)
		give_up_reader(ledger, &why);
	return count > 0 ? count : 0;
}

/*
 * Waits until it is done; true if it was written. It is the caller's again unless it is taken away: the
 * thread has it still, and frees it.
 */
static bool wait_for(struct ledger *ledger, struct ledger_entry **entry)
{
	const long long until = clock_now() + KEEP_PATIENCE;
	bool mine, written;

	pthread_mutex_lock(&ledger->lock);
	mine = !hand_in(ledger, *entry);
	while (!mine && !(*entry)->done && clock_now() < until)
		clock_wait(&ledger->committed, &ledger->lock, until);
	written = (*entry)->written;
	mine |= (*entry)->done;
	(*entry)->abandoned = !mine;
	pthread_mutex_unlock(&ledger->lock);
	if (!mine)
		*entry = NULL;
	return written;
}

static void hand_in_and_go(struct ledger *ledger, struct ledger_entry *entry)
{
	if (!entry)
		return;
	pthread_mutex_lock(&ledger->lock);
	if (hand_in(ledger, entry))
		entry = NULL;
	pthread_mutex_unlock(&ledger->lock);
	ledger_entry_free(entry);
}

bool ledger_keep(struct ledger *ledger, const struct ledger_key *key, struct span calendar,
		 struct problem *why)
{
	struct private_key private;
	struct ledger_entry *entry;
	bool written;

	if (!ledger_is_usable(ledger)) {
		problem_set(why, "the ledger cannot be used");
		return false;
	}
	entry = ledger_entry_new_calendar(ledger_private_key(&ledger->redact, key, &private),
					  calendar);
	problem_set(why, entry ? "the ledger could not store the calendar" : "no memory");
	if (!entry)
		return false;
	written = wait_for(ledger, &entry);
	ledger_entry_free(entry);
	return written;
}

enum ledger_begun ledger_begin_call(struct ledger *ledger, const struct ledger_key *key,
				    long long longest, struct ledger_call *call)
{
	struct private_key private;
	enum ledger_begun begun = LEDGER_NOT_BEGUN;
	struct ledger_entry *entry = NULL;

	*call = (struct ledger_call){.in_doubt = false};
	if (ledger_is_usable(ledger))
		entry = ledger_entry_new_call(ledger_private_key(&ledger->redact, key, &private),
					      longest);
	if (entry && wait_for(ledger, &entry)) {
		begun = entry->begun;
		*call = entry->call;
	}
	ledger_entry_free(entry);
	return begun;
}

void ledger_end_call(struct ledger *ledger, const struct ledger_key *key,
		     const struct ledger_call *call, bool answered)
{
	struct private_key private;

	if (call->lease.owner[0] && ledger_is_usable(ledger))
		hand_in_and_go(ledger, ledger_entry_new_call_end(
					       ledger_private_key(&ledger->redact, key, &private),
					       call, answered));
}

void ledger_record(struct ledger *ledger, const struct record *record)
{
	struct private_record private;

	if (!ledger_is_usable(ledger))
		return;
	hand_in_and_go(ledger, ledger_entry_new_record(
				       ledger_private_record(&ledger->redact, record, &private)));
	buffer_free(&private.reason);
}

/* With the write-ahead log that stands beside it. */
static double size_of_files(const struct ledger *ledger)
{
	char path[PATH_MAX];
	struct stat status;
	double size = 0;

	if (stat(ledger->path, &status) == 0)
		size += (double)status.st_size;
	snprintf(path, sizeof(path), "%s-wal", ledger->path);
	if (stat(path, &status) == 0)
		size += (double)status.st_size;
	return size;
}

void ledger_write_metrics(void *context, struct buffer *page)
{
	struct ledger *ledger = context;
	unsigned long long troubles;

	pthread_mutex_lock(&ledger->lock);
	troubles = ledger->troubles;
	pthread_mutex_unlock(&ledger->lock);
	metrics_write_single(page, "cancel_invite_ledger_bytes", METRICS_GAUGE,
			     "Bytes of the ledger's files.", size_of_files(ledger));
	metrics_write_single(page, "cancel_invite_ledger_errors_total", METRICS_COUNTER,
			     "How often the ledger could not be used.", (double)troubles);
}
