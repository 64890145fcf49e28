/* command_log_of: --log-of shows what became of an invite or a message. */
#include "audit.h"
#include "command.h"
#include "escape.h"
#include "invocation.h"
#include "output.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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

	audit_write_local(out, record->time);
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
	audit_write_utc(out, record->time);
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
	listing->failed |= !audit_print(&listing->out);
	return !listing->failed;
}

int command_log_of(const struct invocation *invocation)
{
	const char *what = invocation->argument;
	const bool json = invocation->json;
	struct listing listing = {.json = json, .out = buffer_with_maximum(AUDIT_LINE_MAXIMUM)};
	int exit_code = EX_OK;
	struct ledger_store *store = audit_open(invocation->config, LEDGER_STORE_READ, &exit_code);
	struct problem why;
	char hash[REDACTED_MAXIMUM];
	bool good;

	if (!store)
		return exit_code;
	/* Ids are found all the same. */
	if (!audit_hash(invocation->config, what, hash, &why))
		fprintf(stderr, "cancel-invite-milter: %s\n", why.text);
	if (json)
		fputs("[\n", stdout);
	good = ledger_store_each_about(store, what, list, &listing, &why);
	if (good && hash[0])
		good = ledger_store_each_about(store, hash, list, &listing, &why);
	if (json)
		fputs(listing.count > 0 ? "\n]\n" : "]\n", stdout);
	else if (good && listing.count == 0)
		fprintf(stderr, "cancel-invite-milter: the ledger has nothing about \"%s\"\n",
			what);
	buffer_free(&listing.out);
	exit_code = audit_finish(store, good, &why);
	if (exit_code == EX_OK && listing.failed)
		return EX_IOERR;
	return exit_code == EX_OK && listing.count == 0 ? EX_NOINPUT : exit_code;
}
