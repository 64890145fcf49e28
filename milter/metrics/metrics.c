/* metrics: what is counted, and the page that shows it. */
#include "metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS    64  /* of a table that finds a series by its labels' values */
#define NO_ACCOUNT "-" /* the account of messages that have none */

/* One series of a counter with two labels. */
struct series {
	struct series *same_bucket;
	struct series *next;  /* in the order in which they were made */
	char *first, *second; /* the labels' values; behind the struct */
	unsigned long long value;
};

struct counter {
	const char *name, *help;
	const char *labels[2];
	struct series *buckets[BUCKETS];
	struct series *oldest, *newest;
	size_t count;
};

/* Upper bounds in ms: from a call on a kept connection to the longest deadlines. */
static const long long bounds[] = {10,   25,   50,    100,   250,   500,  1000,
				   2500, 5000, 10000, 20000, 30000, 60000};

#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct histogram {
	const char *name, *help;
	unsigned long long counts[BOUNDS + 1]; /* each bucket by itself; the last has no bound */
	unsigned long long sum;                /* ms */
};

/* The messages of one account. */
struct account {
	struct account *same_bucket;
	struct account *next;          /* in the order in which they were made */
	char *name;                    /* behind the counts */
	unsigned long long messages[]; /* by result */
};

struct metrics {
	const char *version;
	metrics_result_word *word;
	size_t result_count;
	atomic_ullong untagged;
	pthread_mutex_t lock; /* guards all below */
	struct account *buckets[BUCKETS], *oldest, *newest;
	size_t account_count;
	struct counter calls;
	struct histogram message_duration, call_duration;
	unsigned long long connections;
	unsigned long long good_reloads, faulty_reloads;
	bool last_reload_good;
	long long config_loaded; /* s since 1970 */
	struct {
		metrics_source *write;
		void *context;
	} sources[METRICS_SOURCES];
	size_t source_count;
};

/* The calls that are counted for every account from the beginning. */
static const char *const statuses[] = {"200", "401", "402", "403", "429", "none"};

/* ---- counters ---- */

/* FNV-1a (Fowler, Noll, Vo) over both values, the NUL between them too. */
static size_t bucket_of(const char *first, const char *second)
{
	uint32_t hash = 2166136261u;

	for (const char *at = first; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	hash *= 16777619u;
	for (const char *at = second; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619u;
	return hash % BUCKETS;
}

static struct series *find(const struct counter *counter, const char *first, const char *second)
{
	struct series *series = counter->buckets[bucket_of(first, second)];

	while (series && (strcmp(series->first, first) != 0 || strcmp(series->second, second) != 0))
		series = series->same_bucket;
	return series;
}

static struct series *make(struct counter *counter, const char *first, const char *second)
{
	const size_t first_size = strlen(first) + 1, second_size = strlen(second) + 1;
	struct series **bucket = &counter->buckets[bucket_of(first, second)];
	struct series *series = calloc(1, sizeof(*series) + first_size + second_size);

	if (!series)
		return NULL;
	series->first = (char *)(series + 1);
	series->second = series->first + first_size;
	memcpy(series->first, first, first_size);
	memcpy(series->second, second, second_size);
	series->same_bucket = *bucket;
	*bucket = series;
	if (counter->newest)
		counter->newest->next = series;
	else
		counter->oldest = series;
	counter->newest = series;
	counter->count++;
	return series;
}

/* Adds to a series, which is made if there is none; without memory for it, nothing is counted. */
static void add(struct counter *counter, const char *first, const char *second,
		unsigned long long more)
{
	struct series *series = find(counter, first, second);

	if (!series && counter->count >= METRICS_SERIES_MAXIMUM) {
		first = second = "other";
		series = find(counter, first, second);
	}
	if (!series)
		series = make(counter, first, second);
	if (series)
		series->value += more;
}

static void free_counter(struct counter *counter)
{
	struct series *next;

	for (struct series *series = counter->oldest; series; series = next) {
		next = series->next;
		free(series);
	}
}

static void write_counter(struct buffer *page, const struct counter *counter)
{
	if (counter->oldest)
		metrics_write_head(page, counter->name, METRICS_COUNTER, counter->help);
	for (const struct series *series = counter->oldest; series; series = series->next) {
		const struct metrics_label labels[] = {
			{counter->labels[0], series->first},
			{counter->labels[1], series->second},
		};

		metrics_write_sample(page, counter->name, labels, 2, (double)series->value);
	}
}

/* ---- messages ---- */

static struct account *find_account(const struct metrics *metrics, const char *name)
{
	struct account *account = metrics->buckets[bucket_of(name, "")];

	while (account && strcmp(account->name, name) != 0)
		account = account->same_bucket;
	return account;
}

static struct account *make_account(struct metrics *metrics, const char *name)
{
	const size_t counts = metrics->result_count * sizeof(unsigned long long);
	struct account **bucket = &metrics->buckets[bucket_of(name, "")];
	struct account *account = calloc(1, sizeof(*account) + counts + strlen(name) + 1);

	if (!account)
		return NULL;
	account->name = (char *)account + sizeof(*account) + counts;
	memcpy(account->name, name, strlen(name) + 1);
	account->same_bucket = *bucket;
	*bucket = account;
	if (metrics->newest)
		metrics->newest->next = account;
	else
		metrics->oldest = account;
	metrics->newest = account;
	metrics->account_count++;
	return account;
}

/* It is made if there is none yet; NULL if there is no memory for that. */
static struct account *account_named(struct metrics *metrics, const char *name)
{
	struct account *account = find_account(metrics, name);

	if (!account && metrics->account_count >= METRICS_ACCOUNTS_MAXIMUM) {
		name = "other";
		account = find_account(metrics, name);
	}
	return account ? account : make_account(metrics, name);
}

static void free_accounts(struct metrics *metrics)
{
	struct account *next;

	for (struct account *account = metrics->oldest; account; account = next) {
		next = account->next;
		free(account);
	}
}

static void write_messages(struct buffer *page, const struct metrics *metrics)
{
	static const char name[] = "cancel_invite_messages_total";

	metrics_write_head(page, name, METRICS_COUNTER,
			   "Messages with the tag, by account and by result= of their log line.");
	for (const struct account *account = metrics->oldest; account; account = account->next)
		for (size_t i = 0; i < metrics->result_count; i++) {
			const struct metrics_label labels[] = {
				{"account", account->name},
				{"result", metrics->word(i)},
			};

			metrics_write_sample(page, name, labels, 2, (double)account->messages[i]);
		}
}

/* ---- histograms ---- */

static void observe(struct histogram *histogram, long long ms)
{
	size_t i = 0;

	if (ms < 0)
		ms = 0;
	while (i < BOUNDS && ms > bounds[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += (unsigned long long)ms;
}

static void write_histogram(struct buffer *page, const struct histogram *histogram)
{
	unsigned long long total = 0;
	char name[64], bound[32];

	metrics_write_head(page, histogram->name, METRICS_HISTOGRAM, histogram->help);
	snprintf(name, sizeof(name), "%s_bucket", histogram->name);
	for (size_t i = 0; i <= BOUNDS; i++) {
		const struct metrics_label label = {"le", bound};

		if (i < BOUNDS)
			snprintf(bound, sizeof(bound), "%g", (double)bounds[i] / 1000);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		total += histogram->counts[i];
		metrics_write_sample(page, name, &label, 1, (double)total);
	}
	snprintf(name, sizeof(name), "%s_sum", histogram->name);
	metrics_write_sample(page, name, NULL, 0, (double)histogram->sum / 1000);
	snprintf(name, sizeof(name), "%s_count", histogram->name);
	metrics_write_sample(page, name, NULL, 0, (double)total);
}

/* ---- the outside ---- */

struct metrics *metrics_new(const char *version, metrics_result_word *word, size_t result_count)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->version = version;
	metrics->word = word;
	metrics->result_count = result_count;
	metrics->last_reload_good = true;
	metrics->calls = (struct counter){
		.name = "cancel_invite_calls_total",
		.help = "Calls to Cronofy, by account and HTTP status; none: there was no answer.",
		.labels = {"account", "status"},
	};
	metrics->message_duration = (struct histogram){
		.name = "cancel_invite_message_duration_seconds",
		.help = "From the sender of a message with the tag to its result.",
	};
	metrics->call_duration = (struct histogram){
		.name = "cancel_invite_call_duration_seconds",
		.help = "How long one call to Cronofy took.",
	};
	pthread_mutex_init(&metrics->lock, NULL);
	account_named(metrics, NO_ACCOUNT);
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	free_accounts(metrics);
	free_counter(&metrics->calls);
	pthread_mutex_destroy(&metrics->lock);
	free(metrics);
}

void metrics_add_account(struct metrics *metrics, const char *account)
{
	if (!metrics)
		return;
	pthread_mutex_lock(&metrics->lock);
	account_named(metrics, account);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		add(&metrics->calls, account, statuses[i], 0);
	pthread_mutex_unlock(&metrics->lock);
}

void metrics_count_untagged(struct metrics *metrics)
{
	if (metrics)
		atomic_fetch_add_explicit(&metrics->untagged, 1, memory_order_relaxed);
}

void metrics_count_message(struct metrics *metrics, const char *account, size_t result,
			   long long ms)
{
	struct account *counted;

	if (!metrics)
		return;
	pthread_mutex_lock(&metrics->lock);
	counted = account_named(metrics, account ? account : NO_ACCOUNT);
	if (counted)
		counted->messages[result]++;
	observe(&metrics->message_duration, ms);
	pthread_mutex_unlock(&metrics->lock);
}

void metrics_count_call(struct metrics *metrics, const char *account, long status,
			long new_connections, long long ms)
{
	char text[16] = "none";

	if (!metrics)
		return;
	if (status > 0)
		snprintf(text, sizeof(text), "%ld", status % 1000);
	pthread_mutex_lock(&metrics->lock);
	add(&metrics->calls, account, text, 1);
	observe(&metrics->call_duration, ms);
	if (new_connections > 0)
		metrics->connections += (unsigned long long)new_connections;
	pthread_mutex_unlock(&metrics->lock);
}

void metrics_count_reload(struct metrics *metrics, bool good)
{
	if (!metrics)
		return;
	pthread_mutex_lock(&metrics->lock);
	if (good)
		metrics->good_reloads++;
	else
		metrics->faulty_reloads++;
	metrics->last_reload_good = good;
	pthread_mutex_unlock(&metrics->lock);
}

void metrics_set_config_loaded(struct metrics *metrics, long long when)
{
	if (!metrics)
		return;
	pthread_mutex_lock(&metrics->lock);
	metrics->config_loaded = when;
	pthread_mutex_unlock(&metrics->lock);
}

bool metrics_add_source(struct metrics *metrics, metrics_source *source, void *context)
{
	bool room;

	pthread_mutex_lock(&metrics->lock);
	room = metrics->source_count < METRICS_SOURCES;
	if (room) {
		metrics->sources[metrics->source_count].write = source;
		metrics->sources[metrics->source_count++].context = context;
	}
	pthread_mutex_unlock(&metrics->lock);
	return room;
}

/* With the lock held. */
static void write_config(const struct metrics *metrics, struct buffer *page)
{
	static const char reloads[] = "cancel_invite_config_reloads_total";
	const struct metrics_label good = {"result", "ok"}, faulty = {"result", "faulty"};

	metrics_write_head(page, reloads, METRICS_COUNTER,
			   "Reloads of the configuration; faulty: the old one stayed in force.");
	metrics_write_sample(page, reloads, &good, 1, (double)metrics->good_reloads);
	metrics_write_sample(page, reloads, &faulty, 1, (double)metrics->faulty_reloads);
	metrics_write_single(page, "cancel_invite_config_last_reload_successful", METRICS_GAUGE,
			     "0: the file was faulty at the last reload.",
			     metrics->last_reload_good);
	metrics_write_single(page, "cancel_invite_config_loaded_timestamp_seconds", METRICS_GAUGE,
			     "When the configuration in force was loaded.",
			     (double)metrics->config_loaded);
}

void metrics_write_page(struct metrics *metrics, struct buffer *page)
{
	static const char build_info[] = "cancel_invite_build_info";
	const struct metrics_label version = {"version", metrics->version};
	size_t sources;

	metrics_write_head(page, build_info, METRICS_GAUGE, "The program's version; always 1.");
	metrics_write_sample(page, build_info, &version, 1, 1);
	metrics_write_single(
		page, "cancel_invite_untagged_messages_total", METRICS_COUNTER,
		"Messages without the tag.",
		(double)atomic_load_explicit(&metrics->untagged, memory_order_relaxed));
	pthread_mutex_lock(&metrics->lock);
	write_messages(page, metrics);
	write_histogram(page, &metrics->message_duration);
	write_counter(page, &metrics->calls);
	write_histogram(page, &metrics->call_duration);
	metrics_write_single(page, "cancel_invite_connections_opened_total", METRICS_COUNTER,
			     "Connections made to Cronofy.", (double)metrics->connections);
	write_config(metrics, page);
	sources = metrics->source_count;
	pthread_mutex_unlock(&metrics->lock);
	/* Without the lock: a source has locks of its own, and may count under them. */
	for (size_t i = 0; i < sources; i++)
		metrics->sources[i].write(metrics->sources[i].context, page);
}
