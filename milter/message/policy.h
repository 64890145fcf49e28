/*
 * policy: is this client trusted, and which account is this sender's.
 *
 * Pure: lists in, answers out.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <sys/socket.h>

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
