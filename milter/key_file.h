/* key_file: a secret in a file of its own. */
#ifndef KEY_FILE_H
#define KEY_FILE_H

#include "problem.h"

#define KEY_FILE_MAXIMUM 4096 /* bytes */

/*
 * Reads the one line of visible ASCII that the file holds. Refuses a file that others than its
 * owner and group can use, or others than its owner can change. NULL, and why, if it cannot; else
 * text that key_free() frees.
 */
char *key_file_read(const char *path, struct problem *why);

/* Wipes and frees; NULL is nothing. */
void key_free(char *key);

#endif
