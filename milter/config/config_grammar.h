/*
 * config_grammar: what single texts of the configuration have to look like.
 *
 * Each looks at one value, or one word of a list. False, and what was expected instead ("expected
 * ..."). Pure.
 */
#ifndef CONFIG_GRAMMAR_H
#define CONFIG_GRAMMAR_H

#include "problem.h"

#include <stdbool.h>

/* A header of one's own: X-..., printable, short enough to be removed again. */
bool config_is_header_name(const char *value, struct problem *why);

/* The name of a listener: not empty, and no longer than what is compared. */
bool config_is_listener_name(const char *value, struct problem *why);

/* An address, @domain or *: what policy_address_matches() reads. */
bool config_is_pattern(const char *value, struct problem *why);

/* A facility of syslog(3). */
bool config_is_facility(const char *value, struct problem *why);

/* What to do with mail in an outage: anything but reject, which would bounce it. */
bool config_is_for_an_outage(const char *value, struct problem *why);

/* What to do with mail that no further try can mend: anything but tempfail. */
bool config_is_final(const char *value, struct problem *why);

/* How the ledger keeps addresses: by their domain nobody is found again. */
bool config_is_for_ledger(const char *value, struct problem *why);

/* Nothing, or address:port as socket_address_read() has it. */
bool config_is_listening_address(const char *value, struct problem *why);

/* What the names of Redis' keys may begin with. */
bool config_is_prefix(const char *value, struct problem *why);

/* Nothing, or where a Redis is. */
bool config_is_redis(const char *value, struct problem *why);

/*
 * Nothing, or the beginning of Cronofy's URLs: https://, without a user, ? and #. http:// is for
 * loopback addresses only, as the API key would go unencrypted.
 */
bool config_is_cronofy_url(const char *value, struct problem *why);

/* Nothing, or one address, user@domain. */
bool config_is_organizer(const char *value, struct problem *why);

/* Nothing, or the URL of a proxy. */
bool config_is_proxy(const char *value, struct problem *why);

#endif
