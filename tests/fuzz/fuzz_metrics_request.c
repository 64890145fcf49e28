/* Whatever may come to the metrics page: bytes of one connection, to the page as it runs. */
#include "metrics_page.h"
#include "outcome.h"

#include "fuzz.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE     2000 /* ms; a connection that says less than a request may idle longer */
#define ALIVE_EVERY  64   /* inputs */
#define HEALTH_QUERY "GET /healthz HTTP/1.0\r\n\r\n"

static struct sockaddr_in address = {.sin_family = AF_INET};

static void start(void)
{
	const int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	struct metrics *metrics = metrics_new("1", outcome_word, OUTCOME_COUNT);
	struct problem why;

	must(metrics);
	metrics_add_account(metrics, "acme");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(listening, (struct sockaddr *)&address, size) == 0);
	must(listen(listening, 64) == 0);
	must(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
	must(metrics_page_start(listening, metrics, &why));
}

static size_t receive(int connection, char *out, size_t room)
{
	struct pollfd readable = {.fd = connection, .events = POLLIN};
	size_t got = 0;

	while (got < room && poll(&readable, 1, PATIENCE) == 1) {
		const ssize_t more = recv(connection, out + got, room - got, 0);

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	return got;
}

/* From an address of its own, as one address would run out of ports. */
static int connect_anew(void)
{
	static uint32_t connections;
	const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in from = {.sin_family = AF_INET};

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + connections++ % 0xfffff0);
	must(connection >= 0);
	must(setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
	must(bind(connection, (struct sockaddr *)&from, sizeof(from)) == 0);
	must(connect(connection, (struct sockaddr *)&address, sizeof(address)) == 0);
	return connection;
}

/* What comes back for these bytes and the end of them. */
static struct span ask(struct span bytes)
{
	static char reply[1024 * 1024];
	const int connection = connect_anew();
	struct span got = {reply, 0};

	send(connection, bytes.at, bytes.length, MSG_NOSIGNAL);
	shutdown(connection, SHUT_WR);
	got.length = receive(connection, reply, sizeof(reply));
	close(connection);
	return got;
}

static bool holds(struct span text, const char *wanted)
{
	return text.length > 0 && memmem(text.at, text.length, wanted, strlen(wanted)) != NULL;
}

static bool begins(struct span text, const char *wanted)
{
	return text.length >= strlen(wanted) && memcmp(text.at, wanted, strlen(wanted)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	static unsigned int inputs;
	const struct span input = fuzz_span(data, size);
	struct span reply;

	if (!started)
		start();
	started = true;
	reply = ask(input);
	must(reply.length == 0 || begins(reply, "HTTP/1."));
	/* Nothing is told to who did not ask for it. */
	must(!holds(reply, "cancel_invite_") || holds(input, "metrics") || holds(input, "%"));
	/* A request is not echoed: what is shown is the page's own. */
	must(!holds(reply, "fuzz-echo"));
	if (++inputs % ALIVE_EVERY == 1) {
		reply = ask(span_of_text(HEALTH_QUERY));
		must(begins(reply, "HTTP/1.") && holds(reply, " 200 ") &&
		     holds(reply, "\r\n\r\nok\n"));
	}
	return 0;
}
