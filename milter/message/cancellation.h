/*
 * cancellation: has the invite of one message cancelled, and gives the calendar that says so: the
 * ledger's where it has one of this very message, else Cronofy's.
 */
#ifndef CANCELLATION_H
#define CANCELLATION_H

#include "calendar.h"
#include "cancel.h"
#include "outcome.h"
#include "request.h"
#include "services.h"
#include "transaction.h"

#include <stdbool.h>

struct cancellation {
	/* Given; they outlive it. */
	const struct message_services *services;
	const struct transaction *transaction;
	const struct request *request;
	/* Worked out. */
	struct cancel_request ask;
	struct ledger_call call;     /* as the ledger has it */
	bool in_doubt;               /* an earlier call may have cancelled the invite */
	struct cancel_result result; /* of the call; its calendar may be the ledger's */
	const char *kept; /* whence the calendar is, if it is not the call's answer: same_message,
			     fallback (the ledger's), status (asked for again); or NULL */
	struct calendar calendar; /* accepted; its text is what is attached */
};

/*
 * Blocks. The request has its account and recipient. True: `calendar` is there, and the ledger has it.
 * False: `why` is set, as the configuration chooses. `progress` is called about every 5 s; or NULL.
 */
bool cancellation_obtain(struct cancellation *cancellation, cancel_progress *progress,
			 void *context, struct verdict *why);

void cancellation_free(struct cancellation *cancellation);

/* ---- its ledger, for cancellation alone (cancellation_ledger.c) ---- */

enum cancellation_step {
	CANCELLATION_CALL,    /* Cronofy is to be called; the ledger has it that it is */
	CANCELLATION_KEPT,    /* a kept calendar is where Cronofy's would be */
	CANCELLATION_REFUSED, /* `why` is set */
};

/*
 * Looks for the calendar that was obtained for this very message when it came before, waiting while
 * another try of the message is in its call; else writes down that Cronofy is about to be called.
 */
enum cancellation_step cancellation_begin(struct cancellation *cancellation, struct verdict *why);

/* The call is over, and there is no calendar. */
void cancellation_end(struct cancellation *cancellation);

/* Puts the latest calendar of the invite where Cronofy's would be. */
enum ledger_found cancellation_find_latest(struct cancellation *cancellation);

/* Keeps Cronofy's calendar, which ends the call. False, and why, if it cannot be kept and has to be. */
bool cancellation_keep(struct cancellation *cancellation, struct verdict *why);

/* How often the ledger's records have it that this message's calendar was no good. */
long long cancellation_count_bad_calendars(const struct cancellation *cancellation);

#endif
