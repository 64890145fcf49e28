/* config_value: one value of the configuration, between its text and its field. */
#include "config_value.h"

#include "config_type.h"

#include <stdlib.h>
#include <string.h>

static const struct config_operations *const types[TYPE_COUNT] = {
	[TYPE_TEXT] = &config_type_text,         [TYPE_URL] = &config_type_url,
	[TYPE_PATH] = &config_type_path,         [TYPE_PATH_OR_NONE] = &config_type_path_or_none,
	[TYPE_KEY_FILE] = &config_type_key_file, [TYPE_SOCKET] = &config_type_socket,
	[TYPE_CHOICE] = &config_type_choice,     [TYPE_YES_NO] = &config_type_yes_no,
	[TYPE_NUMBER] = &config_type_number,     [TYPE_RATE] = &config_type_rate,
	[TYPE_OCTAL] = &config_type_octal,       [TYPE_SIZE] = &config_type_size,
	[TYPE_DURATION] = &config_type_duration, [TYPE_SHARE] = &config_type_share,
	[TYPE_LIST] = &config_type_list,         [TYPE_NETWORKS] = &config_type_networks,
};

/* redis://joe:secret@cache.example becomes redis://joe:***@cache.example; a name alone may be a token. */
void config_type_redact(struct buffer *out, const char *url)
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

bool config_type_refuse(const struct config_key *key, const char *text, struct problem *why,
			const char *expected)
{
	struct buffer redacted = buffer_with_maximum(4096);
	const bool is_secret = key->type == TYPE_URL;

	if (is_secret)
		config_type_redact(&redacted, text);
	problem_set(why, "invalid value \"%.320s\": %s",
		    !is_secret      ? text
		    : redacted.data ? redacted.data
				    : "",
		    expected);
	buffer_free(&redacted);
	return false;
}

bool config_type_no_memory(struct problem *why)
{
	problem_cannot_tell(why, "no memory");
	return false;
}

bool config_value_is_list(const struct config_key *key)
{
	return types[key->type]->is_list;
}

bool config_value_set(const struct config_key *key, void *base, const char *directory,
		      const char *text, struct problem *why)
{
	struct problem expected;

	if (!types[key->type]->set(key, config_key_field(key, base), directory, text, why))
		return false;
	return !key->check || key->check(text, &expected) ||
	       config_type_refuse(key, text, why, expected.text);
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
	return types[key->type]->copy(config_key_field(key, base), config_key_field(key, from));
}

void config_value_free(const struct config_key *key, void *base)
{
	types[key->type]->free(config_key_field(key, base));
}

bool config_value_is_same(const struct config_key *key, const void *a, const void *b)
{
	return types[key->type]->is_same(config_key_field(key, a), config_key_field(key, b));
}

void config_value_show(const struct config_key *key, const void *base, struct buffer *out)
{
	types[key->type]->show(key, config_key_field(key, base), out);
}
