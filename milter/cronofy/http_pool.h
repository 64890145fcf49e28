/*
 * http_pool: the kept connections to one place, and when they are not to be used any more.
 *
 * curl takes a kept connection for good until it breaks. One that is open and mute (a hung server
 * behind HTTP/2, a firewall that forgot it) would take one call after the other until each has
 * timed out. So the connections of a pool are retired together: calls that run on them continue to their
 * end, new calls get a new pool. For the HTTP thread alone; only http.c uses it.
 */
#ifndef HTTP_POOL_H
#define HTTP_POOL_H

#include <curl/curl.h>
#include <stdbool.h>

struct http_pool;

/* Those in use, and those retired whose last call is not over yet. */
struct http_pools {
	struct http_pool *first;
};

/*
 * The pool for a new call to this place (what must be equal for a connection to be shared). One whose
 * calls have heard nothing for a while is retired first. NULL if there is no memory.
 */
struct http_pool *http_pool_take(struct http_pools *pools, const char *place);

/* For CURLOPT_SHARE, until the call is given back. */
CURLSH *http_pool_share(const struct http_pool *pool);

/* A call heard something. */
void http_pool_heard(struct http_pool *pool);

/* No new call gets it. */
void http_pool_retire(struct http_pool *pool);

/* The call is over, and its handle no longer uses the share. */
void http_pool_give_back(struct http_pools *pools, struct http_pool *pool);

/*
 * Servers may refuse what comes by HTTP/2 and take it by HTTP/1.1 (RFC 9113, 8.1: HTTP_1_1_REQUIRED).
 * Counted are the calls in a row that ended so; one that was then answered by HTTP/1.1 has new calls
 * use that for a while.
 */
void http_pool_count_refused(struct http_pool *pool);
void http_pool_count_answered(struct http_pool *pool, bool by_http2);
bool http_pool_wants_http1(const struct http_pool *pool);

/* All of them; no call is running. */
void http_pools_free(struct http_pools *pools);

#endif
