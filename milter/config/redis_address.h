/*
 * redis_address: where a Redis is, as the configuration says it.
 *
 *	redis://[user:password@]host[:port][/database]     unix:/path
 *	rediss://... for TLS
 *
 * A URL (RFC 3986): user and password have %XX for characters with a meaning there; a host with
 * colons stands in []. Pure.
 */
#ifndef REDIS_ADDRESS_H
#define REDIS_ADDRESS_H

#include "problem.h"

#include <stdbool.h>

struct redis_address {
	char path[108]; /* of a unix socket (sockaddr_un.sun_path holds 108 bytes); "": TCP */
	char host[256];
	int port;
	int database;
	bool tls;
	char ca_file[256];  /* whose certificates to trust; "": the system's */
	char user[128];     /* "": the default one */
	char password[256]; /* "": none */
	char shown[320];    /* for people: without user and password */
};

/* False, and what was expected ("expected ..."), if the text names no Redis. */
bool redis_address_parse(struct redis_address *address, const char *text, struct problem *why);

#endif
