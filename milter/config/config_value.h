/*
 * config_value: one value of the configuration file, from its text into its place.
 *
 * What a key takes is told by a row of a table; every fault is reported with what would be right.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config_file.h"

#include <stddef.h>

#define KIB    1024LL
#define MIB    (1024 * KIB)
#define SECOND 1000LL
#define DAY    (86400 * SECOND)

enum config_type {
	TYPE_TEXT,
	TYPE_PATH,         /* made absolute: relative to the file */
	TYPE_PATH_OR_NONE, /* the same, but for the word none */
	TYPE_KEY_FILE, /* the same, or credential:NAME, which becomes the path that it stands for */
	TYPE_CHOICE,
	TYPE_YES_NO,
	TYPE_NUMBER,
	TYPE_OCTAL,
	TYPE_SIZE,     /* bytes */
	TYPE_DURATION, /* ms */
	TYPE_LIST,
	TYPE_NETWORKS,
};

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset; /* in struct config or struct account */
	const char *initial;
	long long least, most;      /* of numbers, sizes, durations */
	const char *const *choices; /* ends in NULL; the value is the index */
};

/*
 * Sets the key's place in `base` (the struct that the key's offset is of) to the value that `text`
 * says. A list is added to. What is wrong is reported to the file's faults; a lack of memory is
 * noted in the file.
 */
void config_value_set(struct config_file *file, const struct config_key *key, void *base,
		      const char *text);

/* Sets every key of a table, which ends in a row without a name, to its initial value. */
void config_value_set_initial(struct config_file *file, const struct config_key *keys, void *base);

/* A duration such as 250ms, 5s, 2m, 1h or 30d, in ms; -1 if the text is none. */
long long config_value_duration(const char *text);

/* Replaces the text at `to` by a copy of `value`. False, and noted, if memory ran out. */
bool config_value_set_text(struct config_file *file, char **to, const char *value);

#endif
