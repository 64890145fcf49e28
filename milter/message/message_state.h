/* message_state: what a message is made of; for message and its report, and for no others. */
#ifndef MESSAGE_STATE_H
#define MESSAGE_STATE_H

#include "attach.h"
#include "cancellation.h"
#include "message.h"

struct message {
	const struct message_services *services;
	struct transaction transaction; /* written by the callbacks; read-only from then on */
	struct request request;         /* written by the checks of tag and stamp */
	struct attach attach;           /* the body, and what is done to it */
	struct cancellation cancellation;
	struct header_edits edits;
	bool rerouted;  /* the recipients get new names */
	bool is_active; /* counted among the active messages */
	enum {
		WORK_NONE,  /* the headers are not complete, or the verdict is there */
		WORK_STRIP, /* the tags go, and that is all; the verdict says why */
		WORK_STAMP,
		WORK_CANCEL,
	} work;
	bool decided;
	struct verdict verdict;
};

/* ---- message_report.c ---- */

/* One line in the log. `ms`: since the message began. */
void message_write_log(const struct message *message, long long ms);

/* A record in the ledger. */
void message_write_record(const struct message *message, long long ms);

#endif
