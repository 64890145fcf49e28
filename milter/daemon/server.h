/* server: what the whole process shares, built in main and passed down. */
#ifndef SERVER_H
#define SERVER_H

#include "config.h"
#include "message.h"
#include "metrics_page.h"
#include "socket.h"

#include <pthread.h>

struct server {
	struct message_services services;
	struct socket_address socket; /* where libmilter listens */
	pthread_mutex_t lock;         /* guards `config`: which one is the current one */
	struct config *config;        /* a reference */
	char *socket_path;         /* of the unix socket that we listen on; NULL if it is another */
	struct metrics_page *page; /* or NULL */
	struct clock_watch clock;  /* since the start */
	long long began;           /* seconds since 1970 */
};

/* A reference to the current configuration. */
struct config *server_config(struct server *server);

/* From now on this configuration is in force: a reference, which becomes the server's. */
void server_put_in_force(struct server *server, struct config *config);

#endif
