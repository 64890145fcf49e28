/* socket_address: where a socket is. */
#ifndef SOCKET_ADDRESS_H
#define SOCKET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct socket_address {
	struct sockaddr_storage address;
	socklen_t length; /* 0: it could not be found out */
};

/*
 * Reads address:port, with brackets around an IPv6 address: numbers only, no names. False if it is
 * something else.
 */
bool socket_address_read(struct socket_address *where, const char *text);

#endif
