/*
 * config_file: the syntax of the configuration file: [sections], key = value, comments behind # or
 * ;, lists that continue in lines behind white space.
 *
 * Reads what the file says, each value checked by itself; what the values mean together, and
 * whether the files and users they name are there, is config_load's business.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "buffer.h"
#include "config.h"

/*
 * Reads the file that config->file names into a new config; accounts inherit what they do not say.
 * Appends a line for each fault. False if the file could not be read at all.
 */
bool config_file_read(struct config *config, struct buffer *faults);

#endif
