/* config_choice: values that are one of a few words. */
#include "config_type.h"

#include <stdio.h>
#include <string.h>

static void free_nothing(void *field)
{
	(void)field;
}

/* Enums without negative values are unsigned ints to the compilers we know. */
_Static_assert(sizeof(enum mode) == sizeof(unsigned int), "enums are read as unsigned int");

static bool set_choice(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	char all[160] = "expected one of: ";

	(void)directory;
	for (unsigned int i = 0; key->choices[i]; i++) {
		const size_t used = strlen(all);

		if (strcmp(key->choices[i], text) == 0) {
			*(unsigned int *)field = i;
			return true;
		}
		snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
			 key->choices[i]);
	}
	return config_type_refuse(key, text, why, all);
}

static bool copy_choice(void *field, const void *from)
{
	*(unsigned int *)field = *(const unsigned int *)from;
	return true;
}

static bool is_same_choice(const void *a, const void *b)
{
	return *(const unsigned int *)a == *(const unsigned int *)b;
}

static void show_choice(const struct config_key *key, const void *field, struct buffer *out)
{
	buffer_append_text(out, key->choices[*(const unsigned int *)field]);
}

static bool set_yes_no(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	(void)directory;
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return config_type_refuse(key, text, why, "expected yes or no");
	*(bool *)field = strcmp(text, "yes") == 0;
	return true;
}

static bool copy_yes_no(void *field, const void *from)
{
	*(bool *)field = *(const bool *)from;
	return true;
}

static bool is_same_yes_no(const void *a, const void *b)
{
	return *(const bool *)a == *(const bool *)b;
}

static void show_yes_no(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_append_text(out, *(const bool *)field ? "yes" : "no");
}

const struct config_operations config_type_choice = {set_choice,     copy_choice, free_nothing,
						     is_same_choice, show_choice, false};

const struct config_operations config_type_yes_no = {set_yes_no,     copy_yes_no, free_nothing,
						     is_same_yes_no, show_yes_no, false};
