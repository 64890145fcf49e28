/*
 * command: what the program does without an MTA. Each command prints its result on standard output,
 * what is to be said about it on standard error, and gives an exit code of <sysexits.h>.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "config.h"

#include <sys/types.h>

/* --rewrite: attaches the calendar of a file to the message of a file. */
int command_rewrite(const char *message_path, const char *calendar_path);

/* --reload: has the filter of this process number reload, and waits for its answer. */
int command_reload(pid_t filter);

/*
 * --cancel: only the call; the calendar is kept if there is a ledger. `account_name` may be NULL if there
 * is one account.
 */
int command_cancel(const struct config *config, const char *invite_id, const char *recipient,
		   const char *account_name);

/* --check-key: does Cronofy take the key of this account, or, if it is NULL, of each? */
int command_check_key(const struct config *config, const char *account_name);

/* --try: the whole way of one message, as if sent by a trusted client. */
int command_try(struct config *config, const char *message_path, const char *sender,
		char *const *recipients, int recipient_count);

#endif
