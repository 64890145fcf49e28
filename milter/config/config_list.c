/* config_list: values that are lists, a word added at a time. */
#include "config_type.h"

#include <stdlib.h>
#include <string.h>

static bool add_word(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	struct string_list *list = field;
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	(void)key;
	(void)directory;
	if (!items)
		return config_type_no_memory(why);
	list->items = items;
	items[list->count] = strdup(text);
	if (!items[list->count])
		return config_type_no_memory(why);
	list->count++;
	return true;
}

static bool copy_list(void *field, const void *from)
{
	const struct string_list *list = from;
	struct problem why;

	*(struct string_list *)field = (struct string_list){NULL, 0};
	for (size_t i = 0; i < list->count; i++)
		if (!add_word(NULL, field, NULL, list->items[i], &why))
			return false;
	return true;
}

static void free_list(void *field)
{
	struct string_list *list = field;

	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){NULL, 0};
}

static bool is_same_list(const void *a, const void *b)
{
	const struct string_list *one = a, *other = b;
	bool same = one->count == other->count;

	for (size_t i = 0; same && i < one->count; i++)
		same = strcmp(one->items[i], other->items[i]) == 0;
	return same;
}

static void show_list(const struct config_key *key, const void *field, struct buffer *out)
{
	const struct string_list *list = field;

	(void)key;
	for (size_t i = 0; i < list->count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ", " : "", list->items[i]);
}

static bool add_network(const struct config_key *key, void *field, const char *directory,
			const char *text, struct problem *why)
{
	struct network_list *list = field;
	struct network *items, network;

	(void)directory;
	if (!network_parse(&network, text))
		return config_type_refuse(
			key, text, why,
			"expected a network such as 192.0.2.0/24 or 2001:db8::/32, with no "
			"bits set behind the prefix");
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items)
		return config_type_no_memory(why);
	list->items = items;
	items[list->count++] = network;
	return true;
}

static bool copy_networks(void *field, const void *from)
{
	const struct network_list *list = from;
	struct network_list *to = field;

	*to = (struct network_list){calloc(list->count + 1, sizeof(*to->items)), list->count};
	if (to->items && list->count > 0)
		memcpy(to->items, list->items, list->count * sizeof(*to->items));
	return to->items != NULL;
}

static void free_networks(void *field)
{
	struct network_list *list = field;

	free(list->items);
	*list = (struct network_list){NULL, 0};
}

static void show_networks(const struct config_key *key, const void *field, struct buffer *out)
{
	const struct network_list *list = field;
	char shown[NETWORK_SHOWN];

	(void)key;
	for (size_t i = 0; i < list->count; i++)
		buffer_printf(out, "%s%s", i > 0 ? ", " : "", network_show(&list->items[i], shown));
}

static bool is_same_networks(const void *a, const void *b)
{
	const struct network_list *one = a, *other = b;

	return one->count == other->count &&
	       (one->count == 0 ||
		memcmp(one->items, other->items, one->count * sizeof(*one->items)) == 0);
}

const struct config_operations config_type_list = {add_word,     copy_list, free_list,
						   is_same_list, show_list, true};

const struct config_operations config_type_networks = {
	add_network, copy_networks, free_networks, is_same_networks, show_networks, true};
