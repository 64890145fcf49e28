/* network: blocks of IP addresses, read, shown and compared. */
#include "network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

const char *network_show(const struct network *network, char out[NETWORK_SHOWN])
{
	static const struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	const bool is_ipv4 = network->prefix >= MAPPED_BITS &&
			     same_prefix(&network->address, &mapped, MAPPED_BITS);
	const unsigned int first = is_ipv4 ? MAPPED_BITS : 0;
	char address[INET6_ADDRSTRLEN] = "";

	if (is_ipv4)
		inet_ntop(AF_INET, &network->address.s6_addr[12], address, sizeof(address));
	else
		inet_ntop(AF_INET6, &network->address, address, sizeof(address));
	snprintf(out, NETWORK_SHOWN, network->prefix < 128 ? "%s/%u" : "%s", address,
		 network->prefix - first);
	return out;
}

bool network_contains(const struct network_list *networks, const struct sockaddr *address)
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
	for (size_t i = 0; i < networks->count; i++)
		if (same_prefix(&networks->items[i].address, &client, networks->items[i].prefix))
			return true;
	return false;
}

bool network_is_loopback(const struct sockaddr *address)
{
	struct network items[2];
	const struct network_list loopback = {.items = items, .count = 2};

	return network_parse(&items[0], "127.0.0.0/8") && network_parse(&items[1], "::1") &&
	       network_contains(&loopback, address);
}
