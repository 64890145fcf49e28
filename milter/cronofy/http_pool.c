/* http_pool: a libcurl share handle is the connection cache of one pool. */
#include "http_pool.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_SILENCE 5000   /* ms, while calls are running */
#define REFUSED_IN_ROW  2      /* until HTTP/2 is left alone ... */
#define HTTP1_FOR       600000 /* ms, for so long */

struct http_pool {
	struct http_pool *next;
	char *place;
	CURLSH *share;
	unsigned long calls; /* running */
	long long heard;     /* the moment of the last byte, or when the first running call began */
	bool retired;
	unsigned int refused;  /* in a row, by HTTP/2 */
	long long http1_until; /* the moment until which HTTP/2 is left alone */
};

static void free_pool(struct http_pool *pool)
{
	curl_share_cleanup(pool->share);
	free(pool->place);
	free(pool);
}

static struct http_pool *new_pool(const char *place)
{
	struct http_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->place = strdup(place);
	pool->share = curl_share_init();
	if (pool->place && pool->share &&
	    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) == CURLSHE_OK)
		return pool;
	free_pool(pool);
	return NULL;
}

/* The one in use; there is at most one of each place. */
static struct http_pool *find(const struct http_pools *pools, const char *place)
{
	struct http_pool *pool = pools->first;

	while (pool && (pool->retired || strcmp(pool->place, place) != 0))
		pool = pool->next;
	return pool;
}

/* Takes it out of the list if nobody uses it any more. */
static void drop_if_unused(struct http_pools *pools, struct http_pool *pool)
{
	struct http_pool **at = &pools->first;

	if (!pool->retired || pool->calls > 0)
		return;
	while (*at != pool)
		at = &(*at)->next;
	*at = pool->next;
	free_pool(pool);
}

struct http_pool *http_pool_take(struct http_pools *pools, const char *place)
{
	const long long now = clock_now();
	struct http_pool *pool = find(pools, place);

	if (pool && pool->calls > 0 && now - pool->heard > LONGEST_SILENCE) {
		pool->retired = true;
		pool = NULL;
	}
	if (!pool) {
		pool = new_pool(place);
		if (!pool)
			return NULL;
		pool->next = pools->first;
		pools->first = pool;
	}
	if (pool->calls++ == 0)
		pool->heard = now;
	return pool;
}

CURLSH *http_pool_share(const struct http_pool *pool)
{
	return pool->share;
}

void http_pool_heard(struct http_pool *pool)
{
	pool->heard = clock_now();
}

void http_pool_retire(struct http_pool *pool)
{
	pool->retired = true;
}

void http_pool_give_back(struct http_pools *pools, struct http_pool *pool)
{
	pool->calls--;
	drop_if_unused(pools, pool);
}

void http_pool_count_refused(struct http_pool *pool)
{
	pool->refused++;
}

void http_pool_count_answered(struct http_pool *pool, bool by_http2)
{
	if (!by_http2 && pool->refused >= REFUSED_IN_ROW)
		pool->http1_until = clock_now() + HTTP1_FOR;
	if (by_http2)
		pool->refused = 0;
}

bool http_pool_wants_http1(const struct http_pool *pool)
{
	return clock_now() < pool->http1_until;
}

void http_pools_free(struct http_pools *pools)
{
	struct http_pool *next;

	for (struct http_pool *pool = pools->first; pool; pool = next) {
		next = pool->next;
		free_pool(pool);
	}
	pools->first = NULL;
}
