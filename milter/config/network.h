/*
 * network: blocks of IP addresses (RFC 4632), IPv4 kept as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2).
 *
 * Pure.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct network {
	struct in6_addr address;
	unsigned int prefix; /* bits that count, of 128 */
};

struct network_list {
	struct network *items;
	size_t count;
};

/*
 * Reads "192.0.2.0/24", "2001:db8::/32" or a single address. False if it is none, or if bits
 * are set beyond the prefix (the usual sign of a typing error).
 */
bool network_parse(struct network *network, const char *text);

#define NETWORK_SHOWN 64 /* bytes */

/* Writes the network as network_parse() reads it. Gives `out`. */
const char *network_show(const struct network *network, char out[NETWORK_SHOWN]);

/*
 * Is the address in one of the networks? Addresses that are neither IPv4 nor IPv6, and NULL
 * (the MTA did not know it), are in none.
 */
bool network_contains(const struct network_list *networks, const struct sockaddr *address);

/* Is it one of this machine's own addresses (127.0.0.0/8, ::1)? */
bool network_is_loopback(const struct sockaddr *address);

#endif
