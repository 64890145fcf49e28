/* command_report: --report counts what became of messages, by account and result. */
#include "audit.h"
#include "command.h"
#include "escape.h"
#include "invocation.h"
#include "outcome.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct report {
	bool json;
	struct buffer out;
	bool begun; /* there was an account */
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
	const bool first = !report->begun;

	report->begun = true;
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
	report->kept += kept;
	report->all_kept += kept;
	/* Each of these comes back from the queue, and counts then: once for each recipient. */
	if (strcmp(result, outcome_word(OUTCOME_QUEUED)) == 0)
		return;
	report->count += count;
	report->all += count;
}

static void write_report_head(struct report *report, long long from)
{
	struct buffer *out = &report->out;

	if (report->json) {
		buffer_append_text(out, "{\"since\":");
		if (from > 0) {
			buffer_append_text(out, "\"");
			audit_write_utc(out, from);
			buffer_append_text(out, "\"");
		} else {
			buffer_append_text(out, "null");
		}
		buffer_append_text(out, ",\"accounts\":[");
		return;
	}
	if (from > 0) {
		buffer_append_text(out, "since ");
		audit_write_local(out, from);
		buffer_append_text(out, "\n");
	}
	buffer_printf(out, "%-24s %-22s %10s %10s\n", "account", "result", "messages", "kept");
}

int command_report(const struct invocation *invocation)
{
	const bool json = invocation->json;
	struct report report = {.json = json, .out = buffer_with_maximum((size_t)16 * 1024 * 1024)};
	const long long from = audit_moment(invocation->since);
	int exit_code = EX_OK;
	struct ledger_store *store = audit_open(invocation->config, LEDGER_STORE_READ, &exit_code);
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
		audit_print(&report.out);
	buffer_free(&report.out);
	return audit_finish(store, good, &why);
}
