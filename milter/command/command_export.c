/* command_export: --export prints the whole ledger as CSV (RFC 4180). */
#include "audit.h"
#include "command.h"
#include "escape.h"
#include "invocation.h"
#include "record.h"

#include <sysexits.h>

struct exporting {
	struct buffer out; /* one line */
	bool failed;       /* nobody takes it */
};

static void write_csv_head(struct buffer *out)
{
	buffer_append_text(out, "time");
	for (int i = 0; i < RECORD_TEXTS; i++)
		buffer_printf(out, ",%s", record_names[i]);
	buffer_append_text(out, ",status,ms\r\n");
}

static bool export_one(void *context, const struct record *record)
{
	struct exporting *exporting = context;
	struct buffer *out = &exporting->out;

	audit_write_utc(out, record->time);
	for (int i = 0; i < RECORD_TEXTS; i++) {
		buffer_append_text(out, ",");
		escape_csv(out, record_text(record, (enum record_text)i));
	}
	buffer_append_text(out, ",");
	if (record->status > 0)
		buffer_printf(out, "%lld", record->status);
	buffer_printf(out, ",%lld\r\n", record->ms);
	exporting->failed |= !audit_print(out);
	return !exporting->failed;
}

int command_export(const struct invocation *invocation)
{
	struct exporting exporting = {.out = buffer_with_maximum(AUDIT_LINE_MAXIMUM)};
	int exit_code = EX_OK;
	struct ledger_store *store = audit_open(invocation->config, LEDGER_STORE_READ, &exit_code);
	struct problem why;
	bool good;

	if (!store)
		return exit_code;
	write_csv_head(&exporting.out);
	audit_print(&exporting.out);
	good = ledger_store_each_since(store, audit_moment(invocation->since), export_one,
				       &exporting, &why);
	buffer_free(&exporting.out);
	exit_code = audit_finish(store, good, &why);
	return exit_code == EX_OK && exporting.failed ? EX_IOERR : exit_code;
}
