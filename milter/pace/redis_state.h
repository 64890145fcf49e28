/* redis_state: the store's inside; for the files that redis_store is made of, and for no others. */
#ifndef REDIS_STATE_H
#define REDIS_STATE_H

#include "digest.h"
#include "redis_connection.h"
#include "redis_store.h"

#include <pthread.h>

enum redis_script {
	REDIS_SCRIPT_TAKE,
	REDIS_SCRIPT_RECORD,
	REDIS_SCRIPT_USAGE,
	REDIS_SCRIPTS,
};

struct redis_store {
	struct redis_address address;
	char prefix[65];
	char host[17];                   /* who we are among those that share: random */
	char mac_key[DIGEST_LENGTH + 1]; /* ""; made of the secret */
	pthread_mutex_t lock;            /* guards all below */
	struct redis_connection *redis;  /* NULL: none */
	unsigned long connections;       /* that there were so far */
	struct problem why;              /* there is none */
	char digests[REDIS_SCRIPTS]
		    [41]; /* the server's names for the scripts; "" until it was told */
	long long offset; /* ms, from our clock to the server's, at the least */
	bool timed;       /* `offset` is known */
};

struct redis_key {
	char text[192];
};

/* {} is where a cluster looks to keep a budget's keys on one server. */
struct redis_key redis_key_of(const struct redis_store *store, const char *kind, const char *name);

/* With the lock held: */

/* Ends the connection, if there is one. */
void redis_hang_up(struct redis_store *store, const char *reason) __attribute__((nonnull));

/*
 * One command, whose answer has at most `most` bytes and is the caller's. NULL, and the connection gone,
 * if it failed or the answer is an error, but for NOSCRIPT.
 */
redisReply *redis_ask(struct redis_store *store, int count, const char **words,
		      const size_t *lengths, size_t most, long long deadline);

/* ---- redis_scripts ---- */

/*
 * Runs a script; the first two of `words` are left for EVALSHA and its name. NULL, and the connection
 * gone, if it failed. A server that has forgotten the script (it was restarted behind a proxy, or told
 * to) is taught again, once.
 */
redisReply *redis_run(struct redis_store *store, enum redis_script script, int count,
		      const char **words, long long deadline);

#endif
