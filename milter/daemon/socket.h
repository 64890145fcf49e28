/*
 * socket: the socket that libmilter listens on: its path, before and after libmilter makes it, and
 * how it is woken; and sockets that listen for others. Sockets other than unix ones have no path: there
 * is then nothing to clear or open.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include "config.h"
#include "problem.h"
#include "socket_address.h"

#include <stdbool.h>

/*
 * Makes the path free: a socket that an earlier process left behind is removed, one that somebody
 * listens on never, nor anything that is no socket. False, and why.
 */
bool socket_clear_path(const struct config *config, struct problem *why);

/*
 * Opens up a socket that was created closed to all: first its user and group, then its mode.
 * False, and why.
 */
bool socket_open_up(const struct config *config, struct problem *why);

/* Where the configured socket is. */
struct socket_address socket_find(const struct config *config);

/* A socket that listens at an address of TCP; the caller closes it. -1, and why. */
int socket_listen(const char *address, struct problem *why);

/* Connects to it and hangs up; never waits. */
void socket_wake(const struct socket_address *where);

#endif
