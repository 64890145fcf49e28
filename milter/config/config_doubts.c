/* config_doubts: values that are allowed, and most likely a mistake. */
#include "config_doubts.h"

#include "config_fault.h"

#define MAPPED_BITS 96 /* of ::ffff:0:0/96: all of IPv4 */

/* 0.0.0.0/0 or ::/0 */
static void doubt_networks(const struct config *config, struct buffer *warnings)
{
	char shown[NETWORK_SHOWN];

	for (size_t i = 0; i < config->networks.count; i++)
		if (config->networks.items[i].prefix <= MAPPED_BITS)
			config_fault(
				config, warnings, &config->networks,
				"%s is the whole Internet: everybody who can send mail here can "
				"cancel invites",
				network_show(&config->networks.items[i], shown));
}

static bool is_told(const struct config *config, size_t account)
{
	const size_t line = config_line_of(config, &config->accounts[account].timeout);

	for (size_t i = 0; i < account; i++)
		if (config_line_of(config, &config->accounts[i].timeout) == line &&
		    config->accounts[i].deadline == config->accounts[account].deadline)
			return true;
	return false;
}

/* Accounts that inherit both are told of once. */
static void doubt_timeouts(const struct config *config, struct buffer *warnings)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->timeout > account->deadline && !is_told(config, i))
			config_fault(
				config, warnings, &account->timeout,
				"%lld ms, of one call, is longer than the deadline (%lld ms) of all "
				"tries: there is never a second one",
				account->timeout, account->deadline);
	}
}

void config_doubts(const struct config *config, struct buffer *warnings)
{
	doubt_networks(config, warnings);
	doubt_timeouts(config, warnings);
}
