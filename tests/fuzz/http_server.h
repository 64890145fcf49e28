/* http_server: gives every request on loopback the answer that was set last, on a thread of its own. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "fuzz.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_SERVER_CONNECTIONS 16

struct http_server {
	int port;
	struct pollfd sockets[HTTP_SERVER_CONNECTIONS + 1]; /* the listening one first */
	nfds_t count;
	pthread_mutex_t lock; /* of the answer */
	int status;
	const char *body;
};

static inline void http_server_set(struct http_server *server, int status, const char *body)
{
	pthread_mutex_lock(&server->lock);
	server->status = status;
	server->body = body;
	pthread_mutex_unlock(&server->lock);
}

/* Is it whole, with the body that its Content-Length announces? */
static inline bool http_server_is_whole(const char *request)
{
	const char *body = strstr(request, "\r\n\r\n");
	const char *length = strcasestr(request, "\r\nContent-Length:");

	return body && strlen(body + 4) >= (length ? strtoul(length + 17, NULL, 10) : 0);
}

static inline bool http_server_answer(struct http_server *server, int connection)
{
	char request[32768] = "", reply[8192];
	size_t got = 0;
	int length;

	while (!http_server_is_whole(request)) {
		const ssize_t more = recv(connection, request + got, sizeof(request) - got - 1, 0);

		if (more <= 0)
			return false;
		got += (size_t)more;
		request[got] = '\0';
	}
	pthread_mutex_lock(&server->lock);
	length = snprintf(reply, sizeof(reply),
			  "HTTP/1.1 %d x\r\nContent-Type: application/json\r\n"
			  "Content-Length: %zu\r\n\r\n%s",
			  server->status, strlen(server->body), server->body);
	pthread_mutex_unlock(&server->lock);
	return send(connection, reply, (size_t)length, MSG_NOSIGNAL) == length;
}

static inline void *http_server_run(void *context)
{
	struct http_server *server = context;

	while (poll(server->sockets, server->count, -1) >= 0) {
		for (nfds_t i = server->count - 1; i > 0; i--) {
			if (!server->sockets[i].revents ||
			    http_server_answer(server, server->sockets[i].fd))
				continue;
			close(server->sockets[i].fd);
			server->sockets[i] = server->sockets[--server->count];
		}
		if (server->sockets[0].revents && server->count <= HTTP_SERVER_CONNECTIONS) {
			const int connection = accept(server->sockets[0].fd, NULL, NULL);

			if (connection >= 0)
				server->sockets[server->count++] =
					(struct pollfd){.fd = connection, .events = POLLIN};
		}
	}
	return NULL;
}

static inline void http_server_start(struct http_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	pthread_t thread;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*server = (struct http_server){.count = 1, .status = 200, .body = ""};
	pthread_mutex_init(&server->lock, NULL);
	server->sockets[0] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
					     .events = POLLIN};
	must(bind(server->sockets[0].fd, (struct sockaddr *)&address, size) == 0);
	must(listen(server->sockets[0].fd, HTTP_SERVER_CONNECTIONS) == 0);
	must(getsockname(server->sockets[0].fd, (struct sockaddr *)&address, &size) == 0);
	server->port = ntohs(address.sin_port);
	must(pthread_create(&thread, NULL, http_server_run, server) == 0);
	pthread_detach(thread);
}

#endif
