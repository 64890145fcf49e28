/*
 * config_value: one value of the configuration, between its text and its field.
 *
 * `base` is the struct that the key's offset is of.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "buffer.h"
#include "config_keys.h"

/* Does the key take a list, which config_value_set() adds one word at a time to? */
bool config_value_is_list(const struct config_key *key);

/* Cuts the next word, up to a comma or blank, off the text, which is changed. NULL at its end. */
char *config_value_next_word(char **rest);

/*
 * Sets the field to what `text` says; of a list, adds one word. Relative paths are relative to
 * `directory`. False, and why; the field may hold the faulty text all the same, so that no other
 * check misses a value.
 */
bool config_value_set(const struct config_key *key, void *base, const char *directory,
		      const char *text, struct problem *why);

/* Sets the field, whose value it frees, to the key's default. False: no memory. */
bool config_value_set_initial(const struct config_key *key, void *base);

/* The field becomes a copy of the same field of another struct. False: no memory. */
bool config_value_copy(const struct config_key *key, void *base, const void *from);

/* Frees the field's value, and empties it. */
void config_value_free(const struct config_key *key, void *base);

bool config_value_is_same(const struct config_key *key, const void *a, const void *b);

/*
 * Appends the value as the file could have it: durations in ms, sizes in bytes, paths absolute, the
 * words of a list separated by ", ", and a password in a URL as "***".
 */
void config_value_show(const struct config_key *key, const void *base, struct buffer *out);

/* A duration such as 250ms, 5s, 2m, 1h or 30d, in ms; -1 if the text is none. */
long long config_value_duration(const char *text);

#endif
