/* config_file: the syntax of the configuration file. */
#include "config_file.h"

#include "config_fault.h"
#include "config_value.h"
#include "file_mode.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_NAME_MAXIMUM 64 /* characters */

/* A file that is being read. */
struct reader {
	struct config *config;
	struct buffer *faults;
	char directory[PATH_MAX];
	size_t line;                  /* that was read last */
	bool in_section;              /* not before the first one */
	char section_name[128];       /* as the file has it */
	enum config_section section;  /* SECTION_COUNT: one that does not exist */
	void *base;                   /* what the section's keys are fields of, */
	size_t *lines;                /* and where their values stand */
	const struct config_key *key; /* that a line behind white space continues; or NULL */
};

#define fault(reader, ...)                                                                         \
	config_fault_at((reader)->config, (reader)->faults, (reader)->line, __VA_ARGS__)

/* ---- keys ---- */

static const struct config_key *find_key(enum config_section section, const char *name)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (config_key_is_of(&config_keys[i], section) &&
		    strcmp(config_keys[i].name, name) == 0)
			return &config_keys[i];
	return NULL;
}

static void take_word(struct reader *reader, const char *text)
{
	struct problem why;

	if (!config_value_set(reader->key, reader->base, reader->directory, text, &why))
		fault(reader, "%s: %s", reader->key->name, why.text);
}

static void take_value(struct reader *reader, char *text)
{
	if (!config_value_is_list(reader->key)) {
		take_word(reader, text);
		return;
	}
	for (char *word; (word = config_value_next_word(&text)) != NULL;)
		take_word(reader, word);
}

static void take_key(struct reader *reader, const char *name, char *value)
{
	const struct config_key *key;
	size_t *line;

	if (!reader->in_section)
		fault(reader, "%s: a key before the first section", name);
	if (reader->section == SECTION_COUNT)
		return;
	key = find_key(reader->section, name);
	if (!key) {
		fault(reader, "%s: unknown key in [%s]", name, reader->section_name);
		return;
	}
	line = &reader->lines[key - config_keys];
	if (*line > 0) {
		fault(reader, "%s: given twice; first in line %zu", name, *line);
		return;
	}
	*line = reader->line;
	reader->key = key;
	if (config_value_is_list(key)) /* the file's own words replace the default ones */
		config_value_free(key, reader->base);
	take_value(reader, value);
}

/* A line that continues the list before it. */
static void take_continuation(struct reader *reader, char *text)
{
	if (!reader->key)
		fault(reader, "\"%s\" continues no line", text);
	else if (!config_value_is_list(reader->key))
		fault(reader,
		      "a line that begins with white space continues the list before it, but %s is "
		      "not a list",
		      reader->key->name);
	else
		take_value(reader, text);
}

/* ---- sections ---- */

static void enter(struct reader *reader, enum config_section section, void *base, size_t *lines)
{
	reader->section = section;
	reader->base = base;
	reader->lines = lines;
	reader->key = NULL;
}

static void begin_account(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	const size_t length = strlen(name);
	struct account *account;

	if (length == 0 || length > ACCOUNT_NAME_MAXIMUM ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
			 "STUVWXYZ0123456789._-") != length)
		fault(reader,
		      "[account %s]: a name is 1 to 64 letters, digits, dots, dashes and "
		      "underscores",
		      name);
	for (size_t i = 0; i < config->account_count; i++)
		if (strcmp(config->accounts[i].name, name) == 0)
			fault(reader, "[account %s]: given twice; first in line %zu", name,
			      config->accounts[i].line);
	account = config_add_account(config, name, reader->line);
	if (account)
		enter(reader, SECTION_ACCOUNT, account, account->lines);
	else
		fault(reader, "no memory");
}

static void refuse_section(struct reader *reader)
{
	struct buffer all = buffer_with_maximum(512);

	for (int i = 0; i < SECTION_ACCOUNT; i++)
		buffer_printf(&all, "[%s], ", config_sections[i]);
	fault(reader, "[%s]: unknown section; there are %sand [account NAME]", reader->section_name,
	      all.data ? all.data : "");
	buffer_free(&all);
}

static void begin_section(struct reader *reader, const char *line)
{
	const size_t length = strcspn(line + 1, "]"),
		     word = strlen(config_sections[SECTION_ACCOUNT]);
	struct config *config = reader->config;
	char *const name = reader->section_name;

	reader->in_section = true;
	enter(reader, SECTION_COUNT, NULL, NULL);
	snprintf(name, sizeof(reader->section_name), "%.*s", (int)length, line + 1);
	if (line[1 + length] != ']' || line[2 + length] != '\0') {
		fault(reader, "\"%s\" is not a [section]", line);
		return;
	}
	if (strncmp(name, config_sections[SECTION_ACCOUNT], word) == 0 &&
	    (name[word] == ' ' || name[word] == '\t')) {
		begin_account(reader, name + word + strspn(name + word, " \t"));
		return;
	}
	for (unsigned int i = 0; i < SECTION_ACCOUNT; i++) {
		if (strcmp(name, config_sections[i]) != 0)
			continue;
		if (i == SECTION_CRONOFY)
			enter(reader, i, &config->defaults, config->defaults.lines);
		else
			enter(reader, i, config, config->lines);
		return;
	}
	refuse_section(reader);
}

/* ---- lines ---- */

/* Cuts a comment, which begins the line or follows white space, and white space at both ends. */
static char *trim(char *line)
{
	size_t length = 0;

	while (line[length] && !((line[length] == '#' || line[length] == ';') &&
				 (length == 0 || isspace((unsigned char)line[length - 1]))))
		length++;
	while (length > 0 && isspace((unsigned char)line[length - 1]))
		length--;
	line[length] = '\0';
	return line + strspn(line, " \t");
}

static void take_line(struct reader *reader, char *line)
{
	const bool indented = line[0] == ' ' || line[0] == '\t';
	char *text = trim(line), *equals = strchr(text, '=');

	if (text[0] == '\0')
		return;
	if (text[0] == '[') {
		begin_section(reader, text);
	} else if (equals) {
		*equals = '\0';
		take_key(reader, trim(text), trim(equals + 1));
	} else if (indented) {
		take_continuation(reader, text);
	} else {
		fault(reader, "\"%s\" is neither [section] nor key = value nor # comment", text);
	}
}

static void read_lines(struct reader *reader, FILE *stream)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, stream)) >= 0) {
		reader->line++;
		if (strlen(line) != (size_t)length) {
			fault(reader, "a NUL character");
			continue;
		}
		/* Some editors begin a file with a byte order mark. */
		if (reader->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
			take_line(reader, line + 3);
		else
			take_line(reader, line);
	}
	if (ferror(stream))
		config_fault_at(reader->config, reader->faults, 0, "cannot be read: %s",
				strerror(errno));
	free(line);
}

/* ---- what accounts inherit ---- */

/* Does the account itself say the same by another key? */
static bool says_it_otherwise(const struct account *account, const struct config_key *key)
{
	const struct config_key *other =
		key->instead ? find_key(SECTION_ACCOUNT, key->instead) : NULL;

	return other && account->lines[other - config_keys] > 0;
}

static bool inherit(const struct config *config, struct account *account)
{
	size_t *own = account->lines, *lines = calloc(config_key_count, sizeof(*lines));
	bool good = lines != NULL;

	for (size_t i = 0; i < config_key_count && good; i++) {
		const struct config_key *key = &config_keys[i];

		lines[i] = own[i];
		if (key->section != SECTION_CRONOFY || own[i] > 0 ||
		    says_it_otherwise(account, key))
			continue;
		lines[i] = config->defaults.lines[i];
		good = config_value_copy(key, account, &config->defaults);
	}
	if (good)
		account->lines = lines;
	free(good ? own : lines);
	return good;
}

/* Without any [account], [cronofy] serves every trusted sender. */
static bool add_default_account(struct config *config)
{
	struct account *account = config_add_account(config, config_sections[SECTION_CRONOFY], 0);
	const struct config_key *senders = find_key(SECTION_ACCOUNT, "senders");
	struct problem why;

	return account && config_value_set(senders, account, "", "*", &why);
}

/* A password in the file is a key in the file. */
static bool has_password(const struct config *config)
{
	if (strchr(config->redis, '@'))
		return true;
	for (size_t i = 0; i < config->account_count; i++)
		if (config->accounts[i].proxy && strchr(config->accounts[i].proxy, '@'))
			return true;
	return false;
}

/* The file says where keys are sent to, and whose certificates count. */
static void check_permissions(const struct config *config, FILE *stream, struct buffer *faults)
{
	struct problem why;
	struct stat status;

	if (fstat(fileno(stream), &status) < 0)
		return;
	if (!file_mode_forbids(&status, FILE_MODE_OTHERS_WRITE, "the file",
			       "check what it says, then chmod go-w it", &why) ||
	    (has_password(config) &&
	     !file_mode_forbids(&status, FILE_MODE_OTHERS_USE, "the file, with a password in it,",
				"chmod 0640 it", &why)))
		config_fault_at(config, faults, 0, "%s", why.text);
}

/* Gives whether there is a file to read; what is wrong in it is in the faults. */
bool config_file_read(struct config *config, struct buffer *faults)
{
	struct reader reader = {.config = config, .faults = faults, .section = SECTION_COUNT};
	const char *slash = strrchr(config->file, '/');
	FILE *stream = fopen(config->file, "re");
	bool good = true;

	if (!stream) {
		config_fault_at(config, faults, 0, "%s", strerror(errno));
		return false;
	}
	snprintf(reader.directory, sizeof(reader.directory), "%.*s",
		 slash ? (int)(slash - config->file) : 1, slash ? config->file : ".");
	read_lines(&reader, stream);
	if (config->account_count == 0)
		good = add_default_account(config);
	for (size_t i = 0; i < config->account_count && good; i++)
		good = inherit(config, &config->accounts[i]);
	if (good)
		check_permissions(config, stream, faults);
	else
		config_fault_at(config, faults, 0, "no memory");
	fclose(stream);
	return good;
}
