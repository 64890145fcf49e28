/*
 * spool: a message's body, kept in memory up to a limit and beyond it in a file that has no name.
 *
 * Written once, front to back, then read as often as needed. One thread at a time.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "buffer.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

struct spool {
	struct buffer memory;
	int file;              /* -1 while everything is in memory */
	size_t length;         /* bytes in all */
	size_t in_memory_most; /* bytes */
	const char *directory; /* of the file; the caller's */
};

struct spool spool_new(size_t in_memory_most, const char *directory);

/* False, and why (temporary: disk or memory full). */
bool spool_add(struct spool *spool, const char *data, size_t length, struct problem *why);

/* Gives the body in pieces, with their offsets; stops early, and gives false, if `take` does. */
bool spool_read(struct spool *spool,
		bool (*take)(void *context, size_t offset, const char *data, size_t length),
		void *context, struct problem *why);

/* Empties it; closes the file. It can be used again. */
void spool_clear(struct spool *spool);
void spool_free(struct spool *spool);

#endif
