/*
 * redis_connection: one connection to a Redis or Valkey, and one command at a time.
 *
 * Whoever answers there is not trusted to be a Redis: each command has one moment by which its whole
 * answer must be there, however many reads it takes, and one size that it may have. A connection that
 * failed in any way is of no further use.
 */
#ifndef REDIS_CONNECTION_H
#define REDIS_CONNECTION_H

#include "problem.h"
#include "redis_address.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

struct redis_connection;

/* Can this build speak TLS with a Redis (rediss://)? */
bool redis_connection_has_tls(void);

/*
 * Connects, logs in and chooses the database, by the moment `deadline` (clock_now()); only a name
 * server may take longer. NULL, and why: the reason never holds the password.
 */
struct redis_connection *redis_connection_open(const struct redis_address *address,
					       long long deadline, struct problem *why);
void redis_connection_close(struct redis_connection *connection);

/*
 * One command. Its answer, which may be an error, is the caller's, for freeReplyObject(). NULL, and
 * why, if the whole of it was not there by `deadline`, had more than `most` bytes, or was no Redis'.
 */
redisReply *redis_connection_ask(struct redis_connection *connection, int count, const char **words,
				 const size_t *lengths, size_t most, long long deadline,
				 struct problem *why);

#endif
