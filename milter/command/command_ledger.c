/* command_ledger: the filter's ledger, for commands that use it beside the filter. */
#include "command_ledger.h"

#include <unistd.h>

struct ledger *command_ledger_open(const struct config *config)
{
	const struct ledger_options options = {
		.path = config->ledger_file,
		.mode = LEDGER_STORE_EXISTING,
		.keep = config->ledger_keep,
		.retry = LEDGER_RETRY,
		.address_key = config->ledger_addresses == REDACT_HASH ? config->address_key : NULL,
	};
	struct problem why;

	if (!config->ledger_file || access(config->ledger_file, F_OK) < 0)
		return NULL;
	return ledger_start(&options, &why);
}
