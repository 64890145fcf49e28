/* policy: the trust and the accounts of the configuration. */
#include "policy.h"

#include "config.h"

#include <string.h>
#include <strings.h>

bool policy_address_matches(const char *pattern, const char *address)
{
	const char *domain;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (pattern[0] != '@')
		return strcasecmp(pattern, address) == 0;
	domain = strrchr(address, '@');
	return domain && strcasecmp(pattern, domain) == 0;
}

bool policy_is_trusted(const struct config *config, const struct sockaddr *address,
		       const char *login)
{
	if (login[0] && config->trust_authenticated)
		return true;
	return network_contains(&config->networks, address);
}

/* How closely a pattern that matches describes its sender. */
static int closeness(const char *pattern)
{
	return strcmp(pattern, "*") == 0 ? 1 : pattern[0] == '@' ? 2 : 3;
}

const struct account *policy_account(const struct config *config, const char *login,
				     const char *sender)
{
	const struct account *best = NULL;
	int closest = 0;

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		for (size_t j = 0; j < account->logins.count && login[0]; j++)
			if (strcmp(account->logins.items[j], login) == 0)
				return account;
		for (size_t j = 0; j < account->senders.count; j++) {
			const char *pattern = account->senders.items[j];

			if (closeness(pattern) > closest &&
			    policy_address_matches(pattern, sender)) {
				best = account;
				closest = closeness(pattern);
			}
		}
	}
	return best;
}

bool policy_is_archive(const struct config *config, const char *recipient)
{
	for (size_t i = 0; i < config->archives.count; i++)
		if (policy_address_matches(config->archives.items[i], recipient))
			return true;
	return false;
}
