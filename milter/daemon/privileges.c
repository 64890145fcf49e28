/* privileges: what a process may be and may hold, from its start on. */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool privileges_open_standard_files(void)
{
	int file;

	do {
		file = open("/dev/null", O_RDWR);
	} while (file >= 0 && file <= STDERR_FILENO);
	if (file >= 0)
		close(file);
	return file >= 0;
}

void privileges_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void privileges_forbid_core_files(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

bool privileges_drop(const struct config *config, struct problem *why)
{
	if (!config->user[0] || (geteuid() != 0 && geteuid() == config->uid))
		return true;
	if (initgroups(config->user, config->gid) == 0 && setgid(config->gid) == 0 &&
	    setuid(config->uid) == 0 && (config->uid == 0 || setuid(0) != 0))
		return true;
	problem_set(why, "cannot become user %s: %s", config->user, strerror(errno));
	return false;
}
