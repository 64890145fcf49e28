/*
 * audit: the commands that show what is in the ledger. They only read, work while the filter runs,
 * and give an exit code of <sysexits.h>: EX_CONFIG if no ledger is kept, EX_NOINPUT if its file is
 * not there, EX_NOPERM if we may not read it, EX_UNAVAILABLE if it cannot be used.
 *
 * root reads it as the file's owner, so that nothing beside it comes to belong to root.
 */
#ifndef AUDIT_H
#define AUDIT_H

#include "config.h"

#include <stdbool.h>

/*
 * --log-of: each record about an invite's id, a recipient, a Message-ID or a queue id, newest
 * last.
 */
int audit_log_of(const struct config *config, const char *what, bool json);

/* --report: how many records of each account had which result. `since`: ms back; -1: all. */
int audit_report(const struct config *config, long long since, bool json);

/* --export: all records as CSV (RFC 4180), oldest first. */
int audit_export(const struct config *config, long long since);

#endif
