/* Who asked for a reload is answered, and nobody else. */
#include "reload_request.h"

#include "testing.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct timespec at_once = {0};

/* The next of the signals that came to us; 0 if there is none. */
static int take_signal(siginfo_t *info)
{
	sigset_t signals;
	int number;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	number = sigtimedwait(&signals, info, &at_once);
	return number > 0 ? number : 0;
}

/* A request of a process that does not wait for its answer. */
static siginfo_t make_request(void)
{
	siginfo_t info;
	struct problem why;
	const pid_t asker = fork();

	assert_true(asker >= 0);
	if (asker == 0)
		_exit(reload_request(getppid(), 1, &why) == RELOAD_UNKNOWN ? 0 : 1);
	assert_int_equal(waitpid(asker, NULL, 0), asker);
	assert_int_equal(take_signal(&info), SIGUSR1);
	assert_int_equal(info.si_pid, asker);
	return info;
}

static void who_asked_is_answered(void **state)
{
	siginfo_t request = make_request(), answer;

	(void)state;
	request.si_pid = getpid();
	reload_reply(&request, true);
	assert_int_equal(take_signal(&answer), SIGUSR1);
	reload_reply(&request, false);
	assert_int_equal(take_signal(&answer), SIGUSR2);
}

/* Its number is 0 here, by which kill(2) means our whole process group: the answer would end us. */
static void who_asks_from_outside_the_container_is_not_answered(void **state)
{
	siginfo_t request = make_request(), answer;

	(void)state;
	request.si_pid = 0;
	reload_reply(&request, false);
	assert_int_equal(take_signal(&answer), 0);
}

static void a_plain_signal_is_not_answered(void **state)
{
	const siginfo_t request = {.si_code = SI_USER, .si_pid = getpid()};
	siginfo_t answer;

	(void)state;
	reload_reply(&request, true);
	assert_int_equal(take_signal(&answer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asked_is_answered),
		cmocka_unit_test(who_asks_from_outside_the_container_is_not_answered),
		cmocka_unit_test(a_plain_signal_is_not_answered),
	};
	sigset_t signals;

	/* What goes astray must not end others. */
	setpgid(0, 0);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
