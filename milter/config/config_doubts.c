/* config_doubts: values that are allowed, and most likely a mistake. */
#include "config_doubts.h"

#include "config_fault.h"

#include <string.h>
#include <strings.h>

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

/* Accounts that inherit both are reported once. */
static void doubt_timeouts(const struct config *config, struct buffer *warnings)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->timeout > account->deadline && !is_told(config, i))
			config_fault(
				config, warnings, &account->timeout,
				"%lld ms for one call is longer than the deadline (%lld ms) for "
				"all tries: there is never a second try",
				account->timeout, account->deadline);
	}
}

/* Is one of them, behind the @, the other or a name below it? */
static bool are_related(const char *domain, const char *other)
{
	const size_t length = strlen(domain), other_length = strlen(other);

	if (length < other_length)
		return are_related(other, domain);
	return strcasecmp(domain + length - other_length, other) == 0 &&
	       (length == other_length || domain[length - other_length - 1] == '.');
}

/*
 * Can mail of this account have that address in From? The configuration knows envelope senders: these
 * are often others, for bounces, but of the same organization. A login may send as anybody.
 */
static bool may_send_as(const struct account *account, const char *address)
{
	const char *domain = strrchr(address, '@') + 1;

	for (size_t i = 0; i < account->senders.count; i++) {
		const char *at = strrchr(account->senders.items[i], '@');

		if (!at || are_related(domain, at + 1))
			return true;
	}
	return account->logins.count > 0;
}

static void doubt_organizers(const struct config *config, struct buffer *warnings)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->organizer[0] && !may_send_as(account, account->organizer))
			config_fault(
				config, warnings, &account->organizer,
				"no sender of account %s has the domain of %s: if From is not this "
				"address, mail programs may not act on the cancellation; see "
				"cancel-invite-milter.conf(5)",
				account->name, account->organizer);
	}
}

void config_doubts(const struct config *config, struct buffer *warnings)
{
	doubt_networks(config, warnings);
	doubt_timeouts(config, warnings);
	doubt_organizers(config, warnings);
}
