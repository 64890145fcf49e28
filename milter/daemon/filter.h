/*
 * filter: the milter callbacks. They gather a message and hand its result back; what is done with
 * it is message's business.
 */
#ifndef FILTER_H
#define FILTER_H

#include "server.h"

#include <stdbool.h>

/* Tells libmilter who we are. The server must live as long as the process. False if it will not. */
bool filter_register(struct server *server);

/* Is this an address of libmilter's code? */
bool filter_is_libmilter(const void *address);

#endif
