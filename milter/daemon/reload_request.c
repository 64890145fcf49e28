/* A request to reload, and its answer, as signals with values. */
#include "reload_request.h"

#include "clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Without it nobody waits for an answer, and a signal would end who does not expect one. */
#define WANTS_ANSWER 0x63696d

static void fill_answers(sigset_t *answers)
{
	sigemptyset(answers);
	sigaddset(answers, SIGUSR1);
	sigaddset(answers, SIGUSR2);
}

/* The filter's answer; 0 if none came until then. */
static int wait_for_answer(const sigset_t *answers, pid_t filter, long long until)
{
	long long left;
	siginfo_t info;

	while ((left = until - clock_now()) > 0) {
		const struct timespec timeout = {
			.tv_sec = (time_t)(left / 1000),
			.tv_nsec = (long)(left % 1000) * 1000000,
		};
		const int number = sigtimedwait(answers, &info, &timeout);

		if (number > 0 && info.si_pid == filter)
			return number;
	}
	return 0;
}

enum reload_answer reload_request(pid_t filter, long long longest, struct problem *why)
{
	sigset_t answers;

	fill_answers(&answers);
	pthread_sigmask(SIG_BLOCK, &answers, NULL);
	if (filter <= 0 ||
	    sigqueue(filter, SIGUSR1, (union sigval){.sival_int = WANTS_ANSWER}) < 0) {
		problem_set(why, "process %d cannot be asked to reload: %s", (int)filter,
			    filter <= 0 ? "no process has this number" : strerror(errno));
		return RELOAD_NOT_ASKED;
	}
	switch (wait_for_answer(&answers, filter, clock_now() + longest)) {
	case SIGUSR1:
		return RELOAD_DONE;
	case SIGUSR2:
		problem_set(why, "the configuration is faulty, the old one stays in force; the "
				 "filter's log says where");
		return RELOAD_REFUSED;
	default:
		problem_set(why,
			    "process %d did not report within %lld s whether it reloaded; see its "
			    "log. It can answer only its own user",
			    (int)filter, longest / 1000);
		return RELOAD_UNKNOWN;
	}
}

void reload_reply(const siginfo_t *request, bool done)
{
	/* One outside our container has no number here, and 0 is our whole process group to kill(2). */
	if (request->si_code == SI_QUEUE && request->si_value.sival_int == WANTS_ANSWER &&
	    request->si_pid > 0)
		kill(request->si_pid, done ? SIGUSR1 : SIGUSR2);
}
