#include "config_file.h"

#include "config_value.h"
#include "problem.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a file may say ---- */

static const char *const modes[] = {"direct", "queued", NULL};
static const char *const routes[] = {"header", "domain", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const fallbacks[] = {"reject", "tempfail", "hold", "deliver", NULL};
static const char *const untrusted[] = {"strip", "reject", "keep", NULL};
static const char *const data_centers[] = {"us", "au", "ca", "de", "sg", "uk", NULL};

static const struct config_key milter_keys[] = {
	{"socket", TYPE_TEXT, offsetof(struct config, socket),
	 "unix:/run/cancel-invite-milter/milter.sock", 0, 0, NULL},
	{"socket_mode", TYPE_OCTAL, offsetof(struct config, socket_mode), "0660", 0, 0777, NULL},
	{"socket_group", TYPE_TEXT, offsetof(struct config, socket_group), "", 0, 0, NULL},
	{"user", TYPE_TEXT, offsetof(struct config, user), "", 0, 0, NULL},
	{"header", TYPE_TEXT, offsetof(struct config, header), "X-Cancel-Invite", 0, 0, NULL},
	{"mode", TYPE_CHOICE, offsetof(struct config, mode), "direct", 0, 0, modes},
	{"queue_daemon", TYPE_TEXT, offsetof(struct config, queue_daemon), "cancel-invite", 0, 0,
	 NULL},
	{"route", TYPE_CHOICE, offsetof(struct config, route), "header", 0, 0, routes},
	{"stamp_key_file", TYPE_KEY_FILE, offsetof(struct config, stamp_key_file),
	 "/var/lib/cancel-invite-milter/stamp.key", 0, 0, NULL},
	{"stamp_lifetime", TYPE_DURATION, offsetof(struct config, stamp_lifetime), "10d",
	 60 * SECOND, 100 * DAY, NULL},
	{"archives", TYPE_LIST, offsetof(struct config, archives), "", 0, 0, NULL},
	{"temp_dir", TYPE_PATH, offsetof(struct config, temp_dir), "/var/tmp", 0, 0, NULL},
	{"body_memory", TYPE_SIZE, offsetof(struct config, body_memory), "256K", 0, 64 * MIB, NULL},
	{"max_message_size", TYPE_SIZE, offsetof(struct config, max_message_size), "9M", KIB,
	 4096 * MIB, NULL},
	{"max_active", TYPE_NUMBER, offsetof(struct config, max_active), "200", 1, 10000, NULL},
	{"drain_timeout", TYPE_DURATION, offsetof(struct config, drain_timeout), "60s", 0,
	 3600 * SECOND, NULL},
	{"log", TYPE_CHOICE, offsetof(struct config, log), "syslog", 0, 0, log_targets},
	{"log_level", TYPE_CHOICE, offsetof(struct config, log_level), "info", 0, 0, log_levels},
	{"log_format", TYPE_CHOICE, offsetof(struct config, log_format), "text", 0, 0, log_formats},
	{"syslog_facility", TYPE_TEXT, offsetof(struct config, syslog_facility), "mail", 0, 0,
	 NULL},
	{"dry_run", TYPE_YES_NO, offsetof(struct config, dry_run), "no", 0, 0, NULL},
	{"strict_calendar", TYPE_YES_NO, offsetof(struct config, strict_calendar), "no", 0, 0,
	 NULL},
	{"on_refused", TYPE_CHOICE, offsetof(struct config, on_refused), "reject", 0, 0, fallbacks},
	{"on_unavailable", TYPE_CHOICE, offsetof(struct config, on_unavailable), "tempfail", 0, 0,
	 fallbacks},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

static const struct config_key trust_keys[] = {
	{"networks", TYPE_NETWORKS, offsetof(struct config, networks), "127.0.0.0/8, ::1", 0, 0,
	 NULL},
	{"authenticated", TYPE_YES_NO, offsetof(struct config, trust_authenticated), "yes", 0, 0,
	 NULL},
	{"untrusted", TYPE_CHOICE, offsetof(struct config, untrusted), "strip", 0, 0, untrusted},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

static const struct config_key metrics_keys[] = {
	{"listen", TYPE_TEXT, offsetof(struct config, metrics_listen), "", 0, 0, NULL},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

static const struct config_key ledger_keys[] = {
	{"file", TYPE_PATH_OR_NONE, offsetof(struct config, ledger_file),
	 "/var/lib/cancel-invite-milter/ledger.db", 0, 0, NULL},
	{"keep", TYPE_DURATION, offsetof(struct config, ledger_keep), "30d", 3600 * SECOND,
	 3650 * DAY, NULL},
	{"required", TYPE_YES_NO, offsetof(struct config, ledger_required), "no", 0, 0, NULL},
	{"shared", TYPE_YES_NO, offsetof(struct config, ledger_shared), "no", 0, 0, NULL},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

static const struct config_key pace_keys[] = {
	{"redis", TYPE_TEXT, offsetof(struct config, redis), "", 0, 0, NULL},
	{"redis_password_file", TYPE_PATH, offsetof(struct config, redis_password_file), "", 0, 0,
	 NULL},
	{"prefix", TYPE_TEXT, offsetof(struct config, redis_prefix), "cancel-invite-milter:", 0, 0,
	 NULL},
	{"share", TYPE_TEXT, offsetof(struct config, share), "1", 0, 0, NULL},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

/* The first two are an [account]'s own; the others may also stand in [cronofy], for all of them. */
#define OWN_KEYS 2
static const struct config_key account_keys[] = {
	{"senders", TYPE_LIST, offsetof(struct account, senders), "", 0, 0, NULL},
	{"logins", TYPE_LIST, offsetof(struct account, logins), "", 0, 0, NULL},
	{"data_center", TYPE_CHOICE, offsetof(struct account, data_center), "us", 0, 0,
	 data_centers},
	{"url", TYPE_TEXT, offsetof(struct account, url), "", 0, 0, NULL},
	{"api_key_file", TYPE_KEY_FILE, offsetof(struct account, api_key_file), "", 0, 0, NULL},
	{"ca_file", TYPE_PATH, offsetof(struct account, ca_file), "", 0, 0, NULL},
	{"proxy", TYPE_TEXT, offsetof(struct account, proxy), "", 0, 0, NULL},
	{"timeout", TYPE_DURATION, offsetof(struct account, timeout), "20s", 10, 120 * SECOND,
	 NULL},
	{"deadline", TYPE_DURATION, offsetof(struct account, deadline), "60s", 10, 240 * SECOND,
	 NULL},
	{"attempts", TYPE_NUMBER, offsetof(struct account, attempts), "3", 1, 10, NULL},
	{"requests_per_second", TYPE_NUMBER, offsetof(struct account, requests_per_second), "50", 1,
	 10000, NULL},
	{"requests_per_minute", TYPE_NUMBER, offsetof(struct account, requests_per_minute), "500",
	 1, 100000, NULL},
	{"breaker_failures", TYPE_NUMBER, offsetof(struct account, breaker_failures), "5", 1, 1000,
	 NULL},
	{"breaker_pause", TYPE_DURATION, offsetof(struct account, breaker_pause), "30s", 10,
	 3600 * SECOND, NULL},
	{NULL, TYPE_TEXT, 0, NULL, 0, 0, NULL},
};

_Static_assert(sizeof(milter_keys) / sizeof(milter_keys[0]) <= CONFIG_KEYS_MAXIMUM,
	       "too many keys");

/* ---- reading ---- */

void config_file_fault(struct config_file *file, size_t line, const char *format, ...)
{
	char text[768], shown[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	problem_quote(shown, sizeof(shown), text, strlen(text));
	if (line > 0)
		buffer_printf(file->faults, "%s:%zu: %s\n", file->config->file, line, shown);
	else
		buffer_printf(file->faults, "%s: %s\n", file->config->file, shown);
}

#define fault(file, ...) config_file_fault(file, (file)->line, __VA_ARGS__)

static void set_key(struct config_file *file, const struct config_key *keys, size_t first,
		    size_t *lines, void *base, const char *name, const char *value)
{
	size_t i = first;

	while (keys[i].name && strcmp(keys[i].name, name) != 0)
		i++;
	if (!keys[i].name) {
		fault(file, "%s: unknown key in [%s]", name, file->section_name);
		return;
	}
	if (lines[i]) {
		fault(file, "%s: given twice; first in line %zu", name, lines[i]);
		return;
	}
	lines[i] = file->line;
	file->last_key = &keys[i];
	file->last_base = base;
	if (keys[i].type == TYPE_NETWORKS) /* the file's own replace the initial ones */
		((struct config *)base)->network_count = 0;
	config_value_set(file, &keys[i], base, value);
}

static void take_key(struct config_file *file, const char *name, const char *value)
{
	switch (file->section) {
	case SECTION_MILTER:
		set_key(file, milter_keys, 0, file->milter_lines, file->config, name, value);
		break;
	case SECTION_TRUST:
		set_key(file, trust_keys, 0, file->trust_lines, file->config, name, value);
		break;
	case SECTION_METRICS:
		set_key(file, metrics_keys, 0, file->metrics_lines, file->config, name, value);
		break;
	case SECTION_PACE:
		set_key(file, pace_keys, 0, file->pace_lines, file->config, name, value);
		break;
	case SECTION_CRONOFY:
		set_key(file, account_keys, OWN_KEYS, file->defaults.lines, &file->defaults.account,
			name, value);
		break;
	case SECTION_LEDGER:
		set_key(file, ledger_keys, 0, file->ledger_lines, file->config, name, value);
		break;
	case SECTION_ACCOUNT:
		set_key(file, account_keys, 0, file->drafts[file->draft_count - 1].lines,
			&file->drafts[file->draft_count - 1].account, name, value);
		break;
	case SECTION_NONE:
		fault(file, "%s: a key before the first section", name);
		break;
	case SECTION_UNKNOWN:
		break;
	}
}

/* A line that goes on with the list before it. */
static void take_continuation(struct config_file *file, const char *text)
{
	const struct config_key *key = file->last_key;

	if (!key)
		fault(file, "\"%s\" goes on with nothing", text);
	else if (key->type != TYPE_LIST && key->type != TYPE_NETWORKS)
		fault(file,
		      "a line behind white space goes on with the list before it, but %s is no "
		      "list",
		      key->name);
	else
		config_value_set(file, key, file->last_base, text);
}

static void begin_account(struct config_file *file, const char *name)
{
	struct config_draft *drafts;
	size_t length = strlen(name);

	if (length == 0 || length > 64 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
			 "STUVWXYZ0123456789._-") != length)
		fault(file,
		      "[account %s]: a name is 1 to 64 letters, digits, dots, dashes and "
		      "underscores",
		      name);
	for (size_t i = 0; i < file->draft_count; i++)
		if (strcmp(file->drafts[i].account.name, name) == 0)
			fault(file, "[account %s]: there is one of that name in line %zu", name,
			      file->drafts[i].account.line);
	drafts = realloc(file->drafts, (file->draft_count + 1) * sizeof(*drafts));
	if (!drafts) {
		file->out_of_memory = true;
		return;
	}
	file->drafts = drafts;
	drafts[file->draft_count] = (struct config_draft){.account = {.line = file->line}};
	if (config_value_set_text(file, &drafts[file->draft_count].account.name, name)) {
		file->draft_count++;
		file->section = SECTION_ACCOUNT;
	}
}

static void begin_section(struct config_file *file, const char *line)
{
	static const char *const names[] = {
		[SECTION_MILTER] = "milter",   [SECTION_TRUST] = "trust",
		[SECTION_METRICS] = "metrics", [SECTION_CRONOFY] = "cronofy",
		[SECTION_LEDGER] = "ledger",   [SECTION_PACE] = "pace",
	};
	const size_t length = strcspn(line + 1, "]");
	char *const name = file->section_name;

	file->section = SECTION_UNKNOWN;
	file->last_key = NULL;
	if (line[1 + length] != ']' || line[2 + length] != '\0') {
		fault(file, "\"%s\" is no [section]", line);
		return;
	}
	snprintf(name, sizeof(file->section_name), "%.*s", (int)length, line + 1);
	if (strncmp(name, "account", 7) == 0 && (name[7] == ' ' || name[7] == '\t')) {
		begin_account(file, name + 7 + strspn(name + 7, " \t"));
		return;
	}
	for (int i = SECTION_MILTER; i < SECTION_ACCOUNT; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		file->section = (enum config_section)i;
		return;
	}
	fault(file,
	      "[%s]: unknown section; there are [milter], [trust], [metrics], [cronofy], [pace], "
	      "[ledger] and [account NAME]",
	      name);
}

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

static void take_line(struct config_file *file, char *line)
{
	const bool indented = line[0] == ' ' || line[0] == '\t';
	char *text = trim(line), *equals = strchr(text, '=');

	if (text[0] == '\0')
		return;
	if (text[0] == '[') {
		begin_section(file, text);
	} else if (equals) {
		*equals = '\0';
		take_key(file, trim(text), trim(equals + 1));
	} else if (indented) {
		take_continuation(file, text);
	} else {
		fault(file, "\"%s\" is neither [section] nor key = value nor # comment", text);
	}
}

static void read_lines(struct config_file *file, FILE *stream)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, stream)) >= 0) {
		file->line++;
		if (strlen(line) != (size_t)length) {
			fault(file, "a NUL character");
			continue;
		}
		/* Some editors begin a file with a byte order mark. */
		if (file->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
			take_line(file, line + 3);
		else
			take_line(file, line);
	}
	if (ferror(stream))
		config_file_fault(file, 0, "cannot be read: %s", strerror(errno));
	free(line);
}

static size_t line_of(const struct config_key *keys, const size_t *lines, const char *name)
{
	for (size_t i = 0; keys[i].name; i++)
		if (strcmp(keys[i].name, name) == 0)
			return lines[i];
	return 0;
}

/* An account that says itself where its Cronofy is does not take that from [cronofy] as well. */
static bool says_where(const struct config_draft *draft, const char *key)
{
	return (strcmp(key, "url") == 0 &&
		line_of(account_keys, draft->lines, "data_center") > 0) ||
	       (strcmp(key, "data_center") == 0 && line_of(account_keys, draft->lines, "url") > 0);
}

static void inherit(struct config_file *file, struct config_draft *draft)
{
	const struct config_draft own = *draft;

	for (size_t i = OWN_KEYS; account_keys[i].name; i++) {
		const struct config_key *key = &account_keys[i];
		void *to = (char *)&draft->account + key->offset;
		const void *from = (const char *)&file->defaults.account + key->offset;

		if (own.lines[i] > 0)
			continue;
		if (says_where(&own, key->name)) {
			config_value_set(file, key, &draft->account, key->initial);
			continue;
		}
		draft->lines[i] = file->defaults.lines[i];
		if (key->type == TYPE_TEXT || key->type == TYPE_PATH || key->type == TYPE_KEY_FILE)
			config_value_set_text(file, to, *(char *const *)from);
		else if (key->type == TYPE_CHOICE)
			memcpy(to, from, sizeof(int));
		else
			memcpy(to, from, sizeof(long long));
	}
}

bool config_file_read(struct config_file *file)
{
	const char *slash = strrchr(file->config->file, '/');
	FILE *stream;

	config_value_set_text(file, &file->directory, slash ? file->config->file : ".");
	if (slash && file->directory)
		file->directory[slash - file->config->file] = '\0';
	config_value_set_initial(file, milter_keys, file->config);
	config_value_set_initial(file, trust_keys, file->config);
	config_value_set_initial(file, metrics_keys, file->config);
	config_value_set_initial(file, ledger_keys, file->config);
	config_value_set_initial(file, pace_keys, file->config);
	config_value_set_initial(file, account_keys, &file->defaults.account);
	stream = fopen(file->config->file, "re");
	if (!stream) {
		config_file_fault(file, 0, "%s", strerror(errno));
		return false;
	}
	read_lines(file, stream);
	fclose(stream);
	for (size_t i = 0; i < file->draft_count; i++)
		inherit(file, &file->drafts[i]);
	return !file->out_of_memory;
}

size_t config_file_milter_line(const struct config_file *file, const char *name)
{
	return line_of(milter_keys, file->milter_lines, name);
}

size_t config_file_ledger_line(const struct config_file *file, const char *name)
{
	return line_of(ledger_keys, file->ledger_lines, name);
}

size_t config_file_pace_line(const struct config_file *file, const char *name)
{
	return line_of(pace_keys, file->pace_lines, name);
}

bool config_draft_has(const struct config_draft *draft, const char *name)
{
	return line_of(account_keys, draft->lines, name) > 0;
}

size_t config_draft_line(const struct config_draft *draft, const char *name)
{
	size_t line = line_of(account_keys, draft->lines, name);

	return line > 0 ? line : draft->account.line;
}
