/*
 * measure: what a command costs, run several times with its output thrown away.
 *
 *	measure TIMES COMMAND ARGUMENT...
 *
 * Prints {"seconds": S, "processor": P, "peak_kib": K} for each run. A small program of its own
 * because a process counts the memory that its parent had when it was forked as its own peak, and
 * Python has a lot.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static _Noreturn void become(char **command)
{
	const int nowhere = open("/dev/null", O_WRONLY);

	if (nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0)
		execvp(command[0], command);
	_exit(EX_UNAVAILABLE);
}

int main(int count, char **arguments)
{
	const unsigned long times = count > 2 ? strtoul(arguments[1], NULL, 10) : 0;

	if (times == 0) {
		fputs("usage: measure TIMES COMMAND ARGUMENT...\n", stderr);
		return EX_USAGE;
	}
	for (unsigned long i = 0; i < times; i++) {
		const double begun = now();
		struct rusage used;
		int status;
		pid_t child = fork();

		if (child < 0)
			return EX_OSERR;
		if (child == 0)
			become(arguments + 2);
		if (wait4(child, &status, 0, &used) != child || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 0) {
			fprintf(stderr, "measure: %s failed\n", arguments[2]);
			return EX_SOFTWARE;
		}
		printf("{\"seconds\": %.6f, \"processor\": %.6f, \"peak_kib\": %ld}\n", now() - begun,
		       seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss);
	}
	return EX_OK;
}
