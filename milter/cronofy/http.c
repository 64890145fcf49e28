/* http: the thread, and the calls that are handed to it. */
#include "http.h"

#include "clock.h"
#include "http_pool.h"
#include "http_transfer.h"
#include "random.h"
#include "zeroing.h"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * How many connections to one server. While one is being made, curl would make another for each
 * call that the others have no room for: HTTP/2 is held to two. HTTP/1.1 gets more once it shows
 * itself, and so does a call that is to be alone.
 */
#define HTTP2_CONNECTIONS 2L
#define HTTP1_CONNECTIONS 50L
#define ALL_CONNECTIONS   128L
#define STREAMS           250L /* of one connection; servers usually allow 100 to 250 */
#define IDLE_TURNS        50U  /* more than a TLS handshake takes */
#define IDLE_WAIT         10   /* ms */

enum call_state {
	CALL_WAITING, /* in the list of new calls */
	CALL_RUNNING, /* the thread's */
	CALL_DONE,    /* the caller's; the thread knows it no more */
};

struct http_call {
	struct http *http;
	struct http_call *next; /* in http->calls */
	enum call_state state;
	pthread_cond_t done;
	bool alone;
	char *place;    /* which pool it belongs to */
	bool abandoned; /* the caller is gone: the thread frees it */
	struct http_transfer transfer;
};

struct http {
	CURLM *multi;
	pthread_t thread;
	pthread_mutex_t lock;    /* guards all below, and states and abandonment of calls */
	struct http_call *calls; /* waiting and running */
	bool stopping;
	enum { START_PENDING, START_DONE, START_FAILED } start; /* of the thread */
	pthread_cond_t started;
	unsigned int failed_here; /* calls in a row */
	http_broken *broken;
	void *broken_context;
	long host_connections;   /* the thread's: how many there may be to one server */
	struct http_pools pools; /* the thread's */
	unsigned int idle_turns; /* the thread's: in a row, in which no call got on */
};

/* ---- the thread ---- */

static void free_call(struct http_call *call)
{
	http_transfer_free(&call->transfer);
	pthread_cond_destroy(&call->done);
	free(call->place);
	free(call);
}

static void limit_connections(struct http *http, long most)
{
	http->host_connections = most;
	curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most);
}

/* Hands it to curl. False if there is no memory. */
static bool start(struct http *http, struct http_call *call)
{
	CURL *easy = call->transfer.easy;

	call->transfer.pool = http_pool_take(&http->pools, call->place);
	if (!call->transfer.pool)
		return false;
	if (call->alone)
		limit_connections(http, HTTP1_CONNECTIONS);
	/* Rather wait for a connection to share than open one: only HTTP/2 shares. */
	return curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
				http->host_connections == HTTP2_CONNECTIONS ? 1L : 0L) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
				call->alone || http_pool_wants_http1(call->transfer.pool)
					? (long)CURL_HTTP_VERSION_1_1
					: (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SHARE, http_pool_share(call->transfer.pool)) ==
		       CURLE_OK &&
	       curl_multi_add_handle(http->multi, easy) == CURLM_OK;
}

/* Did a call fail here, again? With the lock held. */
static void count_failures_here(struct http *http, bool failed_here)
{
	http->failed_here = failed_here ? http->failed_here + 1 : 0;
	if (http->failed_here < HTTP_BROKEN || !http->broken)
		return;
	http->failed_here = 0;
	http->broken(http->broken_context);
}

/* Takes it back from curl, if curl has it. */
static void stop(struct http *http, struct http_call *call)
{
	if (!call->transfer.pool)
		return;
	curl_multi_remove_handle(http->multi, call->transfer.easy);
	curl_easy_setopt(call->transfer.easy, CURLOPT_SHARE, NULL);
	http_pool_give_back(&http->pools, call->transfer.pool);
	call->transfer.pool = NULL;
}

/* Takes the call out of the list; it is then the caller's, or nobody's. With the lock held. */
static void let_go(struct http *http, struct http_call *call)
{
	struct http_call **at = &http->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	count_failures_here(http, call->transfer.reply.failed_here);
	if (call->abandoned) {
		free_call(call);
		return;
	}
	call->state = CALL_DONE;
	pthread_cond_signal(&call->done);
}

/* A call that cannot continue is done, without a reply. */
static void fail(struct http *http, struct http_call *call, const char *reason)
{
	stop(http, call);
	call->transfer.reply.ended = clock_now();
	call->transfer.reply.arrived = false;
	problem_set(&call->transfer.reply.failure, "%s", reason);
	let_go(http, call);
}

/* Starts new calls, drops abandoned ones; all of them once we stop. With the lock held. */
static void look_through_calls(struct http *http)
{
	struct http_call *next;

	for (struct http_call *call = http->calls; call; call = next) {
		next = call->next;
		if (call->abandoned || http->stopping) {
			if (call->transfer.pool)
				http_pool_retire(call->transfer.pool);
			fail(http, call, "given up");
		} else if (call->state == CALL_WAITING) {
			call->state = CALL_RUNNING;
			http->idle_turns = 0;
			if (!start(http, call)) {
				call->transfer.reply.failed_here = true;
				fail(http, call, "no memory");
			}
		}
	}
}

/* What the end of a call says about the connections that it used. */
static void learn(struct http *http, const struct http_call *call)
{
	const struct http_reply *reply = &call->transfer.reply;
	const bool by_http2 = reply->version == 20;

	if (reply->timed_out)
		http_pool_retire(call->transfer.pool);
	if (reply->connection_died)
		http_pool_count_refused(call->transfer.pool);
	if (!reply->arrived)
		return;
	if (reply->status < 500)
		http_pool_count_answered(call->transfer.pool, by_http2);
	if (!call->alone)
		limit_connections(http, by_http2 ? HTTP2_CONNECTIONS : HTTP1_CONNECTIONS);
}

static void collect_results(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		CURLcode result = message->data.result;
		CURL *easy = message->easy_handle;
		struct http_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		http->idle_turns = 0;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
		http_transfer_read_result(&call->transfer, result);
		learn(http, call);
		stop(http, call);
		pthread_mutex_lock(&http->lock);
		let_go(http, call);
		pthread_mutex_unlock(&http->lock);
	}
}

/*
 * Waits for something to do. Where a server gives a stream no window (RFC 9113, 6.9), curl asks over
 * and over whether there is room in a socket that has plenty: then the turns are spread out.
 */
static void wait_for_work(struct http *http)
{
	curl_multi_poll(http->multi, NULL, 0, 60000, NULL);
	if (++http->idle_turns > IDLE_TURNS)
		poll(NULL, 0, IDLE_WAIT);
}

/* A generator of this thread's that cannot be made is better seen now than by every message. */
static bool is_ready(struct http *http)
{
	const bool ready = random_is_ready();

	pthread_mutex_lock(&http->lock);
	http->start = ready ? START_DONE : START_FAILED;
	pthread_cond_signal(&http->started);
	pthread_mutex_unlock(&http->lock);
	return ready;
}

static void *run(void *context)
{
	struct http *http = context;
	bool stopping = !is_ready(http);

	while (!stopping) {
		int running;

		pthread_mutex_lock(&http->lock);
		look_through_calls(http);
		stopping = http->stopping;
		pthread_mutex_unlock(&http->lock);
		curl_multi_perform(http->multi, &running);
		collect_results(http);
		if (!stopping)
			wait_for_work(http);
	}
	return NULL;
}

/* ---- the outside ---- */

static void set_up_multi(struct http *http)
{
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	limit_connections(http, HTTP2_CONNECTIONS);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, ALL_CONNECTIONS);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, ALL_CONNECTIONS);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, STREAMS);
}

/* Signals are main's. False, and why, if there is no thread, or it cannot work. */
static bool start_thread(struct http *http, struct problem *why)
{
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&http->thread, NULL, run, http);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result != 0) {
		problem_set(why, "no thread for HTTP: %s", strerror(result));
		return false;
	}
	pthread_mutex_lock(&http->lock);
	while (http->start == START_PENDING)
		pthread_cond_wait(&http->started, &http->lock);
	pthread_mutex_unlock(&http->lock);
	if (http->start == START_DONE)
		return true;
	pthread_join(http->thread, NULL);
	problem_set(why, "no random numbers for TLS: libcrypto's generator cannot be used");
	return false;
}

static void free_http(struct http *http)
{
	http_pools_free(&http->pools);
	curl_multi_cleanup(http->multi);
	pthread_cond_destroy(&http->started);
	pthread_mutex_destroy(&http->lock);
	free(http);
	curl_global_cleanup();
}

struct http *http_start(struct problem *why)
{
	struct http *http;

	/* curl keeps the key in requests that it only frees. */
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, zeroing_free, zeroing_realloc, strdup,
				 calloc) != CURLE_OK) {
		problem_set(why, "libcurl cannot be used");
		return NULL;
	}
	http = calloc(1, sizeof(*http));
	if (!http || !(http->multi = curl_multi_init())) {
		problem_set(why, "no memory for HTTP");
		free(http);
		curl_global_cleanup();
		return NULL;
	}
	set_up_multi(http);
	pthread_mutex_init(&http->lock, NULL);
	pthread_cond_init(&http->started, NULL);
	if (start_thread(http, why))
		return http;
	free_http(http);
	return NULL;
}

void http_watch(struct http *http, http_broken *broken, void *context)
{
	pthread_mutex_lock(&http->lock);
	http->broken = broken;
	http->broken_context = context;
	pthread_mutex_unlock(&http->lock);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	pthread_mutex_lock(&http->lock);
	http->stopping = true;
	pthread_mutex_unlock(&http->lock);
	curl_multi_wakeup(http->multi);
	pthread_join(http->thread, NULL);
	free_http(http);
}

/* What must be equal for two calls to share a connection. NULL if there is no memory. */
static char *name_place(const struct http_request *request)
{
	char *place;

	return asprintf(&place, "%s\n%s\n%s", request->url, request->proxy, request->ca_file) < 0
		       ? NULL
		       : place;
}

/* NULL if there is no memory. */
static struct http_call *make_call(struct http *http, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	clock_condition_init(&call->done);
	call->http = http;
	call->alone = request->alone;
	call->place = name_place(request);
	if (!http_transfer_set_up(&call->transfer, request, &http->idle_turns) || !call->place) {
		free_call(call);
		return NULL;
	}
	return call;
}

struct http_call *http_begin(struct http *http, const struct http_request *request)
{
	struct http_call *call = make_call(http, request);

	pthread_mutex_lock(&http->lock);
	if (call) {
		call->next = http->calls;
		http->calls = call;
	} else {
		count_failures_here(http, true);
	}
	pthread_mutex_unlock(&http->lock);
	if (call)
		curl_multi_wakeup(http->multi);
	return call;
}
bool http_wait(struct http_call *call, long long until)
{
	struct http *http = call->http;
	bool done;

	pthread_mutex_lock(&http->lock);
	while (call->state != CALL_DONE && clock_now() < until)
		clock_wait(&call->done, &http->lock, until);
	done = call->state == CALL_DONE;
	pthread_mutex_unlock(&http->lock);
	return done;
}

void http_end(struct http_call *call, struct http_reply *reply)
{
	struct http *http = call->http;
	bool done;

	pthread_mutex_lock(&http->lock);
	done = call->state == CALL_DONE;
	call->abandoned = !done;
	pthread_mutex_unlock(&http->lock);
	if (!done) {
		curl_multi_wakeup(http->multi);
		return;
	}
	if (reply) {
		*reply = call->transfer.reply;
		call->transfer.reply.body = buffer_with_maximum(0);
	}
	free_call(call);
}
