/* daemon: the filter as a process: the order in which things start. */
#ifndef DAEMON_H
#define DAEMON_H

#include "config.h"

/*
 * Starts the filter and runs it to its end, with a configuration that becomes its own. Gives an exit
 * code of <sysexits.h>, or ends the process.
 */
int daemon_run(struct config *config);

#endif
