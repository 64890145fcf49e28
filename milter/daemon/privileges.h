/* privileges: what a process may be and may hold, from its start on. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include "config.h"
#include "problem.h"

#include <stdbool.h>

/*
 * Opens descriptors 0, 1 and 2 where they are closed: one of them would become a socket, and log
 * lines would go there. False if that is not possible.
 */
bool privileges_open_standard_files(void);

/* As many open files as we may have: each active message takes up to three. */
void privileges_raise_file_limit(void);

/* No core file, in which keys would be. To be called again once the user has changed. */
void privileges_forbid_core_files(void);

/* Becomes the configured user for good, every group of the old one gone. False, and why. */
bool privileges_drop(const struct config *config, struct problem *why);

#endif
