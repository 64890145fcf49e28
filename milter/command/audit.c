/* audit: what the commands share that show what is in the ledger. */
#include "audit.h"

#include "clock.h"
#include "key_file.h"
#include "output.h"
#include "record.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* If that is not allowed, we continue as the present user. */
static void become_owner(const struct stat *status)
{
	if (geteuid() == 0 && status->st_uid != 0 && setgroups(0, NULL) == 0 &&
	    setgid(status->st_gid) == 0)
		(void)!setuid(status->st_uid);
}

struct ledger_store *audit_open(const struct config *config, enum ledger_store_mode mode,
				int *exit_code)
{
	struct ledger_store *store;
	struct problem why;
	struct stat status;

	if (!config->ledger_file) {
		*exit_code = output_complain(EX_CONFIG, "no ledger is kept: [ledger] file = none");
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
	store = ledger_store_open(config->ledger_file, mode, &why);
	if (!store)
		*exit_code = output_complain(EX_UNAVAILABLE, why.text);
	return store;
}

bool audit_hash(const struct config *config, const char *address, char out[REDACTED_MAXIMUM],
		struct problem *why)
{
	struct redact redact = {REDACT_HASH, NULL};
	struct problem reason;
	char *key;

	out[0] = '\0';
	if (config->ledger_addresses != REDACT_HASH)
		return true;
	key = key_file_read(config->address_key_file, &reason);
	if (!key) {
		problem_set(why, "the ledger keeps hashes of addresses, and their key: %s",
			    reason.text);
		return false;
	}
	redact.key = key;
	redact_address(&redact, address, out);
	key_free(key);
	return true;
}

int audit_finish(struct ledger_store *store, bool good, const struct problem *why)
{
	ledger_store_close(store);
	if (!good)
		return output_complain(EX_UNAVAILABLE, why->text);
	return output_finish();
}

bool audit_print(struct buffer *out)
{
	const bool good = !out->failed && (out->length == 0 || fwrite(out->data, 1, out->length,
								      stdout) == out->length);

	buffer_clear(out);
	return good;
}

long long audit_moment(long long since)
{
	return since < 0 ? 0 : clock_utc_now() - since;
}

void audit_write_utc(struct buffer *out, long long time)
{
	char text[CLOCK_UTC_SHOWN];

	buffer_append_text(out, clock_show_utc(time, text));
}

void audit_write_local(struct buffer *out, long long time)
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
