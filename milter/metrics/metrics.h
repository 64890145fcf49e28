/*
 * metrics: what the process counts, and the page that shows it in Prometheus' text format (0.0.4,
 * https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Knows neither HTTP nor the process it runs in. Safe to call from several threads; an untagged
 * message costs one relaxed increment, all else a short lock. Nobody needs to have metrics: the
 * functions that count take NULL, and do nothing.
 *
 * Other rooms show what they know themselves by a source: a function that writes series, called for
 * each page. Names begin with cancel_invite_ and are never made from what came from outside.
 */
#ifndef METRICS_H
#define METRICS_H

#include "buffer.h"
#include "exposition.h"

#include <stdbool.h>
#include <stddef.h>

#define METRICS_PAGE_MAXIMUM     ((size_t)8 * 1024 * 1024) /* bytes */
#define METRICS_ACCOUNTS_MAXIMUM 2000  /* what more there are count as "other" */
#define METRICS_SERIES_MAXIMUM   10000 /* of the calls; the same */
#define METRICS_SOURCES          16

struct metrics;

/* The word of a result; results are numbered from 0. */
typedef const char *metrics_result_word(size_t result);

/* `version` is the program's; messages have so many results. NULL if there is no memory. */
struct metrics *metrics_new(const char *version, metrics_result_word *word, size_t result_count);
void metrics_free(struct metrics *metrics);

/* ---- counting ---- */

/*
 * There is an account of that name: its counters are shown from now on, beginning with 0. An alert
 * sees a counter grow; one that first appears as 1 does not.
 */
void metrics_add_account(struct metrics *metrics, const char *account);

/* A message without the tag. */
void metrics_count_untagged(struct metrics *metrics);

/*
 * A message that left a line in the log: its account (NULL: none), its result, and how long it took.
 */
void metrics_count_message(struct metrics *metrics, const char *account, size_t result,
			   long long ms);

/* A call to Cronofy that is over: HTTP's status, 0 if there was no answer; connections it made. */
void metrics_count_call(struct metrics *metrics, const char *account, long status,
			long new_connections, long long ms);

/* A reload of the configuration that put the new one in force, or left the old one. */
void metrics_count_reload(struct metrics *metrics, bool good);

/* The configuration in force was loaded then: seconds since 1970. */
void metrics_set_config_loaded(struct metrics *metrics, long long when);

/* ---- the page ---- */

/*
 * Appends the source's series to the page by the functions of exposition.h. Called on any thread, by several
 * at a time.
 */
typedef void metrics_source(void *context, struct buffer *page);

/* Adds a source, which must live as long as the metrics. False: there are METRICS_SOURCES. */
bool metrics_add_source(struct metrics *metrics, metrics_source *source, void *context);

/* Appends the whole page. If page->failed afterwards, it is not to be shown. */
void metrics_write_page(struct metrics *metrics, struct buffer *page);

#endif
