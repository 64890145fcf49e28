/*
 * metrics_process: a source of what the kernel knows of this process, under the names that
 * Prometheus' own clients give it (https://prometheus.io/docs/instrumenting/writing_clientlibs/).
 */
#ifndef METRICS_PROCESS_H
#define METRICS_PROCESS_H

#include "metrics.h"

#include <stdbool.h>

/*
 * Adds the source. `began`, which must live as long as the metrics, is when the process did: seconds
 * since 1970. False if there is no place for it.
 */
bool metrics_process_add(struct metrics *metrics, long long *began);

#endif
