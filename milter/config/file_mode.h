/* file_mode: who else may use a file that the filter trusts. */
#ifndef FILE_MODE_H
#define FILE_MODE_H

#include "problem.h"

#include <stdbool.h>
#include <sys/stat.h>

#define FILE_MODE_OTHERS_WRITE ((mode_t)(S_IWGRP | S_IWOTH))
#define FILE_MODE_OTHERS_USE   ((mode_t)(S_IWGRP | S_IRWXO)) /* the group may read it */

/*
 * Is none of these permissions given? False, and why, which ends in `cure`. What is no regular file
 * (a pipe) is nobody's to change.
 */
bool file_mode_forbids(const struct stat *status, mode_t permissions, const char *path,
		       const char *cure, struct problem *why);

#endif
