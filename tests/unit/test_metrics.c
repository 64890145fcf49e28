/* What is counted, and the page's text. */
#include "metrics.h"

#include "testing.h"

#include <pthread.h>

enum { CANCELLED, REFUSED, BAD_TAG, RESULTS };

static const char *word_of(size_t result)
{
	static const char *const words[RESULTS] = {"cancelled", "refused", "bad_tag"};

	return words[result];
}

static struct metrics *metrics;

static int make(void **state)
{
	(void)state;
	metrics = metrics_new("1.2.3", word_of, RESULTS);
	return metrics ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	metrics_free(metrics);
	return 0;
}

/* The page as it is now; the caller frees it. */
static char *page_text(void)
{
	struct buffer page = buffer_with_maximum(METRICS_PAGE_MAXIMUM);

	metrics_write_page(metrics, &page);
	assert_false(page.failed);
	return page.data;
}

/* The value of the sample with this name and labels; -1 if there is none, or more than one. */
static double value_of(const char *sample)
{
	char *page = page_text(), *rest = page;
	const size_t length = strlen(sample);
	double value = -1;
	int found = 0;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (strncmp(line, sample, length) == 0 && line[length] == ' ') {
			value = strtod(line + length + 1, NULL);
			found++;
		}
	free(page);
	return found == 1 ? value : -1;
}

#define assert_value(sample, value) assert_float_equal(value_of(sample), value, 1e-9)

static void counts_messages_by_account_and_result(void **state)
{
	(void)state;
	metrics_count_message(metrics, "acme", CANCELLED, 5);
	metrics_count_message(metrics, "acme", CANCELLED, 5);
	metrics_count_message(metrics, "acme", REFUSED, 5);
	metrics_count_message(metrics, "other", CANCELLED, 5);
	metrics_count_message(metrics, NULL, BAD_TAG, 5);
	assert_value("cancel_invite_messages_total{account=\"acme\",result=\"cancelled\"}", 2);
	assert_value("cancel_invite_messages_total{account=\"acme\",result=\"refused\"}", 1);
	assert_value("cancel_invite_messages_total{account=\"other\",result=\"cancelled\"}", 1);
	assert_value("cancel_invite_messages_total{account=\"-\",result=\"bad_tag\"}", 1);
	assert_value("cancel_invite_message_duration_seconds_count", 5);
}

static void counts_calls_by_account_and_status(void **state)
{
	(void)state;
	metrics_count_call(metrics, "acme", 200, 1, 5);
	metrics_count_call(metrics, "acme", 200, 0, 5);
	metrics_count_call(metrics, "acme", 0, 2, 5);
	assert_value("cancel_invite_calls_total{account=\"acme\",status=\"200\"}", 2);
	assert_value("cancel_invite_calls_total{account=\"acme\",status=\"none\"}", 1);
	assert_value("cancel_invite_connections_opened_total", 3);
}

static void an_accounts_counters_begin_with_zero(void **state)
{
	(void)state;
	metrics_add_account(metrics, "acme");
	assert_value("cancel_invite_messages_total{account=\"acme\",result=\"cancelled\"}", 0);
	assert_value("cancel_invite_messages_total{account=\"acme\",result=\"bad_tag\"}", 0);
	assert_value("cancel_invite_messages_total{account=\"-\",result=\"bad_tag\"}", 0);
	assert_value("cancel_invite_calls_total{account=\"acme\",status=\"401\"}", 0);
	metrics_count_call(metrics, "acme", 401, 0, 1);
	metrics_add_account(metrics, "acme"); /* a reload */
	assert_value("cancel_invite_calls_total{account=\"acme\",status=\"401\"}", 1);
}

static void counts_untagged_messages(void **state)
{
	(void)state;
	assert_value("cancel_invite_untagged_messages_total", 0);
	metrics_count_untagged(metrics);
	metrics_count_untagged(metrics);
	assert_value("cancel_invite_untagged_messages_total", 2);
}

static void counts_reloads_and_remembers_the_last(void **state)
{
	(void)state;
	assert_value("cancel_invite_config_last_reload_successful", 1);
	metrics_count_reload(metrics, false);
	assert_value("cancel_invite_config_last_reload_successful", 0);
	metrics_count_reload(metrics, true);
	metrics_set_config_loaded(metrics, 1764000000);
	assert_value("cancel_invite_config_last_reload_successful", 1);
	assert_value("cancel_invite_config_reloads_total{result=\"ok\"}", 1);
	assert_value("cancel_invite_config_reloads_total{result=\"faulty\"}", 1);
	assert_value("cancel_invite_config_loaded_timestamp_seconds", 1764000000);
}

static void tells_the_version(void **state)
{
	(void)state;
	assert_value("cancel_invite_build_info{version=\"1.2.3\"}", 1);
}

static void a_bound_belongs_to_its_bucket(void **state)
{
	(void)state;
	metrics_count_call(metrics, "a", 200, 0, 10);
	metrics_count_call(metrics, "a", 200, 0, 11);
	metrics_count_call(metrics, "a", 200, 0, 60000);
	metrics_count_call(metrics, "a", 200, 0, 60001);
	metrics_count_call(metrics, "a", 200, 0, -5); /* no clock is that good */
	assert_value("cancel_invite_call_duration_seconds_bucket{le=\"0.01\"}", 2);
	assert_value("cancel_invite_call_duration_seconds_bucket{le=\"0.025\"}", 3);
	assert_value("cancel_invite_call_duration_seconds_bucket{le=\"30\"}", 3);
	assert_value("cancel_invite_call_duration_seconds_bucket{le=\"60\"}", 4);
	assert_value("cancel_invite_call_duration_seconds_bucket{le=\"+Inf\"}", 5);
	assert_value("cancel_invite_call_duration_seconds_count", 5);
	assert_value("cancel_invite_call_duration_seconds_sum", 120.022);
}

static void every_series_has_a_head_and_stands_once(void **state)
{
	char *page, *rest, name[256] = "";

	(void)state;
	metrics_add_account(metrics, "acme");
	metrics_add_account(metrics, "other");
	page = rest = page_text();
	assert_int_equal(page[strlen(page) - 1], '\n');
	for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0];) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_equal(sscanf(line, "# HELP %255s", name), 1);
			continue;
		}
		if (line[0] != '#')
			assert_memory_equal(line, name, strlen(name));
		/* The same series a second time? `rest` has no NUL in it yet. */
		if (line[0] != '#' && rest) {
			line[strcspn(line, " ") + 1] = '\0';
			assert_null(strstr(rest, line));
		}
	}
	free(page);
}

static void writes_any_label_value_so_that_it_can_be_read(void **state)
{
	static const struct {
		const char *value, *shown;
	} values[] = {
		{"plain", "x{l=\"plain\"} 1\n"},
		{"say \"hi\" \\", "x{l=\"say \\\"hi\\\" \\\\\"} 1\n"},
		{"two\nlines", "x{l=\"two\\nlines\"} 1\n"},
		{"j\xc3\xb6rg", "x{l=\"j\xc3\xb6rg\"} 1\n"},
		{"\xff", "x{l=\"\xef\xbf\xbd\"} 1\n"},
		{"", "x{l=\"\"} 1\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct metrics_label label = {"l", values[i].value};
		struct buffer page = buffer_with_maximum(1000);

		metrics_write_sample(&page, "x", &label, 1, 1);
		assert_string_equal(page.data, values[i].shown);
		buffer_free(&page);
	}
}

static void writes_values_exactly(void **state)
{
	static const struct {
		double value;
		const char *shown;
	} values[] = {
		{0, "x 0\n"}, {0.001, "x 0.001\n"}, {1764000000.123, "x 1764000000.123\n"},
		{123456789012345, "x 123456789012345\n"}, {-1, "x -1\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct buffer page = buffer_with_maximum(1000);

		metrics_write_sample(&page, "x", NULL, 0, values[i].value);
		assert_string_equal(page.data, values[i].shown);
		buffer_free(&page);
	}
}

/* The first is that of messages without an account. */
static void too_many_accounts_count_as_other(void **state)
{
	char account[32], last[128];

	(void)state;
	for (int i = 1; i < METRICS_ACCOUNTS_MAXIMUM + 5; i++) {
		snprintf(account, sizeof(account), "account-%d", i);
		metrics_count_message(metrics, account, CANCELLED, 1);
	}
	snprintf(last, sizeof(last),
		 "cancel_invite_messages_total{account=\"account-%d\",result=\"cancelled\"}",
		 METRICS_ACCOUNTS_MAXIMUM - 1);
	assert_value(last, 1);
	assert_value("cancel_invite_messages_total{account=\"other\",result=\"cancelled\"}", 5);
}

static void too_many_calls_series_count_as_other(void **state)
{
	char account[32];

	(void)state;
	for (int i = 0; i < METRICS_SERIES_MAXIMUM + 5; i++) {
		snprintf(account, sizeof(account), "account-%d", i);
		metrics_count_call(metrics, account, 200, 0, 1);
	}
	assert_value("cancel_invite_calls_total{account=\"account-9999\",status=\"200\"}", 1);
	assert_value("cancel_invite_calls_total{account=\"account-10000\",status=\"200\"}", -1);
	assert_value("cancel_invite_calls_total{account=\"other\",status=\"other\"}", 5);
}

/* A queue, as another room may have one. */
static void write_queue(void *context, struct buffer *page)
{
	const struct metrics_label labels[] = {{"account", "acme"}, {"kind", "slow"}};

	metrics_write_head(page, "cancel_invite_queue", METRICS_GAUGE, "How long the queue is.");
	metrics_write_sample(page, "cancel_invite_queue", labels, 2, *(int *)context);
}

static void sources_are_asked_for_each_page(void **state)
{
	int length = 3;

	(void)state;
	assert_true(metrics_add_source(metrics, write_queue, &length));
	assert_value("cancel_invite_queue{account=\"acme\",kind=\"slow\"}", 3);
	length = 4;
	assert_value("cancel_invite_queue{account=\"acme\",kind=\"slow\"}", 4);
}

static void there_is_room_for_so_many_sources(void **state)
{
	int length = 0;

	(void)state;
	for (int i = 0; i < METRICS_SOURCES; i++)
		assert_true(metrics_add_source(metrics, write_queue, &length));
	assert_false(metrics_add_source(metrics, write_queue, &length));
}

static void nobody_needs_metrics(void **state)
{
	(void)state;
	metrics_add_account(NULL, "acme");
	metrics_count_untagged(NULL);
	metrics_count_message(NULL, NULL, CANCELLED, 1);
	metrics_count_call(NULL, "acme", 200, 1, 1);
	metrics_count_reload(NULL, true);
	metrics_set_config_loaded(NULL, 1);
	metrics_free(NULL);
}

#define THREADS 4
#define EACH    2000

static void *count_many(void *context)
{
	char account[16];

	snprintf(account, sizeof(account), "account-%d", *(int *)context);
	for (int i = 0; i < EACH; i++) {
		metrics_count_untagged(metrics);
		metrics_count_message(metrics, account, CANCELLED, i);
		metrics_count_call(metrics, i % 2 ? "all" : account, 200, 1, i);
		if (i % 500 == 0)
			metrics_add_account(metrics, account);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	pthread_t threads[THREADS];
	int numbers[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, count_many, &numbers[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		free(page_text());
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_value("cancel_invite_untagged_messages_total", THREADS * EACH);
	assert_value("cancel_invite_messages_total{account=\"account-3\",result=\"cancelled\"}", EACH);
	assert_value("cancel_invite_calls_total{account=\"all\",status=\"200\"}", THREADS * EACH / 2);
	assert_value("cancel_invite_call_duration_seconds_count", THREADS * EACH);
	assert_value("cancel_invite_connections_opened_total", THREADS * EACH);
}

#define test(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(counts_messages_by_account_and_result),
		test(counts_calls_by_account_and_status),
		test(an_accounts_counters_begin_with_zero),
		test(counts_untagged_messages),
		test(counts_reloads_and_remembers_the_last),
		test(tells_the_version),
		test(a_bound_belongs_to_its_bucket),
		test(every_series_has_a_head_and_stands_once),
		test(writes_any_label_value_so_that_it_can_be_read),
		test(writes_values_exactly),
		test(too_many_accounts_count_as_other),
		test(too_many_calls_series_count_as_other),
		test(sources_are_asked_for_each_page),
		test(there_is_room_for_so_many_sources),
		test(nobody_needs_metrics),
		test(nothing_is_lost_between_threads),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
