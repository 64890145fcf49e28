/* http_transfer: how a call is told to libcurl, and what libcurl tells about it. */
#include "http_transfer.h"

#include "clock.h"
#include "random.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BUFFER_SIZE        4096L  /* bytes, of each call: hundreds may wait at once */
#define UPLOAD_BUFFER_SIZE 16384L /* the least that libcurl takes */
#define CONNECT_TIMEOUT    10000  /* ms, of a call's time-out */
#define DEAD_PEER_TIMEOUT  20000U /* ms without an acknowledgement: TCP gives the connection up */

/*
 * curl silently sends a request again, on up to five new connections, where a kept one dies or the
 * server refuses a stream: two cancels, and only the second one's answer; or a storm of connections
 * while the server is away. So each call begins once, its body is given once, and no connection is
 * made after that: whether to try again is for others to say.
 */
static int begin_once(void *context, char *server, char *client, int server_port, int client_port)
{
	struct http_transfer *transfer = context;

	(void)server, (void)client, (void)server_port, (void)client_port;
	*transfer->idle_turns = 0;
	transfer->asked_again |= transfer->begun;
	transfer->begun = true;
	return transfer->asked_again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *transfer = context;

	(void)purpose;
	transfer->asked_again |= transfer->begun;
	return transfer->begun ? CURL_SOCKET_BAD
			       : socket(address->family, address->socktype | SOCK_CLOEXEC,
					address->protocol);
}

static size_t give_body(char *data, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;
	size_t left = transfer->body_length - transfer->body_given;

	if (left == 0) {
		transfer->asked_again = true;
		return CURL_READFUNC_ABORT;
	}
	*transfer->idle_turns = 0;
	count *= size;
	if (count > left)
		count = left;
	memcpy(data, transfer->body + transfer->body_given, count);
	transfer->body_given += count;
	return count;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;

	(void)size;
	*transfer->idle_turns = 0;
	http_pool_heard(transfer->pool);
	buffer_append(&transfer->reply.body, data, count);
	transfer->reply.failed_here |= transfer->reply.body.out_of_memory;
	transfer->reply.too_large |= transfer->reply.body.failed && !transfer->reply.failed_here;
	return transfer->reply.body.failed ? 0 : count;
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;

	(void)size;
	*transfer->idle_turns = 0;
	http_pool_heard(transfer->pool);
	http_header_take(&transfer->header, (struct span){data, count});
	transfer->header_bytes += count;
	transfer->reply.too_large |= transfer->header_bytes > HTTP_REPLY_HEADERS_MAXIMUM;
	return transfer->reply.too_large ? 0 : count;
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

static bool make_headers(struct http_transfer *transfer, const struct http_request *request)
{
	struct buffer line = buffer_with_maximum(8192);
	bool good;

	buffer_printf(&line, "Authorization: Bearer %s", request->bearer);
	good = !line.failed && add_header(&transfer->headers, line.data) &&
	       add_header(&transfer->headers, "Accept: application/json");
	if (request->body)
		good = good && add_header(&transfer->headers, "Expect:") &&
		       add_header(&transfer->headers,
				  "Content-Type: application/json; charset=utf-8");
	if (line.data)
		explicit_bzero(line.data, line.length);
	buffer_free(&line);
	return good;
}

static bool set_options(struct http_transfer *transfer, const struct http_request *request)
{
	CURL *easy = transfer->easy;
	long timeout = (long)(request->timeout > 0 ? request->timeout : 1);
	bool good = make_headers(transfer, request) && set_url(easy, request);

#define SET(option, value) good = good && curl_easy_setopt(easy, option, value) == CURLE_OK
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L); /* the key must not go to another host */
	SET(CURLOPT_HTTPHEADER, transfer->headers);
	if (request->body) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)request->body_length);
		SET(CURLOPT_READFUNCTION, give_body);
		SET(CURLOPT_READDATA, transfer);
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
	SET(CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
	SET(CURLOPT_QUICK_EXIT,
	    1L); /* a name server that says nothing must not hold up the thread */
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_PREREQFUNCTION, begin_once);
	SET(CURLOPT_PREREQDATA, transfer);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, transfer);
	SET(CURLOPT_SOCKOPTFUNCTION, give_up_dead_peers);
	SET(CURLOPT_TIMEOUT_MS, timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS, timeout < CONNECT_TIMEOUT ? timeout : CONNECT_TIMEOUT);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, transfer);
	SET(CURLOPT_ERRORBUFFER, transfer->error);
#undef SET
	return good;
}

/* In words that say what happened where curl's say what it could not do about it. */
static void describe_failure(struct http_transfer *transfer, CURLcode result)
{
	const char *text = transfer->error[0] ? transfer->error : curl_easy_strerror(result);
	struct problem *failure = &transfer->reply.failure;

	if (transfer->reply.failed_here)
		problem_set(failure, "no memory, or no random numbers");
	else if (transfer->reply.too_large)
		problem_set(failure, "the reply is too large");
	else if (transfer->reply.connection_died)
		problem_set(failure, "the server accepts no request on this connection");
	else if (result == CURLE_HTTP2 || result == CURLE_HTTP2_STREAM)
		problem_set(failure, "the server ends HTTP/2 before it answers (%s)", text);
	else
		problem_set(failure, "%s", text);
}

void http_transfer_read_result(struct http_transfer *transfer, CURLcode result)
{
	struct http_reply *reply = &transfer->reply;

	reply->ended = clock_now();
	curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &reply->new_connections);
	reply->arrived = result == CURLE_OK;
	reply->unsent = !reply->arrived && !transfer->begun;
	reply->misconfigured = result == CURLE_SSL_CACERT_BADFILE || result == CURLE_URL_MALFORMAT;
	reply->connection_died = result == CURLE_SEND_FAIL_REWIND || transfer->asked_again;
	reply->timed_out = result == CURLE_OPERATION_TIMEDOUT;
	/* Without random numbers curl gives up a TLS connection that it has barely begun. */
	reply->failed_here |= result == CURLE_OUT_OF_MEMORY || result == CURLE_FAILED_INIT ||
			      (result == CURLE_SSL_CONNECT_ERROR && !random_is_ready());
	describe_failure(transfer, result);
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &reply->version);
	reply->version = reply->version >= CURL_HTTP_VERSION_2_0   ? 20
			 : reply->version == CURL_HTTP_VERSION_1_0 ? 10
								   : 11;
	reply->retry_after = http_header_retry_after(&transfer->header, time(NULL));
}

bool http_transfer_set_up(struct http_transfer *transfer, const struct http_request *request,
			  unsigned int *idle_turns)
{
	*transfer = (struct http_transfer){
		.reply = {.body = buffer_with_maximum(HTTP_REPLY_MAXIMUM)},
		.body_length = request->body_length,
		.idle_turns = idle_turns,
		.easy = curl_easy_init(),
		.body = malloc(request->body_length + 1),
	};
	if (!transfer->easy || !transfer->body)
		return false;
	if (request->body)
		memcpy(transfer->body, request->body, request->body_length);
	return set_options(transfer, request);
}

void http_transfer_free(struct http_transfer *transfer)
{
	/* One of them holds the key. */
	for (struct curl_slist *header = transfer->headers; header; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	buffer_free(&transfer->reply.body);
	free(transfer->body);
}
