/* socket_address: address:port of TCP, read from text. */
#include "socket_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

bool socket_address_read(struct socket_address *where, const char *text)
{
	const struct addrinfo hints = {
		.ai_family = text[0] == '[' ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST,
	};
	struct addrinfo *found = NULL;
	char host[64], port[8], end;
	int number;

	*where = (struct socket_address){.length = 0};
	if (sscanf(text, text[0] == '[' ? "[%63[^]]]:%7[0-9]%c" : "%63[0-9.]:%7[0-9]%c", host, port,
		   &end) != 2 ||
	    sscanf(port, "%d", &number) != 1 || number < 1 || number > 65535 ||
	    getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(&where->address, found->ai_addr, found->ai_addrlen);
	where->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}
