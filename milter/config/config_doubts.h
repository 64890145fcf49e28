/* config_doubts: values that are allowed, and most likely a mistake. */
#ifndef CONFIG_DOUBTS_H
#define CONFIG_DOUBTS_H

#include "buffer.h"
#include "config.h"

/* Appends a warning for each, with file, line and key. Opens no file. */
void config_doubts(const struct config *config, struct buffer *warnings);

#endif
