/*
 * http: HTTPS requests, all on one thread that owns every connection.
 *
 * HTTP/2 with many requests on one connection where the server offers it (ALPN), HTTP/1.1 where it
 * does not, or refuses what comes by HTTP/2; connections are kept, but for those that fell silent. TLS 1.2 or later, certificates verified. Redirects are never
 * followed, the environment's proxies never used. Callers, on any thread, begin a call, wait for it,
 * and end it.
 */
#ifndef HTTP_H
#define HTTP_H

#include "buffer.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_REPLY_MAXIMUM         ((size_t)4 * 1024 * 1024) /* bytes of a body, decompressed */
#define HTTP_REPLY_HEADERS_MAXIMUM ((size_t)64 * 1024)
#define HTTP_BROKEN                5 /* calls in a row */

/* `name=value` behind the URL's question mark, both as they are: they are percent-encoded here. */
struct http_parameter {
	const char *name, *value;
};

/* A POST of a JSON text, or a GET. Everything in it is copied. */
struct http_request {
	const char *url;
	const struct http_parameter *query; /* up to one without a name; NULL: none */
	const char *bearer;                 /* for Authorization: Bearer (RFC 6750) */
	const char *ca_file;                /* "": the system's authorities */
	const char *proxy;                  /* "": none */
	const char *body;                   /* NULL: a GET */
	size_t body_length;
	long long timeout; /* ms, from now to the last byte of the reply */
	bool alone;        /* by HTTP/1.1, on a connection that no other call uses */
};

struct http_reply {
	long long ended; /* the moment (clock_now()) at which the call was over */
	bool arrived;    /* whole; else `failure` says what went wrong, and all else is unset */
	struct problem failure;
	bool timed_out;       /* not arrived: there was no answer in time */
	bool misconfigured;   /* not arrived: the fault is in our own configuration */
	bool connection_died; /* not arrived: the request was refused, or its connection was dead:
				 worth another try at once, alone */
	bool unsent;          /* not arrived: nothing of the request was sent */
	bool too_large;       /* not arrived: it was over a limit, here */
	bool failed_here; /* not arrived: for want of memory or random numbers in this process */
	long status;      /* as HTTP's */
	long version;     /* 10, 11, 20 */
	long long retry_after; /* ms; -1 if the server did not say */
	struct buffer body;
	long new_connections; /* made for this call */
};

struct http;
struct http_call;

/* Starts the thread. NULL, and why, if it cannot. */
struct http *http_start(struct problem *why);

/*
 * `broken` is called, on the thread, each time when HTTP_BROKEN calls in a row failed for want of
 * memory or random numbers in this process, with no connection tried: it will not get better. Before
 * the first call.
 */
typedef void http_broken(void *context);
void http_watch(struct http *http, http_broken *broken, void *context);

/* Gives up every call and ends the thread. No call may be begun any more; those begun are ended. */
void http_stop(struct http *http);

/* NULL if there is no memory for it. */
struct http_call *http_begin(struct http *http, const struct http_request *request);

/* Waits for the reply until the moment `until` (clock_now()); true if it is there. */
bool http_wait(struct http_call *call, long long until);

/*
 * Ends the call, given up if it is still under way, and frees it. If it is done and `reply` is not
 * NULL, the reply goes there; the caller frees its body.
 */
void http_end(struct http_call *call, struct http_reply *reply);

#endif
