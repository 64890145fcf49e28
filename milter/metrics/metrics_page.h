/*
 * metrics_page: a small HTTP server for whoever watches: GET /metrics is the metrics' page, GET
 * /healthz says "ok", or 503 "stopping" once the process is on its way out, or "nobody reads the log"
 * while a line of it cannot be written. The only file that knows libmicrohttpd.
 * On a loopback address it answers only who asks for localhost or such an address.
 *
 * One thread. Bounded: connections (a new one pushes the oldest out, so clients that are slow
 * cannot keep others away), memory for each, the time that one may idle.
 */
#ifndef METRICS_PAGE_H
#define METRICS_PAGE_H

#include "metrics.h"
#include "problem.h"

#include <stdbool.h>

struct metrics_page;

/*
 * Starts to answer at a listening socket, which is the page's from now on, also if it fails. NULL,
 * and why.
 */
struct metrics_page *metrics_page_start(int listening, struct metrics *metrics,
					struct problem *why);

/* From now on /healthz says so. NULL: there is no page. */
void metrics_page_say_stopping(struct metrics_page *page);

#endif
