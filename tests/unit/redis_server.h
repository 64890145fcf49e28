/*
 * redis_server: a Redis of one test's own, on a unix socket in a temporary folder. It is the one
 * that tests/deps unpacked; never the machine's. It dies with the test.
 */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include "redis_address.h"
#include "testing.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
	char folder[32];
	char program[512]; /* "": there is none */
	char socket[64];
	pid_t pid; /* 0: not running */
};

static inline bool redis_server_answers(const struct redis_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->socket);
	good = connect(file, (const struct sockaddr *)&address, sizeof(address)) == 0;
	close(file);
	return good;
}

/* Starts it, empty. `password` may be NULL. */
static inline void redis_server_start(struct redis_server *server, const char *password)
{
	/* Of several programs in one file it is the one that it is called by. */
	const char *words[] = {"redis-server",
			       "--port",
			       "0",
			       "--unixsocket",
			       server->socket,
			       "--save",
			       "",
			       "--loglevel",
			       "warning",
			       "--logfile",
			       "/dev/null",
			       "--dir",
			       server->folder,
			       password ? "--requirepass" : NULL,
			       password,
			       NULL};
	const struct timespec a_little = {.tv_nsec = 2000000};

	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(server->program, (char **)words);
		_exit(127);
	}
	for (int i = 0; i < 5000 && !redis_server_answers(server); i++)
		nanosleep(&a_little, NULL);
	assert_true(redis_server_answers(server));
}

/* Ends it, and all it knew. */
static inline void redis_server_stop(struct redis_server *server)
{
	if (server->pid == 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	unlink(server->socket);
	server->pid = 0;
}

static inline struct redis_address redis_server_address(const struct redis_server *server)
{
	struct redis_address address = {.database = 0};

	snprintf(address.path, sizeof(address.path), "%s", server->socket);
	snprintf(address.shown, sizeof(address.shown), "unix:%s", server->socket);
	return address;
}

static inline int redis_server_setup(void **state)
{
	static struct redis_server server;
	const char *tools = getenv("CIM_TOOLS");

	server = (struct redis_server){.folder = "/tmp/cim-redis-XXXXXX"};
	snprintf(server.program, sizeof(server.program), "%s/redis-tools/usr/bin/redis-check-rdb",
		 tools ? tools : "build/tools");
	if (!mkdtemp(server.folder))
		return -1;
	snprintf(server.socket, sizeof(server.socket), "%s/redis.sock", server.folder);
	*state = &server;
	return 0;
}

static inline int redis_server_teardown(void **state)
{
	redis_server_stop(*state);
	rmdir(((struct redis_server *)*state)->folder);
	return 0;
}

/* A test that needs it begins with this. */
static inline struct redis_server *redis_server_of(void **state)
{
	struct redis_server *server = *state;

	if (access(server->program, X_OK) != 0) {
		print_message("%s isn't there: run tests/deps check\n", server->program);
		skip();
	}
	return server;
}

#endif
