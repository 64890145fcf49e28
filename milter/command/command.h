/*
 * command: every command of the program, in one table.
 *
 * To add a command: a row here, and the function that runs it. Options, usage and checks of the
 * command line follow from the row. Each command prints its result on standard output, what is to be
 * said about it on standard error, and gives an exit code of <sysexits.h>.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct invocation;

enum command_needs {
	COMMAND_NEEDS_NOTHING,
	COMMAND_NEEDS_FILE,   /* the configuration as its file says it: config_read() */
	COMMAND_NEEDS_CONFIG, /* with its keys, users and folders: config_load() */
};

/* What more can be said to a command: bits. */
enum command_option {
	COMMAND_CONFIG_FILE = 1 << 0, /* -c FILE */
	COMMAND_SENDER = 1 << 1,      /* -f SENDER */
	COMMAND_CALENDAR = 1 << 2,    /* --calendar FILE */
	COMMAND_ACCOUNT = 1 << 3,     /* --account NAME */
	COMMAND_SINCE = 1 << 4,       /* --since DURATION */
	COMMAND_JSON = 1 << 5,        /* --json */
};

struct command {
	char letter;      /* of the short option; 0: none */
	const char *name; /* of the long one; NULL: none. Neither: what runs if nothing is said */
	const char *argument; /* what the option takes; NULL: nothing */
	const char *operands; /* what stands behind it; NULL: nothing may */
	int least, most;      /* how many operands */
	unsigned int options; /* that it can have, and those that it must have */
	unsigned int required;
	enum command_needs needs;
	const char *about; /* for the usage */
	int (*run)(const struct invocation *invocation);
};

extern const struct command commands[];
extern const size_t command_count;

/* -n: can the filter work with this configuration? */
int command_check(const struct invocation *invocation);

/* --show-config: each value, and where it comes from. --keys: each key that a file can have. */
int command_show_config(const struct invocation *invocation);
int command_keys(const struct invocation *invocation);

/* --outcomes: what result= can be, for people and for programs that watch it. */
int command_outcomes(const struct invocation *invocation);

/* --try: the whole way of one message, as if sent by a trusted client. */
int command_try(const struct invocation *invocation);

/* --rewrite: attaches the calendar of a file to the message of a file. */
int command_rewrite(const struct invocation *invocation);

/* --cancel: only the call; the calendar is kept if there is a ledger. */
int command_cancel(const struct invocation *invocation);

/* --check-key: does Cronofy take the key of the account that is named, or of each? */
int command_check_key(const struct invocation *invocation);

/*
 * What is in the ledger. These only read, and work while the filter runs. EX_CONFIG if no ledger is
 * kept, EX_NOINPUT if its file or what was asked for is not there, EX_NOPERM if we may not read it,
 * EX_UNAVAILABLE if it cannot be used. root reads it as the file's owner, so that nothing beside it
 * comes to belong to root.
 */

/* --log-of: each record about an invite's id, a recipient, a Message-ID or a queue id, newest last. */
int command_log_of(const struct invocation *invocation);

/* --report: how many records of each account had which result. */
int command_report(const struct invocation *invocation);

/* --export: all records as CSV (RFC 4180), oldest first. */
int command_export(const struct invocation *invocation);

/* --forget: removes what the ledger has about an address. Writes, and works while the filter runs. */
int command_forget(const struct invocation *invocation);

/* --reload: has a running filter reload, and waits for its answer. */
int command_reload(const struct invocation *invocation);

#endif
