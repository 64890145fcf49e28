#include "policy.h"

#include "config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAPPED_BITS 96 /* the length of ::ffff:0:0/96 */

static void map_ipv4(struct in6_addr *to, const struct in_addr *from)
{
	*to = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	memcpy(&to->s6_addr[12], from, sizeof(*from));
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a->s6_addr, b->s6_addr, whole) != 0)
		return false;
	return rest == 0 || (a->s6_addr[whole] ^ b->s6_addr[whole]) >> (8 - rest) == 0;
}

static bool parse_bits(const char *text, unsigned int most, unsigned int *bits)
{
	char *end;
	unsigned long value;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 3)
		return false;
	value = strtoul(text, &end, 10);
	*bits = (unsigned int)value;
	return *end == '\0' && value <= most;
}

bool network_parse(struct network *network, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	const size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct in_addr v4;
	unsigned int bits;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, &v4) == 1) {
		bits = 32;
		if (slash && !parse_bits(slash + 1, 32, &bits))
			return false;
		map_ipv4(&network->address, &v4);
		network->prefix = MAPPED_BITS + bits;
	} else if (inet_pton(AF_INET6, address, &network->address) == 1) {
		network->prefix = 128;
		if (slash && !parse_bits(slash + 1, 128, &network->prefix))
			return false;
	} else {
		return false;
	}
	for (bits = network->prefix; bits < 128; bits++)
		if (network->address.s6_addr[bits / 8] & (0x80 >> bits % 8))
			return false;
	return true;
}

bool network_contains(const struct network *networks, size_t count, const struct sockaddr *address)
{
	struct in6_addr client;

	if (!address)
		return false;
	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, address, sizeof(v4));
		map_ipv4(&client, &v4.sin_addr);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, address, sizeof(v6));
		client = v6.sin6_addr;
	} else {
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (same_prefix(&networks[i].address, &client, networks[i].prefix))
			return true;
	return false;
}

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
	return network_contains(config->networks, config->network_count, address);
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
