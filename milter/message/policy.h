/*
 * policy: is this client trusted, and which account is this sender's.
 *
 * Pure: lists in, answers out.
 */
#ifndef POLICY_H
#define POLICY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* An address block (RFC 4632), IPv4 kept as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2). */
struct network {
	struct in6_addr address;
	unsigned int prefix; /* bits that count, of 128 */
};

/*
 * Reads "192.0.2.0/24", "2001:db8::/32" or a single address. False if it is none, or if bits
 * are set beyond the prefix (the usual sign of a typing error).
 */
bool network_parse(struct network *network, const char *text);

/*
 * Is the address in one of the networks? Addresses that are neither IPv4 nor IPv6, and NULL
 * (the MTA did not know it), are in none.
 */
bool network_contains(const struct network *networks, size_t count, const struct sockaddr *address);

/*
 * Does a pattern match this envelope address? Patterns: "user@domain", "@domain", "*" (everyone,
 * the null sender too). Domains and local parts compare without regard to case.
 */
bool policy_address_matches(const char *pattern, const char *address);

struct account;
struct config;

/*
 * May this client use the tag: by its address, or (if the configuration trusts them) because it
 * authenticated? `login` is "" if it did not.
 */
bool policy_is_trusted(const struct config *config, const struct sockaddr *address,
		       const char *login);

/*
 * The account of this message: by login, else by sender, where an address goes before its domain
 * and that before "*". NULL if none is theirs.
 */
const struct account *policy_account(const struct config *config, const char *login,
				     const char *sender);

/* Is this recipient the archive's, that the MTA itself adds to all mail? */
bool policy_is_archive(const struct config *config, const char *recipient);

#endif
