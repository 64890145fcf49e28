/* config_show: the configuration, and the table of its keys, as text for people and programs. */
#include "config_show.h"

#include "config_value.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAXIMUM ((size_t)1024 * 1024) /* bytes, of one value; lists can be long */

/* Appends a text with control characters as \xNN, never cut. */
static void append_printable(struct buffer *out, const struct buffer *text)
{
	const size_t size = 4 * text->length + 1;
	char *shown = malloc(size);

	if (shown && !text->failed)
		buffer_append_text(out, problem_quote(shown, size, text->data ? text->data : "",
						      text->length));
	else
		out->failed = true;
	free(shown);
}

/* section.key = value  # FILE:LINE */
static void show_value(const struct config *config, const struct config_key *key, const void *base,
		       size_t line, struct buffer *out)
{
	struct buffer value = buffer_with_maximum(VALUE_MAXIMUM);

	config_value_show(key, base, &value);
	buffer_printf(out, "%s = ", key->name);
	append_printable(out, &value);
	if (line > 0)
		buffer_printf(out, "  # %s:%zu\n", config->file, line);
	else
		buffer_append_text(out, "  # default\n");
	buffer_free(&value);
}

static void show_section(const struct config *config, enum config_section section, const void *base,
			 const size_t *lines, struct buffer *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (config_keys[i].section != section)
			continue;
		buffer_printf(out, "%s.", config_sections[section]);
		show_value(config, &config_keys[i], base, lines[i], out);
	}
}

static void show_account(const struct config *config, const struct account *account,
			 struct buffer *out)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (!config_key_is_of(&config_keys[i], SECTION_ACCOUNT))
			continue;
		buffer_printf(out, "%s.%s.", config_sections[SECTION_ACCOUNT], account->name);
		show_value(config, &config_keys[i], account, account->lines[i], out);
	}
}

void config_show(const struct config *config, struct buffer *out)
{
	for (unsigned int section = 0; section < SECTION_CRONOFY; section++)
		show_section(config, section, config, config->lines, out);
	show_section(config, SECTION_CRONOFY, &config->defaults, config->defaults.lines, out);
	for (size_t i = 0; i < config->account_count; i++)
		show_account(config, &config->accounts[i], out);
}

/* ---- the keys ---- */

static const char *const type_names[TYPE_COUNT] = {
	[TYPE_TEXT] = "text",         [TYPE_URL] = "url",
	[TYPE_PATH] = "path",         [TYPE_PATH_OR_NONE] = "path or none",
	[TYPE_KEY_FILE] = "key file", [TYPE_SOCKET] = "socket",
	[TYPE_CHOICE] = "choice",     [TYPE_YES_NO] = "yes or no",
	[TYPE_NUMBER] = "number",     [TYPE_RATE] = "rate",
	[TYPE_OCTAL] = "octal",       [TYPE_SIZE] = "size",
	[TYPE_DURATION] = "duration", [TYPE_SHARE] = "share",
	[TYPE_LIST] = "list",         [TYPE_NETWORKS] = "networks",
};

static void show_choices(const struct config_key *key, struct buffer *out)
{
	const char *separator = "";
	struct problem why;

	if (key->type == TYPE_YES_NO)
		buffer_append_text(out, "yes|no");
	for (size_t i = 0; key->choices && key->choices[i]; i++) {
		if (key->check && !key->check(key->choices[i], &why))
			continue;
		buffer_printf(out, "%s%s", separator, key->choices[i]);
		separator = "|";
	}
}

void config_show_keys(struct buffer *out)
{
	buffer_append_text(out, "section\tkey\ttype\tdefault\tleast\tmost\tchoices\trestart\n");
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		buffer_printf(out, "%s\t%s\t%s\t%s\t", config_sections[key->section], key->name,
			      type_names[key->type], key->initial);
		if (key->most > 0)
			buffer_printf(out, "%lld\t%lld\t", key->least, key->most);
		else
			buffer_append_text(out, "\t\t");
		show_choices(key, out);
		buffer_printf(out, "\t%s\n", key->takes_restart ? "yes" : "no");
	}
}

/* ---- what a reload does not change ---- */

static bool is_another(const char *before, const char *after)
{
	return strcmp(before ? before : "", after ? after : "") != 0;
}

static bool is_changed(const struct config *old, const struct config *new,
		       const struct config_key *key)
{
	const void *const field = config_key_field(key, old);

	/* Of a file with a secret what it holds counts as well. */
	if (field == &old->redis_password_file &&
	    is_another(old->redis_password, new->redis_password))
		return true;
	if (field == &old->redis_secret_file && is_another(old->redis_secret, new->redis_secret))
		return true;
	return !config_value_is_same(key, old, new);
}

void config_show_restart(const struct config *old, const struct config *new, struct buffer *out)
{
	enum config_section last = SECTION_COUNT;

	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key->takes_restart || !is_changed(old, new, key))
			continue;
		if (last != SECTION_COUNT && key->section != last)
			buffer_printf(out, " of [%s]", config_sections[last]);
		buffer_printf(out, "%s%s", last != SECTION_COUNT ? ", " : "", key->name);
		last = key->section;
	}
	if (last != SECTION_COUNT)
		buffer_printf(out, " of [%s]", config_sections[last]);
}
