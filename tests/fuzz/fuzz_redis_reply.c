/*
 * Whatever answers as Redis: the first line says what is asked for, the rest is all that the server
 * ever sends after its greeting. It is sent through a real socket, so that hiredis reads it too.
 */
#include "clock.h"
#include "redis_store.h"

#include "fuzz.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING "+PONG\r\n"

struct server {
	struct redis_address address;
	int listening;
	struct span says;
};

/* Says it all at once, and hangs up: nobody waits for more. */
static void *serve(void *context)
{
	const struct server *server = context;
	const int file = accept(server->listening, NULL, NULL);
	char asked[4096];

	if (write(file, GREETING, sizeof(GREETING) - 1) > 0 && server->says.length > 0 &&
	    write(file, server->says.at, server->says.length) < 0)
		must(server->says.length > 0); /* the client left before the end of it */
	shutdown(file, SHUT_WR);
	while (read(file, asked, sizeof(asked)) > 0)
		;
	close(file);
	return NULL;
}

static void listen_at(struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(server->address.path, sizeof(server->address.path), "/tmp/cim-fuzz-redis-%d",
		 (int)getpid());
	memcpy(address.sun_path, server->address.path, sizeof(server->address.path));
	unlink(address.sun_path);
	server->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(server->listening, (const struct sockaddr *)&address, sizeof(address)) == 0);
	must(listen(server->listening, 1) == 0);
}

static void ask_for_turns(struct redis_store *store)
{
	struct redis_budget budget = {.name = "acme"};
	size_t granted = 99;
	long long wait = -1;

	redis_store_take(store, &budget, 1, 5, 50, 500, &granted, &wait);
	must(granted <= 5);
	must(wait >= 0 && wait <= REDIS_WAIT_MAXIMUM);
}

static void ask_for_usage(struct redis_store *store)
{
	struct redis_budget budget = {.name = "acme"};
	long long used[REDIS_SECONDS] = {0};

	redis_store_usage(store, &budget, used);
	for (size_t i = 0; i < REDIS_SECONDS; i++)
		must(used[i] >= 0 && used[i] <= REDIS_USED_MAXIMUM);
}

static void ask_for_a_calendar(struct redis_store *store)
{
	static const struct redis_cancellation cancellation = {"a", "b", "c@d.example", "<1@x>"};
	struct buffer found = buffer_with_maximum(10000);

	/* Nobody but us can make a MAC. */
	must(redis_store_find(store, &cancellation, &found) != REDIS_FOUND);
	must(found.length == 0);
	buffer_free(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	const struct span what = fuzz_take_line(&rest);
	struct server server = {.says = rest};
	const struct redis_store_settings settings = {
		.address = &server.address, .prefix = "test:", .secret = "s3same"};
	struct redis_store *store;
	struct problem why;
	pthread_t thread;
	long long begun;

	signal(SIGPIPE, SIG_IGN);
	listen_at(&server);
	must(pthread_create(&thread, NULL, serve, &server) == 0);
	store = redis_store_new(&settings);
	begun = clock_now();
	must(redis_store_connect(store, &why));
	if (what.length > 0 && what.at[0] == 'u')
		ask_for_usage(store);
	else if (what.length > 0 && what.at[0] == 'c')
		ask_for_a_calendar(store);
	else
		ask_for_turns(store);
	must(clock_now() - begun < 20 * REDIS_TIMEOUT); /* also on a busy machine */
	redis_store_reason(store, &why);
	fuzz_check_problem(&why);
	redis_store_free(store);
	pthread_join(thread, NULL);
	close(server.listening);
	unlink(server.address.path);
	return 0;
}
