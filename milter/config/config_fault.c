/* config_fault: faults of a configuration as the administrator reads them. */
#include "config_fault.h"

#include "config_keys.h"
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A field, found again: whose it is, and its row. */
struct place {
	const struct account *account; /* NULL: of the config itself */
	const struct config_key *key;  /* NULL: no key fills it */
	size_t line;
};

static struct place find_in_account(const struct account *account, const void *field)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_key_is_of(&config_keys[i], SECTION_ACCOUNT) &&
		    config_key_field(&config_keys[i], account) == field)
			return (struct place){account, &config_keys[i], account->lines[i]};
	return (struct place){NULL, NULL, 0};
}

static struct place find(const struct config *config, const void *field)
{
	struct place place = find_in_account(&config->defaults, field);

	for (size_t i = 0; i < config->account_count && !place.key; i++)
		place = find_in_account(&config->accounts[i], field);
	for (size_t i = 0; i < config_key_count && !place.key; i++)
		if (!config_key_is_of(&config_keys[i], SECTION_ACCOUNT) &&
		    config_key_field(&config_keys[i], config) == field)
			place = (struct place){NULL, &config_keys[i], config->lines[i]};
	return place;
}

size_t config_line_of(const struct config *config, const void *field)
{
	return find(config, field).line;
}

static void append(const struct config *config, struct buffer *faults, size_t line, const char *key,
		   const char *text)
{
	char shown[1024];

	problem_quote(shown, sizeof(shown), text, strlen(text));
	buffer_printf(faults, "%s:", config->file);
	if (line > 0)
		buffer_printf(faults, "%zu:", line);
	buffer_printf(faults, " %s%s%s\n", key, key[0] ? ": " : "", shown);
}

void config_fault(const struct config *config, struct buffer *faults, const void *field,
		  const char *format, ...)
{
	const struct place place = find(config, field);
	size_t line = place.line;
	char text[896];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (line == 0 && place.account)
		line = place.account->line;
	append(config, faults, line, place.key ? place.key->name : "", text);
}

void config_fault_at(const struct config *config, struct buffer *faults, size_t line,
		     const char *format, ...)
{
	char text[896];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	append(config, faults, line, "", text);
}
