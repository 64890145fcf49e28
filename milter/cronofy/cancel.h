/*
 * cancel: one invite cancelled for one recipient: a turn for each try, tries, waits between them, one
 * deadline for all; and the question what has become of an invite.
 */
#ifndef CANCEL_H
#define CANCEL_H

#include "breaker.h"
#include "buffer.h"
#include "config.h"
#include "cronofy.h"
#include "http.h"
#include "metrics.h"
#include "pace.h"
#include "problem.h"

#include <stdbool.h>

/* How often progress is reported to the waiting party. */
#define CANCEL_PROGRESS_INTERVAL 5000 /* ms */

/*
 * Reports progress to the MTA; false if it is gone. Then no more tries are made, but a
 * call that has begun continues to its end, and its calendar is the result.
 */
typedef bool cancel_progress(void *context);

struct cancel_request {
	const struct account *account;
	struct pace *pace;         /* who gives turns; NULL: every try goes at once */
	struct breakers *breakers; /* NULL: every try is made */
	const char *invite_id;
	const char *recipient;
	long long deadline;        /* the moment (clock_now()) at which everything must be over */
	cancel_progress *progress; /* or NULL */
	void *context;
	struct metrics *metrics; /* or NULL: calls are not counted */
};

struct cancel_result {
	enum cancel_outcome outcome;
	enum cronofy_answer answer; /* to the last try; CRONOFY_NO_ANSWER if there was none */
	long status;                /* HTTP's, of the last answer; 0 if there was none */
	long http_version;          /* 11, 20 */
	long new_connections;       /* made for it, all tries */
	unsigned int attempts;
	bool in_doubt;      /* a try may have cancelled the invite, and its answer never came */
	long long waited;   /* ms, for turns */
	struct problem why; /* unless CANCEL_DONE: a text for the sender and the log */
	struct buffer calendar;
};

/* Blocks until there is a result. The caller frees result->calendar in any case. */
void cancel_invite(struct http *http, const struct cancel_request *request,
		   struct cancel_result *result);

/*
 * Asks for the invite as it is now ("Invite Status", read-only), in one try. CANCEL_DONE: there is a
 * calendar; what Cronofy shows of a cancelled invite is not documented, so it may as well be the old
 * invitation: it counts only if it says METHOD:CANCEL. The caller frees as for cancel_invite().
 */
void cancel_ask_status(struct http *http, const struct cancel_request *request,
		       struct cancel_result *result);

#endif
