#include "config_value.h"

#include "key_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define fault(file, ...) config_file_fault(file, (file)->line, __VA_ARGS__)

bool config_value_set_text(struct config_file *file, char **to, const char *value)
{
	char *copy = strdup(value);

	if (!copy) {
		file->out_of_memory = true;
		return false;
	}
	free(*to);
	*to = copy;
	return true;
}

static bool set_path(struct config_file *file, char **to, const char *value)
{
	char path[PATH_MAX];

	if (value[0] == '\0' || value[0] == '/')
		return config_value_set_text(file, to, value);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", file->directory, value) >= sizeof(path))
		return false;
	return config_value_set_text(file, to, path);
}

static void set_key_file(struct config_file *file, const struct config_key *key, char **to,
			 const char *value)
{
	char path[PATH_MAX];
	struct problem why;

	if (strncmp(value, KEY_FILE_CREDENTIAL, strlen(KEY_FILE_CREDENTIAL)) != 0) {
		if (!set_path(file, to, value) && !file->out_of_memory)
			fault(file, "%s: the path is too long", key->name);
	} else if (key_file_find_credential(path, sizeof(path), value, &why)) {
		config_value_set_text(file, to, path);
	} else {
		fault(file, "%s: %s", key->name, why.text);
	}
}

static bool list_add(struct config_file *file, struct string_list *list, const char *item)
{
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	if (!items) {
		file->out_of_memory = true;
		return false;
	}
	list->items = items;
	list->items[list->count] = strdup(item);
	if (!list->items[list->count]) {
		file->out_of_memory = true;
		return false;
	}
	list->count++;
	return true;
}

static bool network_add(struct config_file *file, struct config *config, const char *item)
{
	struct network *networks =
		realloc(config->networks, (config->network_count + 1) * sizeof(*networks));

	if (!networks) {
		file->out_of_memory = true;
		return false;
	}
	config->networks = networks;
	if (!network_parse(&networks[config->network_count], item)) {
		fault(file,
		      "networks: \"%s\" is no network; right would be 192.0.2.0/24 or "
		      "2001:db8::/32, with no bits set behind the prefix",
		      item);
		return false;
	}
	config->network_count++;
	return true;
}

/* Items of a list are separated by commas or blanks. */
static void set_list(struct config_file *file, const struct config_key *key, void *base,
		     const char *value)
{
	char *copy = strdup(value), *rest = copy;

	if (!copy) {
		file->out_of_memory = true;
		return;
	}
	for (char *item; (item = strsep(&rest, ", \t")) != NULL;) {
		if (item[0] == '\0')
			continue;
		if (key->type == TYPE_NETWORKS)
			network_add(file, base, item);
		else
			list_add(file, (void *)((char *)base + key->offset), item);
	}
	free(copy);
}

/* A number with a unit out of "name factor" pairs; -1 if it is none. */
static long long parse_scaled(const char *text, const char *const *units, const long long *factors)
{
	char *end;
	long long value;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	for (size_t i = 0; errno == 0 && units[i]; i++)
		if (strcmp(end, units[i]) == 0 && value <= LLONG_MAX / factors[i])
			return value * factors[i];
	return -1;
}

long long config_value_duration(const char *text)
{
	static const char *const units[] = {"ms", "s", "m", "h", "d", NULL};
	static const long long factors[] = {1, SECOND, 60 * SECOND, 3600 * SECOND, DAY};

	return parse_scaled(text, units, factors);
}

static long long parse_number(const struct config_key *key, const char *text)
{
	static const char *const size_units[] = {"", "K", "M", "G", NULL};
	static const long long size_factors[] = {1, KIB, MIB, 1024 * MIB};
	static const char *const plain[] = {"", NULL};
	static const long long one[] = {1};
	char *end;
	long value;

	switch (key->type) {
	case TYPE_SIZE:
		return parse_scaled(text, size_units, size_factors);
	case TYPE_DURATION:
		return config_value_duration(text);
	case TYPE_OCTAL:
		value = strtol(text, &end, 8);
		return text[0] >= '0' && text[0] <= '7' && *end == '\0' ? value : -1;
	default:
		return parse_scaled(text, plain, one);
	}
}

/* A limit the way a file would say it. */
static const char *show_limit(const struct config_key *key, long long value, char *out, size_t size)
{
	if (key->type == TYPE_DURATION && value > 0 && value % DAY == 0)
		snprintf(out, size, "%lldd", value / DAY);
	else if (key->type == TYPE_DURATION)
		snprintf(out, size, value % SECOND ? "%lldms" : "%llds",
			 value % SECOND ? value : value / SECOND);
	else if (key->type == TYPE_SIZE && value >= MIB)
		snprintf(out, size, "%lldM", value / MIB);
	else if (key->type == TYPE_SIZE && value >= KIB)
		snprintf(out, size, "%lldK", value / KIB);
	else
		snprintf(out, size, key->type == TYPE_OCTAL ? "0%llo" : "%lld", value);
	return out;
}

static void set_number(struct config_file *file, const struct config_key *key, void *to,
		       const char *value)
{
	static const char *const forms[] = {
		[TYPE_SIZE] = "a size (4096, 64K, 10M)",
		[TYPE_DURATION] = "a duration (250ms, 5s, 2m, 1h, 30d)",
		[TYPE_OCTAL] = "an octal mode (0660)",
		[TYPE_NUMBER] = "a number",
	};
	long long number = parse_number(key, value);
	char least[32], most[32];

	if (number < key->least || number > key->most) {
		fault(file, "%s: \"%s\" is not right: it takes %s from %s to %s", key->name, value,
		      forms[key->type], show_limit(key, key->least, least, sizeof(least)),
		      show_limit(key, key->most, most, sizeof(most)));
		return;
	}
	*(long long *)to = number;
}

static void set_choice(struct config_file *file, const struct config_key *key, int *to,
		       const char *value)
{
	char all[128] = "";

	for (int i = 0; key->choices[i]; i++) {
		size_t used = strlen(all);

		if (strcmp(key->choices[i], value) == 0) {
			*to = i;
			return;
		}
		snprintf(all + used, sizeof(all) - used, "%s%s", i > 0 ? ", " : "",
			 key->choices[i]);
	}
	fault(file, "%s: \"%s\" is not one of: %s", key->name, value, all);
}

void config_value_set(struct config_file *file, const struct config_key *key, void *base,
		      const char *text)
{
	void *to = (char *)base + key->offset;

	switch (key->type) {
	case TYPE_TEXT:
		config_value_set_text(file, to, text);
		break;
	case TYPE_PATH_OR_NONE:
		if (strcmp(text, "none") == 0) {
			config_value_set_text(file, to, text);
			break;
		}
		/* fall through */
	case TYPE_PATH:
		if (!set_path(file, to, text) && !file->out_of_memory)
			fault(file, "%s: the path is too long", key->name);
		break;
	case TYPE_KEY_FILE:
		set_key_file(file, key, to, text);
		break;
	case TYPE_CHOICE:
		set_choice(file, key, to, text);
		break;
	case TYPE_YES_NO:
		if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
			fault(file, "%s: \"%s\" is not yes or no", key->name, text);
		*(bool *)to = strcmp(text, "yes") == 0;
		break;
	case TYPE_LIST:
	case TYPE_NETWORKS:
		set_list(file, key, base, text);
		break;
	default:
		set_number(file, key, to, text);
		break;
	}
}

void config_value_set_initial(struct config_file *file, const struct config_key *keys, void *base)
{
	for (; keys->name; keys++)
		config_value_set(file, keys, base, keys->initial);
}
