/* program: asks another program, and reads what it prints. */
#include "program.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_THERE 127 /* the exit code of a child that could not run it */

/* In the child: becomes the program. A user's PATH often lacks sbin. */
static void become(char *const *arguments, int output)
{
	const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[128];

	if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDERR_FILENO) >= 0 &&
	    dup2(output, STDOUT_FILENO) >= 0) {
		execvp(arguments[0], arguments);
		snprintf(path, sizeof(path), "/usr/sbin/%s", arguments[0]);
		execv(path, arguments);
	}
	_exit(NOT_THERE);
}

/* Reads to the end. False, and why, if it takes too long or is too much. */
static bool read_output(const char *name, int input, long long timeout, struct buffer *out,
			struct problem *why)
{
	const long long until = clock_now() + timeout;
	struct pollfd waiting = {.fd = input, .events = POLLIN};
	char piece[8192];
	ssize_t count = 1;

	while (count > 0 && !out->failed) {
		const long long left = until - clock_now();
		const int ready = left > 0 ? poll(&waiting, 1, (int)left) : 0;

		if (ready == 0) {
			problem_set(why, "%s did not answer within %lld ms", name, timeout);
			return false;
		}
		count = ready > 0 ? read(input, piece, sizeof(piece)) : -1;
		if (count > 0)
			buffer_append(out, piece, (size_t)count);
		else if (count < 0 && errno == EINTR)
			count = 1;
	}
	if (out->failed)
		problem_set(why, "%s said more than %zu bytes", name, out->maximum);
	else if (count < 0)
		problem_set(why, "%s: %s", name, strerror(errno));
	return count == 0 && !out->failed;
}

/* Its exit code; it is ended first unless all was read. */
static int reap(pid_t child, bool finished)
{
	int status = 0;

	if (!finished)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum program_answer program_ask(char *const *arguments, long long timeout, struct buffer *out,
				struct problem *why)
{
	int ends[2], exit_code;
	bool finished;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		problem_set(why, "no pipe for %s: %s", arguments[0], strerror(errno));
		return PROGRAM_FAILED;
	}
	child = fork();
	if (child == 0)
		become(arguments, ends[1]);
	close(ends[1]);
	if (child < 0)
		problem_set(why, "no process for %s: %s", arguments[0], strerror(errno));
	finished = child > 0 && read_output(arguments[0], ends[0], timeout, out, why);
	close(ends[0]);
	if (child < 0)
		return PROGRAM_FAILED;
	exit_code = reap(child, finished);
	if (!finished)
		return PROGRAM_FAILED;
	if (exit_code == NOT_THERE)
		return PROGRAM_ABSENT;
	if (exit_code != 0)
		problem_set(why, "%s ended with code %d", arguments[0], exit_code);
	return exit_code == 0 ? PROGRAM_SAID : PROGRAM_FAILED;
}
