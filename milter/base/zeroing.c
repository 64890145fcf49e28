/* zeroing: malloc(3) and free(3) that zero memory before they free it. */
#include "zeroing.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void zeroing_free(void *memory)
{
	if (!memory)
		return;
	explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

void *zeroing_realloc(void *memory, size_t size)
{
	const size_t before = memory ? malloc_usable_size(memory) : 0;
	void *place = malloc(size > 0 ? size : 1);

	if (!place)
		return NULL;
	if (before > 0)
		memcpy(place, memory, before < size ? before : size);
	zeroing_free(memory);
	return place;
}
