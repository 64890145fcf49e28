/*
 * message_state: what is known of one message so far; for the files that message is made of, and
 * for no others.
 */
#ifndef MESSAGE_STATE_H
#define MESSAGE_STATE_H

#include "calendar.h"
#include "log.h"
#include "message.h"
#include "spool.h"
#include "tag.h"

struct message {
	const struct message_services *services;
	struct config *config; /* held from begin to begin */
	long long begun;       /* monotonic_now() */

	/* Gathered. */
	bool trusted;
	struct sockaddr_storage client; /* AF_UNSPEC if the MTA does not know it */
	char login[256];
	char sender[TAG_ADDRESS_MAXIMUM + 1];
	bool sender_fits;
	char recipient[TAG_ADDRESS_MAXIMUM + 1]; /* the first of the envelope */
	size_t recipients;
	char queue_id[64];
	struct headers headers;
	struct spool body;

	/* Worked out. */
	struct tag tag;
	const char *invite_recipient;
	const struct account *account;
	struct mime_scanner *scanner;
	bool has_place; /* among those at work; until the message is forgotten */
	struct mime_plan plan;
	bool strip_only; /* the tags go, and that is all */
	bool decided;
	struct message_verdict verdict;
	bool told;          /* the log has its line */
	const char *result; /* a word for the log */
	enum log_level level;
	struct cancel_result cancel;
	struct calendar calendar;
	struct rewrite rewrite;
	bool has_new_body;
	struct header_edits edits;
};

/* ---- message_verdict ---- */

/* The verdict, with the tag's name in front of the reason. */
void message_decide(struct message *message, enum message_action action, const char *code,
		    const char *enhanced, const char *reason);

/* 5xx, or 451; `result` is a word for the log. */
void message_reject(struct message *message, const char *code, const char *enhanced,
		    const char *result, const char *reason);
void message_tempfail(struct message *message, const char *enhanced, const char *result,
		      enum log_level level, const char *reason);

/* 451: the fault is this machine's. */
void message_fail_here(struct message *message, const char *reason);

/*
 * The invite was not cancelled, or there is no calendar to send: what the administrator chose for
 * that (enum fallback), with `result` and `level` as they are.
 */
void message_fall_back(struct message *message, int fallback, const char *enhanced,
		       const char *reason);

/* ---- message_check ---- */

/* Everything about a tagged message that can be said before its body is seen. False: decided. */
bool message_check(struct message *message);

/* True: decided. */
bool message_is_too_large(struct message *message);

/* ---- message_cancel ---- */

/* Has the invite cancelled and the calendar put in; blocks; decides. */
void message_cancel(struct message *message, cancel_progress *progress, void *context);

/* A probe has come as far as a message comes before Cronofy is called: it ends here. */
void message_end_probe(struct message *message);

/* ---- message_log ---- */

/* Writes the one line about this message. */
void message_write_log(struct message *message);

#endif
