/*
 * config_type: what each type of value can do, behind config_value.
 *
 * To add a type: a word in enum config_type, its operations in one of the files below, and a row in
 * config_value.c.
 */
#ifndef CONFIG_TYPE_H
#define CONFIG_TYPE_H

#include "buffer.h"
#include "config_keys.h"
#include "problem.h"

#include <stdbool.h>

/* As config_value.h has them, of a field. */
struct config_operations {
	bool (*set)(const struct config_key *key, void *field, const char *directory,
		    const char *text, struct problem *why);
	bool (*copy)(void *field, const void *from);
	void (*free)(void *field);
	bool (*is_same)(const void *a, const void *b);
	void (*show)(const struct config_key *key, const void *field, struct buffer *out);
	bool is_list;
};

/* config_text.c */
extern const struct config_operations config_type_text, config_type_url, config_type_path,
	config_type_path_or_none, config_type_key_file, config_type_socket;

/* config_number.c */
extern const struct config_operations config_type_number, config_type_rate, config_type_octal,
	config_type_size, config_type_duration, config_type_share;

/* config_choice.c */
extern const struct config_operations config_type_choice, config_type_yes_no;

/* config_list.c */
extern const struct config_operations config_type_list, config_type_networks;

/* Sets the problem: invalid value "x": EXPECTED, without a password. Gives false. */
bool config_type_refuse(const struct config_key *key, const char *text, struct problem *why,
			const char *expected);

/* Gives false, too. */
bool config_type_no_memory(struct problem *why);

/* Appends a URL with its password, or a name alone, which may be a token, as ***. */
void config_type_redact(struct buffer *out, const char *url);

#endif
