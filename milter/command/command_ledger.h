/* command_ledger: the filter's ledger, for commands that use it beside the filter. */
#ifndef COMMAND_LEDGER_H
#define COMMAND_LEDGER_H

#include "config.h"
#include "ledger.h"

/*
 * The ledger that there is; NULL if there is none. One that we made would belong to us, and the
 * filter could not use it.
 */
struct ledger *command_ledger_open(const struct config *config);

#endif
