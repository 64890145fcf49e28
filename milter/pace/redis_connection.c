/* One connection to a Redis: hiredis, held to a deadline and a size. */
#include "redis_connection.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_HIREDIS_SSL
#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#endif

#define GREETING_MAXIMUM 4096 /* bytes, of an answer to what we begin with */
#define ELEMENTS_MAXIMUM 256  /* of an array: more than any answer to us has */

struct redis_connection {
	redisContext *context;
	redisReplyObjectFunctions functions; /* hiredis' own, but for arrays */
	const redisReplyObjectFunctions *original;
#ifdef HAVE_HIREDIS_SSL
	SSL_CTX *tls;
	SSL *session; /* the context's */
#endif
};

/* ---- bounds ---- */

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/*
 * hiredis makes room for as many elements as the other side says that it will send, and some 30 bytes for
 * each byte that it sends. No answer to us has an array inside another.
 */
static void *create_array(const redisReadTask *task, element_count count)
{
	const struct redis_connection *connection = task->privdata;

	return count > ELEMENTS_MAXIMUM || task->parent
		       ? NULL
		       : connection->original->createArray(task, count);
}

static void bound_arrays(struct redis_connection *connection)
{
	redisReader *reader = connection->context->reader;

	connection->original = reader->fn;
	connection->functions = *reader->fn;
	connection->functions.createArray = create_array;
	reader->fn = &connection->functions;
	reader->privdata = connection;
}

/* What hiredis or the server says: anything may be in it. */
static const char *quote(char out[400], const char *text)
{
	return problem_quote(out, 400, text, strlen(text));
}

/* Until the descriptor is ready. False: not by then. */
static bool wait_for(const redisContext *context, short events, long long deadline)
{
	struct pollfd file = {.fd = context->fd, .events = events};
	long long left;

	while ((left = deadline - clock_now()) > 0) {
		const int ready = poll(&file, 1, left < 1000 ? (int)left : 1000);

		if (ready > 0 || (ready < 0 && errno != EINTR))
			return true; /* an error shows when it is read */
	}
	return false;
}

static bool send_all(redisContext *context, long long deadline, struct problem *why)
{
	char shown[400];
	int done = 0;

	while (redisBufferWrite(context, &done) == REDIS_OK) {
		if (done)
			return true;
		if (!wait_for(context, POLLOUT, deadline)) {
			problem_set(why, "it accepted no command in time");
			return false;
		}
	}
	problem_set(why, "%s", quote(shown, context->errstr));
	return false;
}

static redisReply *receive(redisContext *context, size_t most, long long deadline,
			   struct problem *why)
{
	size_t received = 0;
	void *reply = NULL;
	char shown[400];

	while (redisGetReplyFromReader(context, &reply) == REDIS_OK && !reply) {
		const size_t before = context->reader->len;

		if (redisBufferRead(context) != REDIS_OK)
			break;
		received += context->reader->len - before;
		if (received > most) {
			problem_set(why, "its answer is larger than %zu bytes", most);
			return NULL;
		}
		if (context->reader->len == before && !wait_for(context, POLLIN, deadline)) {
			problem_set(why, "its answer did not come in time");
			return NULL;
		}
		/* Also of one that never lets us wait. */
		if (clock_now() > deadline) {
			problem_set(why, "its answer did not come in time");
			return NULL;
		}
	}
	if (!reply)
		problem_set(why, "%s", quote(shown, context->errstr));
	return reply;
}

redisReply *redis_connection_ask(struct redis_connection *connection, int count, const char **words,
				 const size_t *lengths, size_t most, long long deadline,
				 struct problem *why)
{
	redisContext *context = connection->context;

	if (redisAppendCommandArgv(context, count, words, lengths) != REDIS_OK) {
		problem_set(why, "%.400s", context->errstr);
		return NULL;
	}
	return send_all(context, deadline, why) ? receive(context, most, deadline, why) : NULL;
}

/* ---- TLS ---- */

bool redis_connection_has_tls(void)
{
#ifdef HAVE_HIREDIS_SSL
	return true;
#else
	return false;
#endif
}

#ifdef HAVE_HIREDIS_SSL
/* The server's certificate must be good for its name (RFC 9525); hiredis by itself does not look. */
static SSL *new_session(SSL_CTX *tls, const char *host)
{
	struct in6_addr ignored;
	SSL *session = SSL_new(tls);
	bool good = session != NULL;

	if (good &&
	    (inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1))
		good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1;
	else if (good)
		good = SSL_set1_host(session, host) == 1 &&
		       SSL_set_tlsext_host_name(session, host) == 1;
	if (good)
		return session;
	SSL_free(session);
	return NULL;
}

/* The handshake itself is a part of the first command's sending and receiving. */
static bool start_tls(struct redis_connection *connection, const struct redis_address *address,
		      struct problem *why)
{
	connection->tls = SSL_CTX_new(TLS_client_method());
	if (!connection->tls ||
	    SSL_CTX_set_min_proto_version(connection->tls, TLS1_2_VERSION) != 1) {
		problem_set(why, "no memory for TLS");
		return false;
	}
	SSL_CTX_set_verify(connection->tls, SSL_VERIFY_PEER, NULL);
	if (address->ca_file[0]
		    ? SSL_CTX_load_verify_locations(connection->tls, address->ca_file, NULL) != 1
		    : SSL_CTX_set_default_verify_paths(connection->tls) != 1) {
		problem_set(why, "the certificates to trust cannot be read%s%.300s",
			    address->ca_file[0] ? ": " : "", address->ca_file);
		return false;
	}
	connection->session = new_session(connection->tls, address->host);
	if (!connection->session) {
		problem_set(why, "no memory for TLS");
		return false;
	}
	if (redisInitiateSSL(connection->context, connection->session) == REDIS_OK)
		return true;
	problem_set(why, "TLS: %.400s", connection->context->errstr);
	return false;
}

/* hiredis does not say why a certificate would not do. */
static void explain_tls(const struct redis_connection *connection, struct problem *why)
{
	const long result =
		connection->session ? SSL_get_verify_result(connection->session) : X509_V_OK;

	if (result != X509_V_OK)
		problem_set(why, "its certificate: %.400s", X509_verify_cert_error_string(result));
}
#else
static bool start_tls(struct redis_connection *connection, const struct redis_address *address,
		      struct problem *why)
{
	(void)connection;
	(void)address;
	problem_set(why, "this filter was built without TLS for Redis");
	return false;
}

static void explain_tls(const struct redis_connection *connection, struct problem *why)
{
	(void)connection;
	(void)why;
}
#endif

/* ---- opening ---- */

/* One command of the greeting; what the server says to it is the reason if it is an error. */
static bool greet(struct redis_connection *connection, int count, const char **words,
		  long long deadline, struct problem *why)
{
	struct problem away;
	char shown[400];
	redisReply *reply = redis_connection_ask(connection, count, words, NULL, GREETING_MAXIMUM,
						 deadline, &away);
	const bool good = reply && reply->type != REDIS_REPLY_ERROR;

	if (!good)
		problem_set(why, "%.200s: %.400s", words[0],
			    reply ? quote(shown, reply->str) : away.text);
	if (reply)
		freeReplyObject(reply);
	return good;
}

static bool log_in(struct redis_connection *connection, const struct redis_address *address,
		   long long deadline, struct problem *why)
{
	const char *named[] = {"AUTH", address->user, address->password};
	const char *nameless[] = {"AUTH", address->password};
	char number[16];
	const char *select[] = {"SELECT", number};
	const char *ping[] = {"PING"};

	snprintf(number, sizeof(number), "%d", address->database);
	if (address->user[0] && !greet(connection, 3, named, deadline, why))
		return false;
	if (!address->user[0] && address->password[0] &&
	    !greet(connection, 2, nameless, deadline, why))
		return false;
	if (address->database > 0 && !greet(connection, 2, select, deadline, why))
		return false;
	return greet(connection, 1, ping, deadline, why);
}

/* From here on hiredis reads and writes what is there, and we do the waiting. */
static bool stop_blocking(redisContext *context)
{
	const int flags = fcntl(context->fd, F_GETFL);

	context->flags &= ~REDIS_BLOCK;
	return flags >= 0 && fcntl(context->fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static redisContext *connect_to(const struct redis_address *address, long long deadline)
{
	const long long left = deadline - clock_now();
	const struct timeval timeout = {.tv_sec = left > 0 ? left / 1000 : 0,
					.tv_usec = left > 0 ? left % 1000 * 1000 : 1};

	return address->path[0] ? redisConnectUnixWithTimeout(address->path, timeout)
				: redisConnectWithTimeout(address->host, address->port, timeout);
}

struct redis_connection *redis_connection_open(const struct redis_address *address,
					       long long deadline, struct problem *why)
{
	struct redis_connection *connection = calloc(1, sizeof(*connection));
	redisContext *context = connection ? connect_to(address, deadline) : NULL;

	if (!context) {
		problem_set(why, "no memory");
		free(connection);
		return NULL;
	}
	connection->context = context;
	if (context->err) {
		problem_set(why, "%.400s", context->errstr);
	} else if (!stop_blocking(context)) {
		problem_set(why, "%s", strerror(errno));
	} else {
		bound_arrays(connection);
		if (!address->path[0])
			redisEnableKeepAlive(context);
		if ((!address->tls || start_tls(connection, address, why)) &&
		    log_in(connection, address, deadline, why))
			return connection;
		explain_tls(connection, why);
	}
	redis_connection_close(connection);
	return NULL;
}

void redis_connection_close(struct redis_connection *connection)
{
	if (!connection)
		return;
	redisFree(connection->context);
#ifdef HAVE_HIREDIS_SSL
	SSL_CTX_free(connection->tls);
#endif
	free(connection);
}
