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
	struct metrics_page *page;    /* NULL: there is none */
	long long began;              /* s since 1970 */
	char *socket_path; /* of the unix socket that we listen on; NULL if it is another */
};

/* A reference to the current configuration. */
static inline struct config *server_config(struct server *server)
{
	struct config *config;

	pthread_mutex_lock(&server->lock);
	config = config_hold(server->config);
	pthread_mutex_unlock(&server->lock);
	return config;
}

#endif
