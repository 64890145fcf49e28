/*
 * random: numbers for property tests. The seed is CIM_SEED of the environment, else always the
 * same; a failing test prints it, so the run can be had again.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t random_seed(void)
{
	const char *text = getenv("CIM_SEED");

	return text ? strtoull(text, NULL, 10) : 20260428;
}

/* xorshift64* (Vigna, 2014); state 0 is the one that it cannot leave. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* One of 0 to `count` - 1. */
static inline size_t random_below(uint64_t *state, size_t count)
{
	return (size_t)(random_next(state) >> 11) % count;
}

static inline uint64_t random_start(void)
{
	uint64_t state = random_seed() * 2 + 1;

	random_next(&state);
	return state;
}

#endif
