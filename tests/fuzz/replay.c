/*
 * replay: a main() for the harnesses where there is no libFuzzer. Runs one over files, and over
 * random mutations of them:
 *
 *	replay_NAME [--mutations N] [--seed S] FILE...
 *
 * Ends with a signal at the first promise that is broken, and then says which input it was.
 */
#include "fuzz.h"

#include <signal.h>
#include <unistd.h>

#define INPUT_MAXIMUM ((size_t)256 * 1024) /* bytes; larger files are cut */

struct input {
	uint8_t *data;
	size_t size;
};

/* What is running: told if it does not come back. */
static char running[512];
static struct input current;

static void tell_input(int number)
{
	char path[64];
	FILE *out;

	/* The process is lost: whatever works here is a gain. */
	snprintf(path, sizeof(path), "/tmp/cim-failed-input-%d", (int)getpid());
	out = fopen(path, "w");
	if (out) {
		fwrite(current.data, 1, current.size, out);
		fclose(out);
	}
	fprintf(stderr, "failed on %s; the input is in %s\n", running, path);
	signal(number, SIG_DFL);
	raise(number);
}

static bool read_input(const char *path, struct input *input)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return false;
	input->data = malloc(INPUT_MAXIMUM);
	input->size = input->data ? fread(input->data, 1, INPUT_MAXIMUM, in) : 0;
	fclose(in);
	return input->data != NULL;
}

/* xorshift64* (Vigna, 2014). */
static size_t random_below(uint64_t *state, size_t count)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (size_t)((*state * UINT64_C(2685821657736338717)) >> 11) % count;
}

static void remove_bytes(struct input *input, size_t at, size_t length)
{
	memmove(input->data + at, input->data + at + length, input->size - at - length);
	input->size -= length;
}

static void insert_bytes(struct input *input, size_t at, const uint8_t *bytes, size_t length)
{
	if (input->size + length > INPUT_MAXIMUM)
		return;
	memmove(input->data + at + length, input->data + at, input->size - at);
	memcpy(input->data + at, bytes, length);
	input->size += length;
}

/* One change: a byte, a piece gone, a piece twice, a piece of another seed, or a telling byte. */
static void mutate(struct input *input, const struct input *other, uint64_t *random)
{
	static const char telling[] = "\r\n\t \"\\;=-:()<>@?{}[],/*#%\0\x7f\x80\xc3\xff";
	const size_t at = random_below(random, input->size + 1);
	const size_t rest = input->size - at;
	const size_t length = rest > 0 ? 1 + random_below(random, rest < 64 ? rest : 64) : 0;
	uint8_t piece[64];

	switch (random_below(random, 6)) {
	case 0:
		if (rest > 0)
			input->data[at] ^= (uint8_t)(1 << random_below(random, 8));
		break;
	case 1:
		remove_bytes(input, at, length);
		break;
	case 2:
		memcpy(piece, input->data + at, length);
		insert_bytes(input, random_below(random, input->size + 1), piece, length);
		break;
	case 3:
		if (other->size > 0) {
			const size_t from = random_below(random, other->size);
			const size_t most = other->size - from < 64 ? other->size - from : 64;

			insert_bytes(input, at, other->data + from, 1 + random_below(random, most));
		}
		break;
	case 4:
		input->size = at; /* cut off */
		break;
	default:
		piece[0] = (uint8_t)telling[random_below(random, sizeof(telling) - 1)];
		insert_bytes(input, at, piece, 1);
		break;
	}
}

static void run(const struct input *input)
{
	/* In a piece of memory of its own size, so that a sanitizer sees every step beyond it. */
	uint8_t *data = malloc(input->size > 0 ? input->size : 1);

	if (!data)
		return;
	memcpy(data, input->data, input->size);
	current = *input;
	LLVMFuzzerTestOneInput(data, input->size);
	free(data);
}

static void run_mutations(const struct input *seeds, size_t count, unsigned long mutations,
			  unsigned long seed)
{
	uint64_t random = (uint64_t)seed * 2 + 1;
	struct input input = {malloc(INPUT_MAXIMUM), 0};

	for (unsigned long i = 0; input.data && i < mutations; i++) {
		const struct input *from = &seeds[random_below(&random, count)];

		memcpy(input.data, from->data, from->size);
		input.size = from->size;
		for (size_t changes = 1 + random_below(&random, 8); changes > 0; changes--)
			mutate(&input, &seeds[random_below(&random, count)], &random);
		snprintf(running, sizeof(running), "mutation %lu of --seed %lu", i, seed);
		run(&input);
	}
	free(input.data);
}

int main(int count, char **arguments)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct input *seeds = calloc((size_t)count, sizeof(*seeds));
	unsigned long mutations = 0, seed = 20260428;
	size_t seed_count = 0;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], tell_input);
	for (int i = 1; seeds && i < count; i++) {
		if (strcmp(arguments[i], "--mutations") == 0 && i + 1 < count) {
			mutations = strtoul(arguments[++i], NULL, 10);
		} else if (strcmp(arguments[i], "--seed") == 0 && i + 1 < count) {
			seed = strtoul(arguments[++i], NULL, 10);
		} else if (read_input(arguments[i], &seeds[seed_count])) {
			snprintf(running, sizeof(running), "%s", arguments[i]);
			run(&seeds[seed_count++]);
		} else {
			perror(arguments[i]);
			return 1;
		}
	}
	if (seed_count == 0) {
		fprintf(stderr, "usage: %s [--mutations N] [--seed S] FILE...\n", arguments[0]);
		return 64;
	}
	run_mutations(seeds, seed_count, mutations, seed);
	printf("%s: %zu files, %lu mutations (seed %lu)\n", arguments[0], seed_count, mutations, seed);
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].data);
	free(seeds);
	return 0;
}
