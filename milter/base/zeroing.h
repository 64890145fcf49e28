/*
 * zeroing: malloc(3) and the rest of its family for a library that handles secrets and does not zero
 * them: what is freed is zeroed first. The memory is malloc()'s own, so both can be mixed, though
 * only what is freed here is wiped.
 */
#ifndef ZEROING_H
#define ZEROING_H

#include <stddef.h>

void zeroing_free(void *memory);

/* Always moves: realloc() would leave the old place as it was. NULL, and the old one kept. */
void *zeroing_realloc(void *memory, size_t size);

#endif
