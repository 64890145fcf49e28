/* exposition: samples as lines of text. */
#include "exposition.h"

#include "utf8.h"

#include <string.h>

void metrics_write_head(struct buffer *page, const char *name, enum metrics_type type,
			const char *help)
{
	static const char *const types[] = {
		[METRICS_COUNTER] = "counter",
		[METRICS_GAUGE] = "gauge",
		[METRICS_HISTOGRAM] = "histogram",
	};

	buffer_printf(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* In a label's value \, " and LF are escaped; the page is UTF-8 whatever the value is. */
static void write_label_value(struct buffer *page, const char *value)
{
	const size_t length = strlen(value);

	for (size_t i = 0, n; i<length; i += n> 0 ? n : 1) {
		n = utf8_sequence(value + i, length - i);
		if (n == 0)
			buffer_append_text(page, "\xef\xbf\xbd"); /* U+FFFD */
		else if (value[i] == '\n')
			buffer_append_text(page, "\\n");
		else if (value[i] == '"' || value[i] == '\\')
			buffer_printf(page, "\\%c", value[i]);
		else
			buffer_append(page, value + i, n);
	}
}

void metrics_write_sample(struct buffer *page, const char *name, const struct metrics_label *labels,
			  size_t label_count, double value)
{
	buffer_append_text(page, name);
	for (size_t i = 0; i < label_count; i++) {
		buffer_printf(page, "%s%s=\"", i == 0 ? "{" : ",", labels[i].name);
		write_label_value(page, labels[i].value);
		buffer_append_text(page, "\"");
	}
	/* As many digits as are exact: a moment in milliseconds, a size of 900 TB. */
	buffer_printf(page, "%s %.15g\n", label_count > 0 ? "}" : "", value);
}

void metrics_write_single(struct buffer *page, const char *name, enum metrics_type type,
			  const char *help, double value)
{
	metrics_write_head(page, name, type, help);
	metrics_write_sample(page, name, NULL, 0, value);
}
