/* config_value: one value of the configuration, between its text and its field. */
#include "config_value.h"

#include "key_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000LL
#define DAY    (86400 * SECOND)
#define KIB    1024LL

/* Everything that a type has to be able to do. */
struct config_type_operations {
	bool (*set)(const struct config_key *key, void *field, const char *directory,
		    const char *text, struct problem *why);
	bool (*copy)(void *field, const void *from);
	void (*free)(void *field);
	bool (*is_same)(const void *a, const void *b);
	void (*show)(const struct config_key *key, const void *field, struct buffer *out);
	bool is_list;
};

/* redis://joe:secret@cache.example becomes redis://joe:***@cache.example; a name alone may be a token. */
static void append_redacted(struct buffer *out, const char *url)
{
	const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
	const char *who = scheme ? scheme + 3 : url, *colon, *secret;

	if (!at || at < who) {
		buffer_append_text(out, url);
		return;
	}
	colon = memchr(who, ':', (size_t)(at - who));
	secret = colon ? colon + 1 : who;
	buffer_append(out, url, (size_t)(secret - url));
	buffer_append_text(out, "***");
	buffer_append_text(out, at);
}

/* invalid value "x": expected y */
static bool refuse(const struct config_key *key, const char *text, struct problem *why,
		   const char *expected)
{
	struct buffer redacted = buffer_with_maximum(4096);
	const bool is_secret = key->type == TYPE_URL;

	if (is_secret)
		append_redacted(&redacted, text);
	problem_set(why, "invalid value \"%.320s\": %s",
		    !is_secret      ? text
		    : redacted.data ? redacted.data
				    : "",
		    expected);
	buffer_free(&redacted);
	return false;
}

static bool no_memory(struct problem *why)
{
	problem_set(why, "no memory");
	return false;
}

/* ---- texts and paths ---- */

static bool replace(char **field, const char *text, struct problem *why)
{
	char *copy = strdup(text);

	if (!copy)
		return no_memory(why);
	free(*field);
	*field = copy;
	return true;
}

static bool set_text(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)key;
	(void)directory;
	return replace(field, text, why);
}

/* Writes the absolute path, behind what stands before it. False, and why, if it is too long. */
static bool make_absolute(char out[PATH_MAX], const char *before, const char *directory,
			  const char *path, struct problem *why)
{
	const bool is_whole = path[0] == '\0' || path[0] == '/';

	if ((size_t)snprintf(out, PATH_MAX, "%s%s%s%s", before, is_whole ? "" : directory,
			     is_whole ? "" : "/", path) < PATH_MAX)
		return true;
	problem_set(why, "the path is too long");
	return false;
}

static bool set_path(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	char path[PATH_MAX];

	(void)key;
	return make_absolute(path, "", directory, text, why) && replace(field, path, why);
}

static bool set_path_or_none(const struct config_key *key, void *field, const char *directory,
			     const char *text, struct problem *why)
{
	char **path = field;

	if (text[0] == '\0')
		return refuse(key, text, why, "expected a path, or none");
	if (strcmp(text, "none") != 0)
		return set_path(key, field, directory, text, why);
	free(*path);
	*path = NULL;
	return true;
}

static bool set_key_file(const struct config_key *key, void *field, const char *directory,
			 const char *text, struct problem *why)
{
	char path[PATH_MAX];

	if (strncmp(text, KEY_FILE_CREDENTIAL, strlen(KEY_FILE_CREDENTIAL)) != 0)
		return set_path(key, field, directory, text, why);
	return key_file_find_credential(path, sizeof(path), text, why) && replace(field, path, why);
}

/* As libmilter has it: unix:/path, inet:port@host. sockaddr_un.sun_path holds 108 bytes. */
static bool set_socket(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	const char *colon = strchr(text, ':');
	char path[PATH_MAX];
	unsigned int port;
	char tail;

	if (strncmp(text, "inet:", 5) == 0 || strncmp(text, "inet6:", 6) == 0) {
		if (sscanf(colon + 1, "%5u@%c", &port, &tail) == 2 && port > 0 && port < 65536)
			return replace(field, text, why);
	} else if ((strncmp(text, "unix:", 5) == 0 || strncmp(text, "local:", 6) == 0) &&
		   colon[1]) {
		if (!make_absolute(path, "unix:", directory, colon + 1, why))
			return false;
		if (strlen(path) - strlen("unix:") <= 107)
			return replace(field, path, why);
		return refuse(key, text, why, "expected a path of at most 107 characters");
	}
	return refuse(key, text, why, "expected unix:/path, inet:port@host or inet6:port@host");
}

static bool copy_text(void *field, const void *from)
{
	const char *const *text = from;
	char **to = field;

	*to = *text ? strdup(*text) : NULL;
	return *to || !*text;
}

static void free_text(void *field)
{
	char **text = field;

	free(*text);
	*text = NULL;
}

static void free_secret(void *field)
{
	char **text = field;

	key_free(*text);
	*text = NULL;
}

static bool is_same_text(const void *a, const void *b)
{
	const char *const *one = a, *const *other = b;

	return *one && *other ? strcmp(*one, *other) == 0 : *one == *other;
}

static void show_text(const struct config_key *key, const void *field, struct buffer *out)
{
	const char *const *text = field;

	(void)key;
	buffer_append_text(out, *text ? *text : "none");
}

static void show_url(const struct config_key *key, const void *field, struct buffer *out)
{
	const char *const *text = field;

	(void)key;
	append_redacted(out, *text);
}

/* ---- numbers ---- */

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

static long long parse_size(const char *text)
{
	static const char *const units[] = {"", "K", "M", "G", NULL};
	static const long long factors[] = {1, KIB, KIB * KIB, KIB * KIB * KIB};

	return parse_scaled(text, units, factors);
}

static long long parse_number(const char *text)
{
	static const char *const units[] = {"", NULL};
	static const long long factors[] = {1};

	return parse_scaled(text, units, factors);
}

static long long parse_octal(const char *text)
{
	char *end;
	const long value = strtol(text, &end, 8);

	return text[0] >= '0' && text[0] <= '7' && *end == '\0' ? value : -1;
}

/* A limit the way a file would say it. */
static const char *show_limit(const struct config_key *key, long long value, char *out, size_t size)
{
	if (key->type == TYPE_DURATION && value > 0 && value % DAY == 0)
		snprintf(out, size, "%lldd", value / DAY);
	else if (key->type == TYPE_DURATION)
		snprintf(out, size, value % SECOND ? "%lldms" : "%llds",
			 value % SECOND ? value : value / SECOND);
	else if (key->type == TYPE_SIZE && value >= KIB * KIB)
		snprintf(out, size, "%lldM", value / (KIB * KIB));
	else if (key->type == TYPE_SIZE && value >= KIB)
		snprintf(out, size, "%lldK", value / KIB);
	else
		snprintf(out, size, key->type == TYPE_OCTAL ? "0%llo" : "%lld", value);
	return out;
}

static bool set_within_limits(const struct config_key *key, long long *field, long long value,
			      const char *form, const char *text, struct problem *why)
{
	char least[32], most[32], expected[192];

	if (value >= key->least && value <= key->most) {
		*field = value;
		return true;
	}
	snprintf(expected, sizeof(expected), "expected %s from %s to %s", form,
		 show_limit(key, key->least, least, sizeof(least)),
		 show_limit(key, key->most, most, sizeof(most)));
	return refuse(key, text, why, expected);
}

static bool set_number(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_number(text), "a number", text, why);
}

static bool set_rate(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)directory;
	if (strcmp(text, "none") != 0)
		return set_within_limits(key, field, parse_number(text), "none, or a number", text,
					 why);
	*(long long *)field = RATE_NONE;
	return true;
}

static bool set_octal(const struct config_key *key, void *field, const char *directory,
		      const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_octal(text), "an octal mode (0660)", text, why);
}

static bool set_size(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, parse_size(text), "a size (4096, 64K, 10M)", text,
				 why);
}

static bool set_duration(const struct config_key *key, void *field, const char *directory,
			 const char *text, struct problem *why)
{
	(void)directory;
	return set_within_limits(key, field, config_value_duration(text),
				 "a duration (250ms, 5s, 2m, 1h, 30d)", text, why);
}

static bool set_share(const struct config_key *key, void *field, const char *directory,
		      const char *text, struct problem *why)
{
	const bool is_part = strncmp(text, "1/", 2) == 0 && strlen(text) < sizeof("1/9999");
	const long long count = is_part ? parse_number(text + 2) : strcmp(text, "1") == 0;

	(void)directory;
	if (count < 1)
		return refuse(key, text, why,
			      "expected 1, or 1/N for one of N filters, such as 1/2");
	*(long long *)field = count;
	return true;
}

static bool copy_number(void *field, const void *from)
{
	*(long long *)field = *(const long long *)from;
	return true;
}

static void free_nothing(void *field)
{
	(void)field;
}

static bool is_same_number(const void *a, const void *b)
{
	return *(const long long *)a == *(const long long *)b;
}

static void show_number(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "%lld", *(const long long *)field);
}

static void show_rate(const struct config_key *key, const void *field, struct buffer *out)
{
	const long long *rate = field;

	if (*rate == RATE_NONE)
		buffer_append_text(out, "none");
	else
		show_number(key, field, out);
}

static void show_octal(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "0%llo", *(const long long *)field);
}

static void show_duration(const struct config_key *key, const void *field, struct buffer *out)
{
	(void)key;
	buffer_printf(out, "%lldms", *(const long long *)field);
}

static void show_share(const struct config_key *key, const void *field, struct buffer *out)
{
	const long long count = *(const long long *)field;

	(void)key;
	buffer_printf(out, count == 1 ? "%lld" : "1/%lld", count);
}

/* ---- words ---- */

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
	return refuse(key, text, why, all);
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
		return refuse(key, text, why, "expected yes or no");
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

/* ---- lists ---- */

static bool add_word(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	struct string_list *list = field;
	char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

	(void)key;
	(void)directory;
	if (!items)
		return no_memory(why);
	list->items = items;
	items[list->count] = strdup(text);
	if (!items[list->count])
		return no_memory(why);
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
		return refuse(key, text, why,
			      "expected a network such as 192.0.2.0/24 or 2001:db8::/32, with no "
			      "bits set behind the prefix");
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items)
		return no_memory(why);
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

/* ---- all of them ---- */

#define TEXT   copy_text, free_text, is_same_text, show_text
#define NUMBER copy_number, free_nothing, is_same_number
static const struct config_type_operations types[TYPE_COUNT] = {
	[TYPE_TEXT] = {set_text, TEXT, false},
	[TYPE_URL] = {set_text, copy_text, free_secret, is_same_text, show_url, false},
	[TYPE_PATH] = {set_path, TEXT, false},
	[TYPE_PATH_OR_NONE] = {set_path_or_none, TEXT, false},
	[TYPE_KEY_FILE] = {set_key_file, TEXT, false},
	[TYPE_SOCKET] = {set_socket, TEXT, false},
	[TYPE_CHOICE] = {set_choice, copy_choice, free_nothing, is_same_choice, show_choice, false},
	[TYPE_YES_NO] = {set_yes_no, copy_yes_no, free_nothing, is_same_yes_no, show_yes_no, false},
	[TYPE_NUMBER] = {set_number, NUMBER, show_number, false},
	[TYPE_RATE] = {set_rate, NUMBER, show_rate, false},
	[TYPE_OCTAL] = {set_octal, NUMBER, show_octal, false},
	[TYPE_SIZE] = {set_size, NUMBER, show_number, false},
	[TYPE_DURATION] = {set_duration, NUMBER, show_duration, false},
	[TYPE_SHARE] = {set_share, NUMBER, show_share, false},
	[TYPE_LIST] = {add_word, copy_list, free_list, is_same_list, show_list, true},
	[TYPE_NETWORKS] = {add_network, copy_networks, free_networks, is_same_networks,
			   show_networks, true},
};

bool config_value_is_list(const struct config_key *key)
{
	return types[key->type].is_list;
}

bool config_value_set(const struct config_key *key, void *base, const char *directory,
		      const char *text, struct problem *why)
{
	struct problem expected;

	if (!types[key->type].set(key, config_key_field(key, base), directory, text, why))
		return false;
	return !key->check || key->check(text, &expected) || refuse(key, text, why, expected.text);
}

char *config_value_next_word(char **rest)
{
	char *word;

	do {
		word = strsep(rest, ", \t");
	} while (word && word[0] == '\0');
	return word;
}

bool config_value_set_initial(const struct config_key *key, void *base)
{
	struct problem why;
	char *copy, *rest;
	bool good = true;

	config_value_free(key, base);
	if (!config_value_is_list(key))
		return config_value_set(key, base, "", key->initial, &why);
	copy = rest = strdup(key->initial);
	for (char *word; good && (word = config_value_next_word(&rest)) != NULL;)
		good = config_value_set(key, base, "", word, &why);
	free(copy);
	return copy && good;
}

bool config_value_copy(const struct config_key *key, void *base, const void *from)
{
	config_value_free(key, base);
	return types[key->type].copy(config_key_field(key, base), config_key_field(key, from));
}

void config_value_free(const struct config_key *key, void *base)
{
	types[key->type].free(config_key_field(key, base));
}

bool config_value_is_same(const struct config_key *key, const void *a, const void *b)
{
	return types[key->type].is_same(config_key_field(key, a), config_key_field(key, b));
}

void config_value_show(const struct config_key *key, const void *base, struct buffer *out)
{
	types[key->type].show(key, config_key_field(key, base), out);
}
