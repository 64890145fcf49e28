/*
 * config_keys: the table of everything that the configuration file can say.
 *
 * To add a key: a row here, and the field that its value goes to. Reading, the default, faults,
 * inheritance, --show-config, freeing and the check against the manual follow from the row.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

enum config_section {
	SECTION_MILTER,
	SECTION_TRUST,
	SECTION_METRICS,
	SECTION_LEDGER,
	SECTION_REDIS,
	SECTION_CRONOFY, /* of struct account; an [account] inherits what it does not say */
	SECTION_ACCOUNT, /* of struct account, and an [account]'s own */
	SECTION_COUNT,
};

/* The sections' names; [account NAME] has one of its own behind the word. */
extern const char *const config_sections[SECTION_COUNT];

/* What a value is; config_value.c has a row for each. */
enum config_type {
	TYPE_TEXT,
	TYPE_URL,          /* text that may hold a password: shown without it, zeroed */
	TYPE_PATH,         /* made absolute: relative to the file */
	TYPE_PATH_OR_NONE, /* the same; for the word none the field is NULL */
	TYPE_KEY_FILE,     /* a path, or credential:NAME, which becomes the path it stands for */
	TYPE_SOCKET,       /* as libmilter has it; the path of a unix socket made absolute */
	TYPE_CHOICE,       /* an enum: the index of the word */
	TYPE_YES_NO,
	TYPE_NUMBER,
	TYPE_RATE, /* a number, or RATE_NONE for the word none */
	TYPE_OCTAL,
	TYPE_SIZE,     /* bytes */
	TYPE_DURATION, /* ms */
	TYPE_SHARE,    /* 1 or 1/N: N */
	TYPE_LIST,     /* of words */
	TYPE_NETWORKS,
	TYPE_COUNT,
};

struct config_key {
	enum config_section section;
	const char *name;
	enum config_type type;
	size_t offset; /* of the field, in struct config or struct account, as the section has it */
	const char *initial;
	long long least, most;      /* of numbers, sizes, durations */
	const char *const *choices; /* of an enum, in its order; ends in NULL */
	/* Of a text, or of each word of a list: is it one? False, and "expected ..." */
	bool (*check)(const char *value, struct problem *why);
	const char *instead; /* the key that says the same otherwise: both at once are a fault */
	bool takes_restart;  /* a reload does not change it */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* Is it a key of the section, the inherited ones of an [account] included? */
bool config_key_is_of(const struct config_key *key, enum config_section section);

/* The field of a key in `base`, the struct that the section's keys are of. */
void *config_key_field(const struct config_key *key, const void *base);

/* The struct that the rows of a section are of: the config itself, or its [cronofy]. */
void *config_section_base(struct config *config, enum config_section section);

#endif
