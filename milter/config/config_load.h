/*
 * config_load: the configuration from its file: read, then what it names looked up.
 *
 * Both halves append a line for each fault: file, line, key, what is wrong, what would be right.
 */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "buffer.h"
#include "config.h"
#include "problem.h"

#include <stdbool.h>

/*
 * What the file says, and whether that makes sense; no other file is opened. Enough for a command
 * that needs neither key nor user. NULL if there is any fault.
 */
struct config *config_read(const char *file, struct buffer *faults);

/*
 * The same, the users and folders that it names looked up, and the key files read. NULL if there is
 * any fault.
 */
struct config *config_load(const char *file, struct buffer *faults);

/*
 * Queued mode: makes the stamp key file and reads it, if it was not there. For a config that nobody
 * shares yet. False, and why.
 */
bool config_make_stamp_key(struct config *config, struct problem *why);

/* Likewise the key of hashed addresses, where they are wanted. */
bool config_make_address_key(struct config *config, struct problem *why);

#endif
