/*
 * exposition: Prometheus' text format (0.0.4,
 * https://prometheus.io/docs/instrumenting/exposition_formats/). Appends to a page; whether it has
 * failed is looked at when it is whole.
 */
#ifndef EXPOSITION_H
#define EXPOSITION_H

#include "buffer.h"

#include <stddef.h>

struct metrics_label {
	const char *name;
	const char *value; /* any bytes: what is no UTF-8 is replaced */
};

enum metrics_type {
	METRICS_COUNTER, /* only grows; its name ends in _total */
	METRICS_GAUGE,
	METRICS_HISTOGRAM,
};

/* The two lines in front of a metric's samples. `help` is one line without a backslash. */
void metrics_write_head(struct buffer *page, const char *name, enum metrics_type type,
			const char *help);

/* A sample, with as many labels as there are. */
void metrics_write_sample(struct buffer *page, const char *name, const struct metrics_label *labels,
			  size_t label_count, double value);

/* Head and one sample without labels. */
void metrics_write_single(struct buffer *page, const char *name, enum metrics_type type,
			  const char *help, double value);

#endif
