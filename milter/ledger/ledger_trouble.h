/*
 * ledger_trouble: what may be wrong with the ledger's file, in words that an administrator can act on.
 */
#ifndef LEDGER_TROUBLE_H
#define LEDGER_TROUBLE_H

#include "problem.h"

enum ledger_trouble {
	LEDGER_TROUBLE_PLACE,   /* there is no such file or directory, or we may not */
	LEDGER_TROUBLE_LOCKED,  /* by another process, for longer than we wait */
	LEDGER_TROUBLE_FULL,    /* the disk */
	LEDGER_TROUBLE_DAMAGED, /* or no database at all */
	LEDGER_TROUBLE_FOREIGN, /* another program's database */
	LEDGER_TROUBLE_LATER,   /* made by a later version of this program */
	LEDGER_TROUBLE_EARLIER, /* by an earlier one, and we may not change it */
	LEDGER_TROUBLE_OTHER,
};

/*
 * `path` is the ledger's, `error` the errno behind it or 0, `detail` SQLite's own words or "".
 */
void ledger_trouble_explain(enum ledger_trouble trouble, const char *path, int error,
			    const char *detail, struct problem *why);

#endif
