/*
 * message_state: what is known of one message so far; for the files that message is made of, and
 * for no others.
 */
#ifndef MESSAGE_STATE_H
#define MESSAGE_STATE_H

#include "calendar.h"
#include "log.h"
#include "mailbox.h"
#include "message.h"
#include "spool.h"
#include "tag.h"

struct message {
	const struct message_services *services;
	struct config *config; /* held from begin to begin */
	long long begun;       /* clock_now() */

	/* Gathered. */
	enum {
		ROLE_DIRECT,    /* cancel, in the sender's own transaction */
		ROLE_GATE,      /* queued mode: check and stamp */
		ROLE_CANCEL,    /* second listener: cancel */
		ROLE_MISPLACED, /* routed mode: no listener of ours */
	} role;
	bool trusted;
	struct sockaddr_storage client; /* AF_UNSPEC if the MTA does not know it */
	char login[256];                /* "" if there is none, or it does not fit */
	bool login_fits;
	char sender[ADDRESS_MAXIMUM + 1]; /* as the MTA read it */
	enum mailbox_reading sender_reading;
	char typed_sender[128];   /* as the client gave it; for people */
	long long announced_size; /* bytes; 0 if unknown */
	char host[256];           /* the MTA's own name */
	struct envelope envelope;
	char queue_id[64];
	struct headers headers;
	struct spool body;

	/* Worked out. */
	struct tag tag;
	char invite_recipient[ADDRESS_MAXIMUM + 1]; /* ""; set where an invite is cancelled */
	const struct account *account;
	struct mime_scanner *scanner;
	bool is_active; /* counted among the active messages, until it is forgotten */
	struct mime_plan plan;
	bool strip_only; /* the tags go, and that is all */
	bool decided;
	struct verdict verdict;
	bool logged; /* the log has its line */
	struct cancel_result cancel;
	struct ledger_call call; /* as the ledger has it; in doubt: the invite may be cancelled */
	const char *kept; /* a calendar of the ledger is used: same_message, fallback; or NULL */
	struct calendar calendar;
	struct rewrite rewrite;
	bool has_new_body;
	bool rerouted;
	struct header_edits edits;
};

/* ---- message ---- */

/* The verdict, with the tag's name in front of the reason. Gives false, for a check to return. */
bool message_decide(struct message *message, enum outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The verdict where there is nothing to explain. */
void message_accept(struct message *message, enum outcome outcome);

/* ---- message_check ---- */

/* Is it certain who the sender is? False: decided. */
bool message_check_sender(struct message *message);

/* Everything about a tagged message that can be said before its body is seen. False: decided. */
bool message_check(struct message *message);

/* Are there few enough headers that may have to be changed? False: decided. */
bool message_check_edits(struct message *message);

/* Can it take a calendar, as far as the scanner has seen it? False: decided. */
bool message_check_shape(struct message *message);

/* A recipient has the suffix that only the gate may give it. True: that is no good; decided. */
bool message_refuse_suffix(struct message *message);

/* True: decided. */
bool message_is_too_large(struct message *message);

/* ---- message_gate ---- */

/* Queued mode, first listener: the tag becomes a stamp, and the MTA is shown the way. Decides. */
void message_stamp(struct message *message);

/* A stamp of ours, made for this very message: it has been at the gate before. */
bool message_has_true_stamp(const struct message *message);

/*
 * Must the tag be a stamp? At the second listener, but for routed mode, where the MTA alone sends
 * mail there, as the application wrote it; stamped mail may still come from queued mode before.
 */
bool message_needs_stamp(const struct message *message);

/* Second listener: what the stamp says, if it is a true one. False: decided. */
bool message_check_stamp(struct message *message);

/* ---- message_cancel ---- */

/* Has the invite cancelled and the calendar put in; blocks; decides. */
void message_cancel(struct message *message, cancel_progress *progress, void *context);

/* A probe has come as far as a message comes before Cronofy is called: it ends here. */
void message_end_probe(struct message *message);

/* ---- message_ledger ---- */

/*
 * Puts a kept calendar where Cronofy's would be: the one that was obtained for this very message,
 * or the latest one of its invite. False if there is none, or none to be had. If the ledger is
 * required and cannot be used, the first one decides that, before Cronofy is asked.
 */
bool message_find_same(struct message *message);
bool message_find_latest(struct message *message);

/*
 * Writes down that Cronofy is about to be called, until `deadline` (clock_now()) at most; waits while
 * another try of the message is in its call. False: there is no call to be made: it is decided, or the
 * other try's calendar is where Cronofy's would be.
 */
bool message_begin_call(struct message *message, const struct cancel_request *request);

/* The call is over, and there is no calendar. */
void message_end_call(struct message *message);

/*
 * Keeps Cronofy's calendar, which ends the call. False: it could not be kept and has to be, which is
 * decided.
 */
bool message_keep(struct message *message);

/* How often the ledger's record has it that this message's calendar was no good. */
long long message_count_bad_calendars(struct message *message);

/* Records what became of the message. `ms`: since its sender. */
void message_record(struct message *message, long long ms);

/* ---- message_log ---- */

/* Writes the one line about this message. */
void message_write_log(struct message *message);

#endif
