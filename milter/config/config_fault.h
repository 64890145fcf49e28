/*
 * config_fault: faults of a configuration as the administrator reads them, one a line:
 * "FILE:LINE: KEY: what is wrong".
 */
#ifndef CONFIG_FAULT_H
#define CONFIG_FAULT_H

#include "buffer.h"
#include "config.h"

/* The line of the file that the value of a field of `config`, or of an account of it, is from; 0: none. */
size_t config_line_of(const struct config *config, const void *field);

/*
 * Appends a fault of the value in `field`, a field of `config`, of its `defaults` or of one of its
 * accounts that a key fills. Key and line follow from it; if the key was not given, an account's
 * fault is at the line where the account begins.
 */
void config_fault(const struct config *config, struct buffer *faults, const void *field,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Appends a fault of a line; 0 if it is none's. */
void config_fault_at(const struct config *config, struct buffer *faults, size_t line,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
