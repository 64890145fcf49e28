/* owner: who owns an open file. */
#ifndef OWNER_H
#define OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Gives the file to `user` and `group`; (uid_t)-1 and (gid_t)-1 leave what is there. The descriptor
 * may be one of O_PATH. Without a change no system call is made that changes owners: sandboxes, such
 * as the shipped unit's, forbid those even where they would change nothing. False with errno.
 */
bool owner_set(int file, uid_t user, gid_t group);

#endif
