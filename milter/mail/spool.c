/* spool: a message's body in memory, or beyond a limit in an unnamed file. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 16384 /* bytes, read back at once: on the stack, so that reading takes no memory */

struct spool spool_new(size_t in_memory_most, const char *directory)
{
	return (struct spool){
		.memory = buffer_with_maximum(in_memory_most),
		.file = -1,
		.in_memory_most = in_memory_most,
		.directory = directory,
	};
}

/* A file without a name: nothing is left behind, however we end. */
static int open_nameless(const char *directory)
{
	char path[PATH_MAX];
	int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return file;
	snprintf(path, sizeof(path), "%s/cancel-invite-XXXXXX", directory);
	file = mkostemp(path, O_CLOEXEC);
	if (file >= 0)
		unlink(path);
	return file;
}

static bool write_all(int file, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(file, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return true;
}

bool spool_add(struct spool *spool, const char *data, size_t length, struct problem *why)
{
	if (spool->file < 0 && length <= spool->in_memory_most - spool->length) {
		buffer_append(&spool->memory, data, length);
		if (spool->memory.failed) {
			problem_cannot_tell(why, "no memory for the message");
			return false;
		}
		spool->length += length;
		return true;
	}
	if (spool->file < 0) {
		spool->file = open_nameless(spool->directory);
		if (spool->file < 0 ||
		    !write_all(spool->file, spool->memory.data, spool->memory.length)) {
			problem_cannot_tell(why, "no file for the message in %s: %s", spool->directory,
				    strerror(errno));
			return false;
		}
		buffer_free(&spool->memory);
	}
	if (!write_all(spool->file, data, length)) {
		problem_cannot_tell(why, "cannot write the message to %s: %s", spool->directory,
			    strerror(errno));
		return false;
	}
	spool->length += length;
	return true;
}

static bool read_file(struct spool *spool,
		      bool (*take)(void *context, size_t offset, const char *data, size_t length),
		      void *context, struct problem *why)
{
	char piece[PIECE];

	for (size_t offset = 0; offset < spool->length;) {
		ssize_t n = pread(spool->file, piece, PIECE, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			problem_set(why, "cannot read the message back from %s: %s",
				    spool->directory, n < 0 ? strerror(errno) : "it is shorter");
			return false;
		}
		if (!take(context, offset, piece, (size_t)n)) {
			problem_set(why, "the message's new body was not accepted");
			return false;
		}
		offset += (size_t)n;
	}
	return true;
}

bool spool_read(struct spool *spool,
		bool (*take)(void *context, size_t offset, const char *data, size_t length),
		void *context, struct problem *why)
{
	bool good;

	if (spool->file >= 0)
		return read_file(spool, take, context, why);
	good = spool->length == 0 || take(context, 0, spool->memory.data, spool->length);
	if (!good)
		problem_set(why, "the message's new body was not accepted");
	return good;
}

void spool_clear(struct spool *spool)
{
	if (spool->file >= 0)
		close(spool->file);
	spool->file = -1;
	spool->length = 0;
	buffer_clear(&spool->memory);
}

void spool_free(struct spool *spool)
{
	spool_clear(spool);
	buffer_free(&spool->memory);
}
