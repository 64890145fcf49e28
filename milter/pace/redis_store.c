/* The store's connection: made, used for one command, ended. */
#include "redis_state.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- a store ---- */

bool redis_store_has_tls(void)
{
	return redis_connection_has_tls();
}

/* The secret has other uses (it may be the stamps'): a key of its own comes of it. */
static bool make_mac_key(struct redis_store *store, const char *secret)
{
	static const char use[] = "calendars kept in Redis";
	const struct span field = {use, sizeof(use) - 1};

	return !secret || !secret[0] || digest_with_key(secret, &field, 1, store->mac_key);
}

struct redis_store *redis_store_new(const struct redis_store_settings *settings)
{
	struct redis_store *store = calloc(1, sizeof(*store));
	unsigned long long random = 0;

	if (!store)
		return NULL;
	store->address = *settings->address;
	if (settings->password && settings->password[0] && !store->address.password[0])
		snprintf(store->address.password, sizeof(store->address.password), "%s",
			 settings->password);
	snprintf(store->prefix, sizeof(store->prefix), "%s", settings->prefix);
	problem_set(&store->why, "not connected yet");
	pthread_mutex_init(&store->lock, NULL);
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random) ||
	    !make_mac_key(store, settings->secret)) {
		redis_store_free(store);
		return NULL;
	}
	snprintf(store->host, sizeof(store->host), "%016llx", random);
	return store;
}

void redis_store_free(struct redis_store *store)
{
	if (!store)
		return;
	redis_connection_close(store->redis);
	pthread_mutex_destroy(&store->lock);
	explicit_bzero(store, sizeof(*store));
	free(store);
}

/* ---- the connection ---- */

bool redis_store_connect(struct redis_store *store, struct problem *why)
{
	struct redis_connection *redis;
	bool connected;

	pthread_mutex_lock(&store->lock);
	connected = store->redis != NULL;
	pthread_mutex_unlock(&store->lock);
	if (connected)
		return true;
	/* Without the lock: nobody else has to wait for a name server. */
	redis = redis_connection_open(&store->address, clock_now() + REDIS_CONNECT_TIMEOUT, why);
	pthread_mutex_lock(&store->lock);
	if (redis && store->redis) {
		redis_connection_close(redis);
	} else if (redis) {
		store->redis = redis;
		store->connections++;
		store->timed = false;
		memset(store->digests, 0, sizeof(store->digests));
	} else if (!store->redis) {
		store->why = *why;
	}
	pthread_mutex_unlock(&store->lock);
	return redis != NULL;
}

void redis_store_reason(struct redis_store *store, struct problem *why)
{
	pthread_mutex_lock(&store->lock);
	problem_set(why, "%s", store->why.text);
	pthread_mutex_unlock(&store->lock);
}

void redis_hang_up(struct redis_store *store, const char *reason)
{
	if (!store->redis)
		return;
	problem_set(&store->why, "%.600s", reason[0] ? reason : "an error without a text");
	redis_connection_close(store->redis);
	store->redis = NULL;
}

redisReply *redis_ask(struct redis_store *store, int count, const char **words,
		      const size_t *lengths, size_t most, long long deadline)
{
	struct problem why;
	redisReply *reply;
	char shown[400];

	if (!store->redis)
		return NULL;
	reply = redis_connection_ask(store->redis, count, words, lengths, most, deadline, &why);
	if (!reply) {
		redis_hang_up(store, why.text);
	} else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) != 0) {
		/* Read-only, out of memory, loading: as good as away. */
		problem_quote(shown, sizeof(shown), reply->str, reply->len);
		redis_hang_up(store, shown);
		freeReplyObject(reply);
		reply = NULL;
	}
	return reply;
}

struct redis_key redis_key_of(const struct redis_store *store, const char *kind, const char *name)
{
	struct redis_key key;

	snprintf(key.text, sizeof(key.text), "%s%s:{%.80s}", store->prefix, kind, name);
	return key;
}
