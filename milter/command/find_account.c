/* find_account: the account that a command is for. */
#include "find_account.h"

#include <stdio.h>
#include <string.h>

static void complain_about_account(const struct config *config, const char *name)
{
	if (name)
		fprintf(stderr,
			"cancel-invite-milter: there is no account \"%s\"; there are:", name);
	else
		fprintf(stderr, "cancel-invite-milter: name an account with --account; there are:");
	for (size_t i = 0; i < config->account_count; i++)
		fprintf(stderr, " %s", config->accounts[i].name);
	fputs("\n", stderr);
}

const struct account *find_account(const struct config *config, const char *name)
{
	if (!name && config->account_count == 1)
		return &config->accounts[0];
	for (size_t i = 0; i < config->account_count && name; i++)
		if (strcmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	complain_about_account(config, name);
	return NULL;
}
