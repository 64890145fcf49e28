/*
 * access: can the filter do what this configuration has it do? For -n, and for the log at the start.
 *
 * Looks at files and folders as the process's present user; changes nothing. What it finds is text,
 * a line for each, added to a buffer. A fault is what keeps the filter from starting or tagged mail
 * from being sent; a warning is what will be in the way later.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include "buffer.h"
#include "config.h"

struct access_findings {
	struct buffer faults;
	struct buffer warnings;
};

/* What who starts the filter needs: before it becomes `user`. */
void access_check_start(const struct config *config, struct access_findings *findings);

/* What it needs from then on: to be called as the user that it becomes. */
void access_check_work(const struct config *config, struct access_findings *findings);

/* The same for what says itself in the log when it cannot be used: the ledger. */
void access_check_ledger(const struct config *config, struct access_findings *findings);

struct access_findings access_findings_new(void);
void access_findings_free(struct access_findings *findings);

#endif
