/* memory_file: a file in memory that has a path, for modules that take paths. */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that only its owner can use; its path is /proc/self/fd/ and its number. */
static inline int memory_file_new(void)
{
	const int file = memfd_create("fuzz", MFD_CLOEXEC);

	must(file >= 0);
	must(fchmod(file, 0600) == 0);
	return file;
}

static inline void memory_file_set(int file, const void *data, size_t size)
{
	must(ftruncate(file, 0) == 0);
	must(size == 0 || pwrite(file, data, size, 0) == (ssize_t)size);
}

static inline void memory_file_path(int file, char *path, size_t size)
{
	snprintf(path, size, "/proc/self/fd/%d", file);
}

#endif
