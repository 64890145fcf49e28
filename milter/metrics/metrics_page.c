/* metrics_page: the metrics as a page, by libmicrohttpd. */
#include "metrics_page.h"

#include "log.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS         16                  /* that may stay; one more, and the oldest goes */
#define CONNECTIONS_MAXIMUM 64                  /* with those on their way out */
#define CONNECTION_MEMORY   ((size_t)16 * 1024) /* bytes: request line and headers must fit */
#define IDLE_TIMEOUT        10u                 /* s */

struct metrics_page {
	struct MHD_Daemon *daemon;
	struct metrics *metrics;
	bool is_local; /* listens where only this machine's programs can connect */
	atomic_bool stopping;
	/* The daemon's thread's: the sockets of all connections, the oldest first. */
	int sockets[CONNECTIONS_MAXIMUM];
	size_t count;
};

/* ---- connections ---- */

static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/*
 * A client that sends a byte now and then never idles; with enough of them nobody else would get in.
 * Whoever has been connected longest is the likeliest to be one: a scrape takes milliseconds.
 */
static void on_connection(void *context, struct MHD_Connection *connection, void **unused,
			  enum MHD_ConnectionNotificationCode code)
{
	struct metrics_page *page = context;
	const int its = socket_of(connection);
	size_t i = 0;

	(void)unused;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		if (page->count < CONNECTIONS_MAXIMUM)
			page->sockets[page->count++] = its;
		if (page->count > CONNECTIONS)
			shutdown(page->sockets[page->count - CONNECTIONS - 1], SHUT_RDWR);
		return;
	}
	while (i < page->count && page->sockets[i] != its)
		i++;
	if (i == page->count)
		return;
	page->count--;
	memmove(&page->sockets[i], &page->sockets[i + 1],
		(page->count - i) * sizeof(page->sockets[0]));
}

/* ---- whom it is for ---- */

static bool is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, address, sizeof(v4));
	memcpy(&v6, address, sizeof(v6));
	if (address->ss_family == AF_INET)
		return (ntohl(v4.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

static bool listens_locally(int listening)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t length = sizeof(address);

	return getsockname(listening, (struct sockaddr *)&address, &length) == 0 &&
	       is_loopback(&address);
}

/*
 * Does a Host field (RFC 9110, 7.2) name this machine to itself? A web page that a browser here shows
 * can have its own name lead to 127.0.0.1 (DNS rebinding), and would then read what we answer.
 */
static bool is_own_host(const char *host)
{
	char name[64];
	const char *colon = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
	const size_t length = colon ? (size_t)(colon - host) : strlen(host);
	struct in6_addr v6;
	struct in_addr v4;

	if (length >= sizeof(name))
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	       (inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET) ||
	       (name[0] == '[' && inet_pton(AF_INET6, name + 1, &v6) == 1 &&
		IN6_IS_ADDR_LOOPBACK(&v6));
}

/* ---- answers ---- */

/* Sends the response, whose headers it completes, and lets go of it. */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned int status,
				     const char *type, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO; /* no memory: hang up */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *text)
{
	return send_response(connection, status, "text/plain; charset=utf-8",
			     MHD_create_response_from_buffer(strlen(text), (void *)text,
							     MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection, struct metrics *metrics)
{
	struct buffer text = buffer_with_maximum(METRICS_PAGE_MAXIMUM);
	struct MHD_Response *response;

	metrics_write_page(metrics, &text);
	if (text.failed || !text.data) {
		buffer_free(&text);
		return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				 "no memory for the page\n");
	}
	response = MHD_create_response_from_buffer(text.length, text.data, MHD_RESPMEM_MUST_FREE);
	if (!response)
		buffer_free(&text);
	return send_response(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
			     response);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *upload, size_t *upload_length, void **unused)
{
	struct metrics_page *page = context;
	const bool is_metrics = strcmp(path, "/metrics") == 0;
	const char *host =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	(void)version;
	(void)upload;
	(void)upload_length;
	(void)unused;
	if (page->is_local && host && !is_own_host(host))
		return send_text(connection, MHD_HTTP_FORBIDDEN,
				 "this page is asked for by another name than localhost\n");
	if (!is_metrics && strcmp(path, "/healthz") != 0)
		return send_text(connection, MHD_HTTP_NOT_FOUND,
				 "there are /metrics and /healthz\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (is_metrics)
		return send_metrics(connection, page->metrics);
	if (page->stopping)
		return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
	if (log_is_stuck())
		return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				 "nobody reads the log\n");
	return send_text(connection, MHD_HTTP_OK, "ok\n");
}

/* ---- the outside ---- */

struct metrics_page *metrics_page_start(int listening, struct metrics *metrics, struct problem *why)
{
	struct metrics_page *page = calloc(1, sizeof(*page));

	if (!page) {
		close(listening);
		problem_cannot_tell(why, "no memory for the metrics page");
		return NULL;
	}
	page->metrics = metrics;
	page->is_local = listens_locally(listening);
	page->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, on_request, page,
		MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS_MAXIMUM, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, page, MHD_OPTION_END);
	if (page->daemon)
		return page;
	free(page); /* libmicrohttpd has closed the socket */
	problem_cannot_tell(why, "no memory or no thread for the metrics page");
	return NULL;
}

void metrics_page_say_stopping(struct metrics_page *page)
{
	if (page)
		page->stopping = true;
}
