/* Leases: processes are known by their namespace, number and start. */
#include "ledger_lease.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* A process number means something only in its namespace (pid_namespaces(7)); 0 if it is not known. */
static unsigned long long namespace_of_processes(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 ? (unsigned long long)status.st_ino : 0;
}

/*
 * When it was started, in ticks since the machine was (proc(5), /proc/PID/stat, field 22): another
 * process with its number has another start. 0 if it has ended, though nobody took note yet; -1 if
 * there is nothing to be seen.
 */
static long long start_of(long process)
{
	char path[48], text[1024];
	const char *at;
	long long start = -1;
	ssize_t length;
	int file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", process);
	file = open(path, O_RDONLY | O_CLOEXEC);
	length = file >= 0 ? read(file, text, sizeof(text) - 1) : -1;
	if (file >= 0)
		close(file);
	text[length > 0 ? length : 0] = '\0';
	at = strrchr(text, ')'); /* behind its name, which may hold anything */
	if (!at || !at[1])
		return -1;
	at += 2;
	if (*at == 'Z' || *at == 'X')
		return 0;
	for (int field = 3; field < 22 && at; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (at)
		start = atoll(at);
	return start;
}

struct ledger_lease ledger_lease_new(long long longest)
{
	struct ledger_lease lease = {.since = clock_now()};
	unsigned long long call = 0;

	lease.until = lease.since + longest;
	if (getrandom(&call, sizeof(call), 0) != (ssize_t)sizeof(call))
		call = (unsigned long long)lease.since; /* another thread may have the same, then */
	snprintf(lease.owner, sizeof(lease.owner), "%llu %ld %lld %016llx",
		 namespace_of_processes(), (long)getpid(), start_of((long)getpid()), call);
	return lease;
}

static bool may_live(const char *owner)
{
	unsigned long long namespace;
	long process;
	long long start, now;

	if (sscanf(owner, "%llu %ld %lld", &namespace, &process, &start) != 3 || process <= 0)
		return false;
	if (namespace == 0 || namespace != namespace_of_processes())
		return true; /* nothing to be seen from here */
	now = start_of(process);
	if (now < 0)
		return kill((pid_t)process, 0) == 0 || errno != ESRCH;
	return now == start;
}

bool ledger_lease_holds(const struct ledger_lease *lease)
{
	const long long now = clock_now();

	/* One of before the machine was started anew began later than now. */
	return lease->owner[0] && lease->since <= now && now < lease->until &&
	       may_live(lease->owner);
}
