/* daemon: the filter as a process: the order in which things start. */
#ifndef DAEMON_H
#define DAEMON_H

#include "config.h"

/*
 * Starts the filter and runs it to its end, with a configuration of which nobody else may hold a
 * reference meanwhile: when another one replaces it, its keys are wiped. Ends the process, or gives an
 * exit code of <sysexits.h> if it could not start; then the reference is still the caller's.
 */
int daemon_run(struct config *config);

#endif
