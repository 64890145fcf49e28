/* stamp_key: creates the file with the stamp key. */
#include "stamp_key.h"

#include "hex.h"
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY_BYTES ((size_t)32)

static bool write_key(int file, uid_t user, gid_t group)
{
	unsigned char random[KEY_BYTES];
	char text[2 * KEY_BYTES + 1];
	bool good;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	hex_write(text, random, KEY_BYTES);
	text[2 * KEY_BYTES] = '\n'; /* no NUL is written */
	good = write(file, text, sizeof(text)) == (ssize_t)sizeof(text) &&
	       owner_set(file, user, group) && fsync(file) == 0;
	explicit_bzero(random, sizeof(random));
	explicit_bzero(text, sizeof(text));
	return good;
}

/* The new name must outlast a crash as well: mail is queued with stamps of this key. */
static void sync_directory(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int file;

	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path + 1) : 1,
		 slash ? path : ".");
	file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0)
		return;
	fsync(file);
	close(file);
}

bool stamp_key_make(const char *path, uid_t user, gid_t group, struct problem *why)
{
	char draft[PATH_MAX];
	bool good = false;
	int file;

	snprintf(draft, sizeof(draft), "%s.XXXXXX", path);
	file = mkostemp(draft, O_CLOEXEC); /* mode 0600 */
	/* Written whole under another name first: nobody ever reads half a key. */
	if (file >= 0 && write_key(file, user, group)) {
		good = link(draft, path) == 0 || errno == EEXIST;
		sync_directory(path);
	}
	if (!good)
		problem_set(why, "the key file %s cannot be made: %s", path, strerror(errno));
	if (file >= 0) {
		close(file);
		unlink(draft);
	}
	return good;
}
