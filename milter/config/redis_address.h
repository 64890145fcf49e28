/*
 * redis_address: where a Redis is, as the configuration says it.
 *
 *	redis://[user:password@]host[:port][/database]     unix:/path
 *
 * User and password may hold %XX; a host with colons stands in []. Pure.
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
	char ca_file[256]; /* whose certificates to trust; "": the system's */
	char user[128];    /* "": the default one */
	char password[256]; /* "": none */
	char shown[320];    /* for people: without user and password */
};

/* False, and why, if the text names no Redis; the text is quoted without its password. */
bool redis_address_parse(struct redis_address *address, const char *text, struct problem *why);

#endif
