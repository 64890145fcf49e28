/* The HTTP thread where this process itself is the fault. Calls to servers: tests/integration. */
#include "http.h"

#include "clock.h"
#include "testing.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* libcrypto's, in its place for libcurl too: is the generator seeded? */
static atomic_int seeded = 1;

int RAND_status(void);
int RAND_status(void)
{
	return atomic_load(&seeded);
}

static atomic_int times_broken;

static void count_broken(void *context)
{
	(void)context;
	atomic_fetch_add(&times_broken, 1);
}

/* A server that takes connections and says nothing; its port. */
static int listen_somewhere(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const int listening = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listening, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listening, 16), 0);
	getsockname(listening, (struct sockaddr *)&address, &length);
	*port = ntohs(address.sin_port);
	return listening;
}

static struct http_reply call(struct http *http, const char *scheme, int port)
{
	char url[64];
	const struct http_request request = {.url = url,
					     .bearer = "key",
					     .ca_file = "",
					     .proxy = "",
					     .body = "{}",
					     .body_length = 2,
					     .timeout = 200};
	struct http_reply reply = {.arrived = false};
	struct http_call *begun;

	snprintf(url, sizeof(url), "%s://127.0.0.1:%d/", scheme, port);
	begun = http_begin(http, &request);
	assert_non_null(begun);
	assert_true(http_wait(begun, clock_now() + 10000));
	http_end(begun, &reply);
	assert_false(reply.arrived);
	buffer_free(&reply.body);
	return reply;
}

static void without_random_numbers_it_does_not_start(void **state)
{
	struct problem why = {.text = ""};

	(void)state;
	atomic_store(&seeded, 0);
	assert_null(http_start(&why));
	assert_contains(why.text, "random");
	atomic_store(&seeded, 1);
}

static void tells_its_owner_when_calls_in_a_row_fail_here(void **state)
{
	struct problem why;
	struct http *http = http_start(&why);
	int port, listening = listen_somewhere(&port);
	struct http_reply reply;

	(void)state;
	assert_non_null(http);
	http_watch(http, count_broken, NULL);
	atomic_store(&times_broken, 0);
	atomic_store(&seeded, 0);
	for (int i = 0; i < HTTP_BROKEN; i++) {
		assert_int_equal(atomic_load(&times_broken), 0);
		reply = call(http, "https", port);
		assert_true(reply.failed_here);
		assert_contains(reply.failure.text, "random");
	}
	assert_int_equal(atomic_load(&times_broken), 1);
	atomic_store(&seeded, 1);
	http_stop(http);
	close(listening);
}

static void failures_of_others_do_not_count(void **state)
{
	struct problem why;
	struct http *http = http_start(&why);
	int port, listening = listen_somewhere(&port);

	(void)state;
	assert_non_null(http);
	http_watch(http, count_broken, NULL);
	atomic_store(&times_broken, 0);
	atomic_store(&seeded, 0);
	for (int i = 0; i < 2 * HTTP_BROKEN; i++) {
		/* Every fifth one needs no random numbers, and times out. */
		const bool made = i % HTTP_BROKEN == 0;

		assert_int_equal(call(http, made ? "http" : "https", port).failed_here, !made);
	}
	assert_int_equal(atomic_load(&times_broken), 0);
	atomic_store(&seeded, 1);
	http_stop(http);
	close(listening);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_random_numbers_it_does_not_start),
		cmocka_unit_test(tells_its_owner_when_calls_in_a_row_fail_here),
		cmocka_unit_test(failures_of_others_do_not_count),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
