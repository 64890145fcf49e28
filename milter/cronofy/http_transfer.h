/*
 * http_transfer: one request and its reply as libcurl sees them. Only http.c uses it, and but for
 * setting it up and freeing it, only on its thread.
 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include "http.h"
#include "http_header.h"
#include "http_pool.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct http_transfer {
	CURL *easy;
	struct curl_slist *headers;
	char *body;
	size_t body_length, body_given;
	bool begun;               /* to be sent */
	bool asked_again;         /* curl wanted to send the request a second time */
	struct http_pool *pool;   /* while it is running; hears of each byte */
	unsigned int *idle_turns; /* of the thread: 0 whenever the transfer gets on */
	struct http_header header;
	size_t header_bytes;
	char error[CURL_ERROR_SIZE];
	struct http_reply reply;
};

/* False if there is no memory. http_transfer_free() in any case. */
bool http_transfer_set_up(struct http_transfer *transfer, const struct http_request *request,
			  unsigned int *idle_turns);

/* Fills the reply: curl is done with it. */
void http_transfer_read_result(struct http_transfer *transfer, CURLcode result);

void http_transfer_free(struct http_transfer *transfer);

#endif
