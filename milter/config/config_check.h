/* config_check: do the values of a configuration make sense together? Opens no file. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "buffer.h"
#include "config.h"

/*
 * Appends a line for each fault, and fills what follows from several values: socket_path,
 * redis_address, the accounts' endpoints.
 */
void config_check(struct config *config, struct buffer *faults);

#endif
