#include "audit.h"

#include "record.h"
#include "escape.h"
#include "clock.h"
#include "ledger_store.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAXIMUM ((size_t)64 * 1024) /* bytes, of one record as it is printed */

static int complain(int exit_code, const char *text)
{
	fprintf(stderr, "cancel-invite-milter: %s\n", text);
	return exit_code;
}

/* ---- opening and ending ---- */

/* If that is not allowed, we go on as who we are. */
static void become_owner(const struct stat *status)
{
	if (geteuid() == 0 && status->st_uid != 0 && setgroups(0, NULL) == 0 &&
	    setgid(status->st_gid) == 0)
		(void)!setuid(status->st_uid);
}

/* NULL, a complaint, and the exit code, if it cannot be opened. */
static struct ledger_store *open_ledger(const struct config *config, int *exit_code)
{
	struct ledger_store *store;
	struct problem why;
	struct stat status;

	if (!config->ledger_file) {
		*exit_code = complain(EX_CONFIG, "no ledger is kept: [ledger] file = none");
		return NULL;
	}
	if (stat(config->ledger_file, &status) < 0) {
		*exit_code = errno == EACCES ? EX_NOPERM : EX_NOINPUT;
		fprintf(stderr, "cancel-invite-milter: there is no ledger: %s: %s\n",
			config->ledger_file, strerror(errno));
		return NULL;
	}
	become_owner(&status);
	if (access(config->ledger_file, R_OK) < 0) {
		*exit_code = EX_NOPERM;
		fprintf(stderr, "cancel-invite-milter: %s: %s; be root, or the filter's user\n",
			config->ledger_file, strerror(errno));
		return NULL;
	}
	store = ledger_store_open(config->ledger_file, LEDGER_STORE_READ, &why);
	if (!store)
		*exit_code = complain(EX_UNAVAILABLE, why.text);
	return store;
}

/* What was printed is only printed when it is flushed without an error. */
static int finish(struct ledger_store *store, bool good, const struct problem *why)
{
	ledger_store_close(store);
	if (!good)
		return complain(EX_UNAVAILABLE, why->text);
	return fflush(stdout) == 0 && !ferror(stdout)
		       ? EX_OK
		       : complain(EX_IOERR, "cannot write the result");
}

/* Prints what was written into the buffer and empties it; false if nobody takes it. */
static bool print(struct buffer *out)
{
	const bool good = !out->failed && (out->length == 0 || fwrite(out->data, 1, out->length,
								      stdout) == out->length);

	buffer_clear(out);
	return good;
}

/* ---- times ---- */

/* The moment `since` ms ago; the beginning of time if it is -1. */
static long long moment(long long since)
{
	return since < 0 ? 0 : clock_utc_now() - since;
}

/* RFC 3339, in UTC. */
static void write_utc(struct buffer *out, long long time)
{
	const time_t seconds = (time_t)(time / 1000);
	char text[64] = "";
	struct tm parts;

	if (gmtime_r(&seconds, &parts))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	buffer_printf(out, "%s.%03lldZ", text, time % 1000);
}

/* As people here say it, with the zone. */
static void write_local(struct buffer *out, long long time)
{
	const time_t seconds = (time_t)(time / 1000);
	char text[64] = "", zone[16] = "";
	struct tm parts;

	if (localtime_r(&seconds, &parts)) {
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
		strftime(zone, sizeof(zone), "%z", &parts);
	}
	buffer_printf(out, "%s.%03lld %s", text, time % 1000, zone);
}

/* ---- --log-of ---- */

struct listing {
	bool json;
	size_t count;
	struct buffer out;
	bool failed;
};

/* Made printable, and never cut. */
static void write_shown(struct buffer *out, const char *text)
{
	const size_t length = strlen(text), size = 4 * length + 1;
	char *shown = malloc(size);

	if (!shown) {
		out->failed = true;
		return;
	}
	buffer_append_text(out, problem_quote(shown, size, text, length));
	free(shown);
}

static void write_line(struct buffer *out, const char *name, const char *value)
{
	buffer_printf(out, "    %-18s ", name);
	write_shown(out, value);
	buffer_append_text(out, "\n");
}

static void write_plain(struct buffer *out, const struct record *record)
{
	char number[32];

	write_local(out, record->time);
	buffer_append_text(out, "  ");
	write_shown(out, record_text(record, RECORD_RESULT));
	buffer_append_text(out, "\n");
	for (int i = RECORD_RESULT + 1; i < RECORD_TEXTS; i++)
		if (record_text(record, (enum record_text)i)[0])
			write_line(out, record_names[i], record_text(record, (enum record_text)i));
	snprintf(number, sizeof(number), "%lld", record->status);
	if (record->status > 0)
		write_line(out, "status", number);
	snprintf(number, sizeof(number), "%lld", record->ms);
	write_line(out, "ms", number);
}

static void write_json(struct buffer *out, const struct record *record)
{
	buffer_append_text(out, "{\"time\":\"");
	write_utc(out, record->time);
	buffer_append_text(out, "\"");
	for (int i = 0; i < RECORD_TEXTS; i++) {
		const char *text = record_text(record, (enum record_text)i);

		buffer_printf(out, ",\"%s\":", record_names[i]);
		if (text[0])
			escape_json(out, text);
		else
			buffer_append_text(out, "null");
	}
	if (record->status > 0)
		buffer_printf(out, ",\"status\":%lld", record->status);
	else
		buffer_append_text(out, ",\"status\":null");
	buffer_printf(out, ",\"ms\":%lld}", record->ms);
}

static bool list(void *context, const struct record *record)
{
	struct listing *listing = context;

	if (listing->count++ > 0)
		buffer_append_text(&listing->out, listing->json ? ",\n" : "\n");
	if (listing->json)
		write_json(&listing->out, record);
	else
		write_plain(&listing->out, record);
	listing->failed |= !print(&listing->out);
	return !listing->failed;
}

int audit_log_of(const struct config *config, const char *what, bool json)
{
	struct listing listing = {.json = json, .out = buffer_with_maximum(LINE_MAXIMUM)};
	int exit_code = EX_OK;
	struct ledger_store *store = open_ledger(config, &exit_code);
	struct problem why;
	bool good;

	if (!store)
		return exit_code;
	if (json)
		fputs("[\n", stdout);
	good = ledger_store_each_about(store, what, list, &listing, &why);
	if (json)
		fputs(listing.count > 0 ? "\n]\n" : "]\n", stdout);
	else if (good && listing.count == 0)
		fprintf(stderr, "cancel-invite-milter: the ledger has nothing about \"%s\"\n",
			what);
	buffer_free(&listing.out);
	exit_code = finish(store, good, &why);
	return exit_code == EX_OK && listing.failed ? EX_IOERR : exit_code;
}

/* ---- --export ---- */

static void write_csv_head(struct buffer *out)
{
	buffer_append_text(out, "time");
	for (int i = 0; i < RECORD_TEXTS; i++)
		buffer_printf(out, ",%s", record_names[i]);
	buffer_append_text(out, ",status,ms\r\n");
}

static bool export_one(void *context, const struct record *record)
{
	struct listing *listing = context;
	struct buffer *out = &listing->out;

	write_utc(out, record->time);
	for (int i = 0; i < RECORD_TEXTS; i++) {
		buffer_append_text(out, ",");
		escape_csv(out, record_text(record, (enum record_text)i));
	}
	buffer_append_text(out, ",");
	if (record->status > 0)
		buffer_printf(out, "%lld", record->status);
	buffer_printf(out, ",%lld\r\n", record->ms);
	listing->failed |= !print(out);
	return !listing->failed;
}

int audit_export(const struct config *config, long long since)
{
	struct listing listing = {.out = buffer_with_maximum(LINE_MAXIMUM)};
	int exit_code = EX_OK;
	struct ledger_store *store = open_ledger(config, &exit_code);
	struct problem why;
	bool good;

	if (!store)
		return exit_code;
	write_csv_head(&listing.out);
	print(&listing.out);
	good = ledger_store_each_since(store, moment(since), export_one, &listing, &why);
	buffer_free(&listing.out);
	exit_code = finish(store, good, &why);
	return exit_code == EX_OK && listing.failed ? EX_IOERR : exit_code;
}

/* ---- --report ---- */

struct report {
	bool json;
	struct buffer out;
	char *account;         /* of the rows at hand; NULL before the first */
	long long count, kept; /* of this account */
	long long all, all_kept;
};

static const char *or_none(const char *text)
{
	return text[0] ? text : "-";
}

static void report_line(struct report *report, const char *account, const char *result,
			long long count, long long kept)
{
	buffer_printf(&report->out, "%-24s %-22s %10lld %10lld\n", account, result, count, kept);
}

static void end_account(struct report *report)
{
	if (report->account && report->json)
		buffer_printf(&report->out, "},\"total\":%lld,\"kept\":%lld}", report->count,
			      report->kept);
	else if (report->account)
		report_line(report, "", "total", report->count, report->kept);
	free(report->account);
	report->account = NULL;
	report->count = report->kept = 0;
}

static void begin_account(struct report *report, const char *account)
{
	const bool first = report->all == 0;

	end_account(report);
	report->account = strdup(account);
	if (!report->account)
		report->out.failed = true;
	if (!report->json)
		return;
	buffer_append_text(&report->out, first ? "\n{\"account\":" : ",\n{\"account\":");
	if (account[0])
		escape_json(&report->out, account);
	else
		buffer_append_text(&report->out, "null");
	buffer_append_text(&report->out, ",\"results\":{");
}

static void take_count(void *context, const char *account, const char *result, long long count,
		       long long kept)
{
	struct report *report = context;
	const bool same = report->account && strcmp(report->account, account) == 0;

	if (!same)
		begin_account(report, account);
	if (report->json) {
		buffer_append_text(&report->out, same ? "," : "");
		escape_json(&report->out, result);
		buffer_printf(&report->out, ":%lld", count);
	} else {
		report_line(report, same ? "" : or_none(account), result, count, kept);
	}
	report->count += count;
	report->kept += kept;
	report->all += count;
	report->all_kept += kept;
}

static void write_report_head(struct report *report, long long from)
{
	struct buffer *out = &report->out;

	if (report->json) {
		buffer_append_text(out, "{\"since\":");
		if (from > 0) {
			buffer_append_text(out, "\"");
			write_utc(out, from);
			buffer_append_text(out, "\"");
		} else {
			buffer_append_text(out, "null");
		}
		buffer_append_text(out, ",\"accounts\":[");
		return;
	}
	if (from > 0) {
		buffer_append_text(out, "since ");
		write_local(out, from);
		buffer_append_text(out, "\n");
	}
	buffer_printf(out, "%-24s %-22s %10s %10s\n", "account", "result", "messages", "kept");
}

int audit_report(const struct config *config, long long since, bool json)
{
	struct report report = {.json = json, .out = buffer_with_maximum((size_t)16 * 1024 * 1024)};
	const long long from = moment(since);
	int exit_code = EX_OK;
	struct ledger_store *store = open_ledger(config, &exit_code);
	struct problem why;
	bool good;

	if (!store)
		return exit_code;
	write_report_head(&report, from);
	good = ledger_store_count(store, from, take_count, &report, &why);
	end_account(&report);
	if (json)
		buffer_printf(&report.out, "],\"total\":%lld,\"kept\":%lld}\n", report.all,
			      report.all_kept);
	else
		report_line(&report, "all", "total", report.all, report.all_kept);
	if (good && report.out.failed) {
		problem_set(&why, "no memory for the report");
		good = false;
	}
	if (good)
		print(&report.out);
	buffer_free(&report.out);
	return finish(store, good, &why);
}
