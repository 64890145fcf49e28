/*
 * ledger_lease: who is in a call to Cronofy, and until when at most; so that of several processes with
 * one ledger, or of several copies of one message, one calls, and the others wait.
 *
 * A lease ends by its time, and before that with the process that took it, as far as it can be seen:
 * one that was killed keeps nobody waiting.
 */
#ifndef LEDGER_LEASE_H
#define LEDGER_LEASE_H

#include <stdbool.h>

#define LEDGER_OWNER_SIZE 96 /* bytes */

struct ledger_lease {
	char owner[LEDGER_OWNER_SIZE]; /* "" if nobody holds it */
	long long since, until;        /* moments of clock_now(), which all processes here share */
};

/* For this process and this call alone, for `longest` ms from now on. */
struct ledger_lease ledger_lease_new(long long longest);

/* May its owner still be in the call? */
bool ledger_lease_holds(const struct ledger_lease *lease);

#endif
