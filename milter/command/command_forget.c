/* command_forget: --forget takes a person out of the ledger. */
#include "address.h"
#include "audit.h"
#include "command.h"
#include "invocation.h"
#include "output.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int command_forget(const struct invocation *invocation)
{
	const char *address = invocation->argument;
	struct ledger_forgotten forgotten, hashed = {0};
	char hash[REDACTED_MAXIMUM];
	struct ledger_store *store;
	struct problem why;
	int exit_code;
	bool good;

	if (!address_is_valid((struct span){address, strlen(address)}))
		return output_complain(EX_USAGE, "--forget takes an address, user@domain");
	store = audit_open(invocation->config, LEDGER_STORE_EXISTING, &exit_code);
	if (!store)
		return exit_code;
	good = audit_hash(invocation->config, address, hash, &why) &&
	       ledger_store_forget(store, address, &forgotten, &why) &&
	       (!hash[0] || ledger_store_forget(store, hash, &hashed, &why));
	if (good)
		printf("removed: %lld records, %lld calendars, %lld calls\n",
		       forgotten.records + hashed.records, forgotten.calendars + hashed.calendars,
		       forgotten.calls + hashed.calls);
	return audit_finish(store, good, &why);
}
