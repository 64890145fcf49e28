/* pace_metrics: the budgets' state as metrics. */
#include "pace.h"

#include "metrics.h"

#include <stdlib.h>

#define BUDGETS 1000 /* that are shown */

static void write_series(struct buffer *page, const struct pace_view *views, size_t count,
			 const char *name, const char *help,
			 double (*value)(const struct pace_view *))
{
	metrics_write_head(page, name, METRICS_GAUGE, help);
	for (size_t i = 0; i < count; i++) {
		const struct metrics_label account = {"account", views[i].names};

		metrics_write_sample(page, name, &account, 1, value(&views[i]));
	}
}

static double waiting(const struct pace_view *view)
{
	return (double)view->waiting;
}

static double per_second(const struct pace_view *view)
{
	return (double)view->per_second;
}

static double per_minute(const struct pace_view *view)
{
	return (double)view->per_minute;
}

static double slowed(const struct pace_view *view)
{
	return view->slowed;
}

void pace_write_metrics(void *pace, struct buffer *page)
{
	struct pace_view *views = calloc(BUDGETS, sizeof(*views));
	size_t count;

	if (!views)
		return;
	count = pace_snapshot(pace, views, BUDGETS);
	if (count > BUDGETS)
		count = BUDGETS;
	write_series(page, views, count, "cancel_invite_turn_waiting",
		     "Messages that wait for their turn to call Cronofy.", waiting);
	write_series(page, views, count, "cancel_invite_pace_rate",
		     "Requests a second that may be made now.", per_second);
	write_series(page, views, count, "cancel_invite_pace_minute_rate",
		     "Requests a minute that may be made now.", per_minute);
	write_series(page, views, count, "cancel_invite_pace_slowed",
		     "1 while a 429 slows the calls down.", slowed);
	free(views);
}
