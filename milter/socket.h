/*
 * socket: the path of a unix socket, before and after libmilter makes it. Sockets of other kinds
 * have no path: for them both functions do nothing.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include "config.h"
#include "problem.h"

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

#endif
