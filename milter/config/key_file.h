/* key_file: a secret in a file of its own. */
#ifndef KEY_FILE_H
#define KEY_FILE_H

#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define KEY_FILE_MAXIMUM 4096 /* bytes */

/* What a name of a key file begins with that the service manager hands over. */
#define KEY_FILE_CREDENTIAL "credential:"

/*
 * Where the file is that "credential:NAME" stands for: in $CREDENTIALS_DIRECTORY, where systemd puts
 * what LoadCredential= of the unit names; without it, as for a command that root types, in that of
 * the running service. Writes the path into `out` of `size` bytes. False, and why, if NAME is none.
 */
bool key_file_find_credential(char *out, size_t size, const char *name, struct problem *why);

/*
 * Reads the one word of visible ASCII that the file holds, behind a byte order mark or not. Refuses a file that others than its
 * owner and group can use, or others than its owner can change. NULL, and why, if it cannot; else
 * text that key_free() frees.
 */
char *key_file_read(const char *path, struct problem *why);

/* Zeroes and frees; NULL is nothing. */
void key_free(char *key);

#endif
