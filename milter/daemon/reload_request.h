/*
 * reload_request: has a running filter read its configuration anew, and hears whether it did.
 *
 * The request is the SIGUSR1 of kill(1), but with a value; the filter answers such a one with SIGUSR1
 * (done) or SIGUSR2 (refused), and any other with its log alone. A signal can only be sent to one's
 * own user: the asker runs as the filter's user, as ExecReload= of a unit does.
 */
#ifndef RELOAD_REQUEST_H
#define RELOAD_REQUEST_H

#include "problem.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum reload_answer {
	RELOAD_DONE,
	RELOAD_REFUSED, /* the configuration is faulty, the old one stays in force */
	RELOAD_UNKNOWN, /* asked, and no answer came */
	RELOAD_NOT_ASKED,
};

/*
 * Asks, and waits for at most `longest` ms. Blocks SIGUSR1 and SIGUSR2 for the thread for good: what
 * comes late must not end us. `why` is set unless it is done.
 */
enum reload_answer reload_request(pid_t filter, long long longest, struct problem *why);

/* The filter's half: `request` came with SIGUSR1, and `done` is how it went. */
void reload_reply(const siginfo_t *request, bool done);

#endif
