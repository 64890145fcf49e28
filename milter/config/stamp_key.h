/* stamp_key: the secret of the stamps, made when there is none yet. */
#ifndef STAMP_KEY_H
#define STAMP_KEY_H

#include "problem.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes a file of mode 0600 with 256 random bits in hexadecimal digits, which key_file_read() reads;
 * it is owned by `user` and `group` ((uid_t)-1: by whoever we are). A file that is there already,
 * even one that appears meanwhile, stays as it is. False, and why, if there is none afterwards.
 */
bool stamp_key_make(const char *path, uid_t user, gid_t group, struct problem *why);

#endif
