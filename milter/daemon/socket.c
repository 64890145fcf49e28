/* socket: the listening sockets: their paths, owners and modes. */
#include "socket.h"

#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Is somebody listening there? */
static bool is_alive(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive;

	if (probe < 0)
		return true;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	alive = connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		errno != ECONNREFUSED;
	close(probe);
	return alive;
}

bool socket_clear_path(const struct config *config, struct problem *why)
{
	const char *path = config->socket_path;
	struct stat status;

	if (!path)
		return true;
	if (lstat(path, &status) < 0) {
		if (errno == ENOENT)
			return true;
		problem_set(why, "socket %s: %s", path, strerror(errno));
		return false;
	}
	if (!S_ISSOCK(status.st_mode)) {
		problem_set(why,
			    "socket %s: a file is there that is not a socket; remove "
			    "it",
			    path);
		return false;
	}
	if (is_alive(path)) {
		problem_set(why, "socket %s: already in use: another process is listening there",
			    path);
		return false;
	}
	if (unlink(path) < 0) {
		problem_set(why, "socket %s, left by an earlier process: %s", path,
			    strerror(errno));
		return false;
	}
	return true;
}

/* Of the socket itself, by a descriptor: nobody can put another file in its place meanwhile. */
static bool change_owner_and_mode(const struct config *config, int file, struct problem *why)
{
	const uid_t user = config->user[0] ? config->uid : (uid_t)-1;
	const gid_t group = config->socket_group[0] ? config->socket_gid : (gid_t)-1;
	char path[64];

	if (!owner_set(file, user, group)) {
		problem_set(why,
			    "socket %s: cannot set its group or owner (socket_group, user): %s; "
			    "start the filter as root, or with a group that its user belongs to "
			    "and a sandbox that allows it",
			    config->socket_path, strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	if (chmod(path, (mode_t)config->socket_mode) < 0) {
		problem_set(why, "socket_mode of %s: %s", config->socket_path, strerror(errno));
		return false;
	}
	return true;
}

bool socket_open_up(const struct config *config, struct problem *why)
{
	struct stat status;
	bool good = false;
	int file;

	if (!config->socket_path)
		return true;
	file = open(config->socket_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0 || fstat(file, &status) < 0 || !S_ISSOCK(status.st_mode))
		problem_set(why, "socket %s was replaced by another file", config->socket_path);
	else
		good = change_owner_and_mode(config, file, why);
	if (file >= 0)
		close(file);
	return good;
}

struct socket_address socket_find(const struct config *config)
{
	const struct addrinfo hints = {
		.ai_family = strncmp(config->socket, "inet6:", 6) == 0 ? AF_INET6 : AF_INET,
		.ai_socktype = SOCK_STREAM,
	};
	struct socket_address where = {.length = 0};
	struct addrinfo *found = NULL;
	char port[8], host[256];

	if (config->socket_path) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};

		snprintf(address.sun_path, sizeof(address.sun_path), "%s", config->socket_path);
		memcpy(&where.address, &address, sizeof(address));
		where.length = sizeof(address);
	} else if (sscanf(config->socket, "%*[^:]:%7[0-9]@%255s", port, host) == 2 &&
		   getaddrinfo(host, port, &hints, &found) == 0) {
		memcpy(&where.address, found->ai_addr, found->ai_addrlen);
		where.length = found->ai_addrlen;
		freeaddrinfo(found);
	}
	return where;
}

int socket_listen(const char *address, struct problem *why)
{
	struct socket_address where;
	int on = 1, listening;

	if (!socket_address_read(&where, address)) {
		problem_set(why, "%s is not address:port", address);
		return -1;
	}
	listening = socket(where.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listening >= 0) {
		setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (where.address.ss_family == AF_INET6)
			setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		if (bind(listening, (const struct sockaddr *)&where.address, where.length) == 0 &&
		    listen(listening, SOMAXCONN) == 0)
			return listening;
	}
	problem_set(why, "%s: %s", address, strerror(errno));
	if (listening >= 0)
		close(listening);
	return -1;
}

void socket_wake(const struct socket_address *where)
{
	int caller = socket(where->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (caller < 0)
		return;
	/* Whether somebody opens is of no interest. */
	(void)!connect(caller, (const struct sockaddr *)&where->address, where->length);
	close(caller);
}
