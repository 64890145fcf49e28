#include "http.h"

#include "clock.h"
#include "http_header.h"
#include "http_pool.h"
#include "random.h"
#include "zeroing.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * How many connections to one server. While one is being made, curl would make another for each
 * call that the others have no room for: HTTP/2 is held to two. HTTP/1.1 gets more once it shows
 * itself, and so does a call that is to be alone.
 */
#define HTTP2_CONNECTIONS 2L
#define HTTP1_CONNECTIONS 50L
#define ALL_CONNECTIONS   128L
#define STREAMS           250L   /* of one connection; servers usually allow 100 to 250 */
#define CONNECT_TIMEOUT   10000  /* ms, of a call's time-out */
#define IDLE_TURNS        50U    /* more than a TLS handshake takes */
#define IDLE_WAIT         10     /* ms */
#define DEAD_PEER_TIMEOUT 20000U /* ms without an acknowledgement: TCP gives the connection up */

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
	char *place;            /* which pool it belongs to */
	struct http_pool *pool; /* the thread's, while it is running */
	bool abandoned;         /* the caller is gone: the thread frees it */
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t body_length, body_given;
	bool begun;       /* to be sent */
	bool asked_again; /* curl wanted to send the request a second time */
	struct http_header header;
	size_t header_bytes;
	char error[CURL_ERROR_SIZE];
	struct http_reply reply;
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

/* ---- one transfer ---- */

/*
 * curl silently sends a request again, on up to five new connections, where a kept one dies or the
 * server refuses a stream: two cancels, and only the second one's answer; or a storm of connections
 * while the server is away. So each call begins once, its body is given once, and no connection is
 * made after that: whether to try again is for others to say.
 */
static int begin_once(void *context, char *server, char *client, int server_port, int client_port)
{
	struct http_call *call = context;

	(void)server, (void)client, (void)server_port, (void)client_port;
	call->http->idle_turns = 0;
	call->asked_again |= call->begun;
	call->begun = true;
	return call->asked_again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_call *call = context;

	(void)purpose;
	call->asked_again |= call->begun;
	return call->begun ? CURL_SOCKET_BAD
			   : socket(address->family, address->socktype | SOCK_CLOEXEC,
				    address->protocol);
}

static size_t give_body(char *data, size_t size, size_t count, void *context)
{
	struct http_call *call = context;
	size_t left = call->body_length - call->body_given;

	if (left == 0) {
		call->asked_again = true;
		return CURL_READFUNC_ABORT;
	}
	call->http->idle_turns = 0;
	count *= size;
	if (count > left)
		count = left;
	memcpy(data, call->body + call->body_given, count);
	call->body_given += count;
	return count;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct http_call *call = context;

	(void)size;
	call->http->idle_turns = 0;
	http_pool_heard(call->pool);
	buffer_append(&call->reply.body, data, count);
	call->reply.failed_here |= call->reply.body.out_of_memory;
	call->reply.too_large |= call->reply.body.failed && !call->reply.failed_here;
	return call->reply.body.failed ? 0 : count;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	struct http_call *call = context;

	(void)size;
	call->http->idle_turns = 0;
	http_pool_heard(call->pool);
	http_header_take(&call->header, (struct span){data, count});
	call->header_bytes += count;
	call->reply.too_large |= call->header_bytes > HTTP_REPLY_HEADERS_MAXIMUM;
	return call->reply.too_large ? 0 : count;
}

/* A peer that fell silent would swallow calls for the many minutes that TCP waits by itself. */
static int give_up_dead_peers(void *context, curl_socket_t socket, curlsocktype purpose)
{
	unsigned int timeout = DEAD_PEER_TIMEOUT;

	(void)context;
	(void)purpose;
	setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	return CURL_SOCKOPT_OK;
}

static bool add_header(struct curl_slist **headers, const char *header)
{
	struct curl_slist *longer = curl_slist_append(*headers, header);

	if (longer)
		*headers = longer;
	return longer != NULL;
}

/* False if there is no memory. */
static bool set_url(CURL *easy, const struct http_request *request)
{
	struct buffer url = buffer_with_maximum((size_t)64 * 1024);
	const struct http_parameter *each = request->query;
	bool good = true;

	buffer_append_text(&url, request->url);
	for (; each && each->name && good; each++) {
		char *value = curl_easy_escape(easy, each->value, 0);

		good = value != NULL;
		buffer_printf(&url, "%c%s=%s", each == request->query ? '?' : '&', each->name,
			      value ? value : "");
		curl_free(value);
	}
	good = good && !url.failed && curl_easy_setopt(easy, CURLOPT_URL, url.data) == CURLE_OK;
	buffer_free(&url);
	return good;
}

static bool make_headers(struct http_call *call, const struct http_request *request)
{
	struct buffer line = buffer_with_maximum(8192);
	bool good;

	buffer_printf(&line, "Authorization: Bearer %s", request->bearer);
	good = !line.failed && add_header(&call->headers, line.data) &&
	       add_header(&call->headers, "Accept: application/json");
	if (request->body)
		good = good && add_header(&call->headers, "Expect:") &&
		       add_header(&call->headers, "Content-Type: application/json; charset=utf-8");
	if (line.data)
		explicit_bzero(line.data, line.length);
	buffer_free(&line);
	return good;
}

static bool set_up(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;
	long timeout = (long)(request->timeout > 0 ? request->timeout : 1);
	bool good = make_headers(call, request) && set_url(easy, request);

#define SET(option, value) good = good && curl_easy_setopt(easy, option, value) == CURLE_OK
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L); /* the key must not go to another host */
	SET(CURLOPT_HTTPHEADER, call->headers);
	if (request->body) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)request->body_length);
		SET(CURLOPT_READFUNCTION, give_body);
		SET(CURLOPT_READDATA, call);
	}
	SET(CURLOPT_FRESH_CONNECT, request->alone ? 1L : 0L);
	SET(CURLOPT_FORBID_REUSE, request->alone ? 1L : 0L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (request->ca_file[0])
		SET(CURLOPT_CAINFO, request->ca_file);
	SET(CURLOPT_PROXY, request->proxy); /* "" also turns the environment's off, */
	SET(CURLOPT_NOPROXY, "");           /* and this its exceptions */
	SET(CURLOPT_ACCEPT_ENCODING, "gzip");
	SET(CURLOPT_USERAGENT, "cancel-invite-milter");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT,
	    1L); /* a name server that says nothing must not hold up the thread */
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_PREREQFUNCTION, begin_once);
	SET(CURLOPT_PREREQDATA, call);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, call);
	SET(CURLOPT_SOCKOPTFUNCTION, give_up_dead_peers);
	SET(CURLOPT_TIMEOUT_MS, timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_TIMEOUT ? timeout : CONNECT_TIMEOUT);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_ERRORBUFFER, call->error);
	SET(CURLOPT_PRIVATE, call);
#undef SET
	return good;
}

static void free_call(struct http_call *call)
{
	for (struct curl_slist *header = call->headers; header; header = header->next)
		explicit_bzero(header->data, strlen(header->data)); /* one of them holds the key */
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buffer_free(&call->reply.body);
	pthread_cond_destroy(&call->done);
	free(call->body);
	free(call->place);
	free(call);
}

static void limit_connections(struct http *http, long most)
{
	http->host_connections = most;
	curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, most);
}

/* In words that say what happened where curl's say what it could not do about it. */
static void describe_failure(struct http_call *call, CURLcode result)
{
	const char *text = call->error[0] ? call->error : curl_easy_strerror(result);
	struct problem *failure = &call->reply.failure;

	if (call->reply.failed_here)
		problem_set(failure, "no memory for the call, or no random numbers");
	else if (call->reply.too_large)
		problem_set(failure, "the reply is larger than we take");
	else if (call->reply.connection_died)
		problem_set(failure, "the server takes no request on this connection");
	else if (result == CURLE_HTTP2 || result == CURLE_HTTP2_STREAM)
		problem_set(failure, "the server ends HTTP/2 before it answers (%s)", text);
	else
		problem_set(failure, "%s", text);
}

static void read_result(struct http_call *call, CURLcode result)
{
	struct http_reply *reply = &call->reply;

	reply->ended = clock_now();
	curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &reply->new_connections);
	reply->arrived = result == CURLE_OK;
	reply->unsent = !reply->arrived && !call->begun;
	reply->misconfigured = result == CURLE_SSL_CACERT_BADFILE || result == CURLE_URL_MALFORMAT;
	reply->connection_died = result == CURLE_SEND_FAIL_REWIND || call->asked_again;
	reply->timed_out = result == CURLE_OPERATION_TIMEDOUT;
	/* Without random numbers curl gives up a TLS connection that it has barely begun. */
	reply->failed_here |= result == CURLE_OUT_OF_MEMORY || result == CURLE_FAILED_INIT ||
			      (result == CURLE_SSL_CONNECT_ERROR && !random_is_ready());
	describe_failure(call, result);
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &reply->version);
	reply->version = reply->version >= CURL_HTTP_VERSION_2_0   ? 20
			 : reply->version == CURL_HTTP_VERSION_1_0 ? 10
								   : 11;
	reply->retry_after = http_header_retry_after(&call->header, time(NULL));
}

/* ---- the thread ---- */

/* Hands it to curl. False if there is no memory. */
static bool start(struct http *http, struct http_call *call)
{
	CURL *easy = call->easy;

	call->pool = http_pool_take(&http->pools, call->place);
	if (!call->pool)
		return false;
	if (call->alone)
		limit_connections(http, HTTP1_CONNECTIONS);
	/* Rather wait for a connection to share than open one: only HTTP/2 shares. */
	return curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
				http->host_connections == HTTP2_CONNECTIONS ? 1L : 0L) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
				call->alone || http_pool_wants_http1(call->pool)
					? (long)CURL_HTTP_VERSION_1_1
					: (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SHARE, http_pool_share(call->pool)) == CURLE_OK &&
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
	if (!call->pool)
		return;
	curl_multi_remove_handle(http->multi, call->easy);
	curl_easy_setopt(call->easy, CURLOPT_SHARE, NULL);
	http_pool_give_back(&http->pools, call->pool);
	call->pool = NULL;
}

/* Takes the call out of the list; it is then the caller's, or nobody's. With the lock held. */
static void let_go(struct http *http, struct http_call *call)
{
	struct http_call **at = &http->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	count_failures_here(http, call->reply.failed_here);
	if (call->abandoned) {
		free_call(call);
		return;
	}
	call->state = CALL_DONE;
	pthread_cond_signal(&call->done);
}

/* A call that cannot go on is done, without a reply. */
static void fail(struct http *http, struct http_call *call, const char *reason)
{
	stop(http, call);
	call->reply.ended = clock_now();
	call->reply.arrived = false;
	problem_set(&call->reply.failure, "%s", reason);
	let_go(http, call);
}

/* Starts new calls, drops abandoned ones; all of them once we stop. With the lock held. */
static void look_through_calls(struct http *http)
{
	struct http_call *next;

	for (struct http_call *call = http->calls; call; call = next) {
		next = call->next;
		if (call->abandoned || http->stopping) {
			if (call->pool)
				http_pool_retire(call->pool);
			fail(http, call, "given up");
		} else if (call->state == CALL_WAITING) {
			call->state = CALL_RUNNING;
			http->idle_turns = 0;
			if (!start(http, call)) {
				call->reply.failed_here = true;
				fail(http, call, "no memory for the call");
			}
		}
	}
}

/* What the end of a call says about the connections that it used. */
static void learn(struct http *http, const struct http_call *call)
{
	const struct http_reply *reply = &call->reply;
	const bool by_http2 = reply->version == 20;

	if (reply->timed_out)
		http_pool_retire(call->pool);
	if (reply->connection_died)
		http_pool_count_refused(call->pool);
	if (!reply->arrived)
		return;
	if (reply->status < 500)
		http_pool_count_answered(call->pool, by_http2);
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
		read_result(call, result);
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

/* NULL if there is no memory. */
static struct http_call *make_call(struct http *http, const struct http_request *request)
{
	struct http_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	clock_condition_init(&call->done);
	call->http = http;
	call->alone = request->alone;
	call->reply.body = buffer_with_maximum(HTTP_REPLY_MAXIMUM);
	call->easy = curl_easy_init();
	call->body = malloc(request->body_length + 1);
	if (asprintf(&call->place, "%s\n%s\n%s", request->url, request->proxy, request->ca_file) <
	    0)
		call->place = NULL;
	if (!call->easy || !call->body || !call->place) {
		free_call(call);
		return NULL;
	}
	if (request->body)
		memcpy(call->body, request->body, request->body_length);
	call->body_length = request->body_length;
	if (!set_up(call, request)) {
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
		*reply = call->reply;
		call->reply.body = buffer_with_maximum(0);
	}
	free_call(call);
}
