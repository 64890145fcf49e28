/* unit_check: can the filter do under systemd what it is configured to do? */
#include "unit_check.h"

#include "config_fault.h"
#include "program.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define UNIT    "cancel-invite-milter.service"
#define TIMEOUT 5000 /* ms */

/* The value of a property; empty if it is not shown. */
static struct span property(struct span shown, const char *name)
{
	const size_t length = strlen(name);

	while (shown.length > 0) {
		const char *newline = memchr(shown.at, '\n', shown.length);
		const size_t line = newline ? (size_t)(newline - shown.at) : shown.length;

		if (line > length && memcmp(shown.at, name, length) == 0 && shown.at[length] == '=')
			return (struct span){shown.at + length + 1, line - length - 1};
		span_advance(&shown, newline ? line + 1 : line);
	}
	return (struct span){"", 0};
}

/* Is the folder, or one above it, among these, which blanks separate and `before` stands before? */
static bool is_below(const char *folder, const char *before, struct span folders)
{
	char list[4096], path[PATH_MAX], *rest = list;

	snprintf(list, sizeof(list), "%.*s", (int)folders.length, folders.at);
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		int length;

		word += strspn(word, "+-"); /* systemd.exec(5): how it is looked for */
		if (word[0] == '\0')
			continue;
		length = snprintf(path, sizeof(path), "%s%s", before, word);
		if (length > 0 && (size_t)length < sizeof(path) &&
		    strncmp(folder, path, (size_t)length) == 0 &&
		    (folder[length] == '/' || folder[length] == '\0'))
			return true;
	}
	return false;
}

static void check_folder_of(struct span shown, const struct config *config,
			    const char *const *field, const char *path, struct buffer *faults)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", slash && slash > path ? (int)(slash - path) : 1,
		 path);
	if (is_below(folder, "/run/", property(shown, "RuntimeDirectory")) ||
	    is_below(folder, "/var/lib/", property(shown, "StateDirectory")) ||
	    is_below(folder, "", property(shown, "ReadWritePaths")) ||
	    is_below(folder, "", span_of_text("/tmp /var/tmp /dev/shm")))
		return;
	config_fault(config, faults, field,
		     "the sandbox of %s cannot write in %s: add ReadWritePaths=%s to it (systemctl "
		     "edit)",
		     UNIT, folder, folder);
}

void unit_check_shown(struct span shown, const struct config *config, struct buffer *faults)
{
	if (!span_equals(property(shown, "LoadState"), span_of_text("loaded")) ||
	    !span_equals(property(shown, "ProtectSystem"), span_of_text("strict")))
		return;
	if (config->socket_path)
		check_folder_of(shown, config, (const char *const *)&config->socket,
				config->socket_path, faults);
	if (config->mode == MODE_QUEUED && !config->stamp_key)
		check_folder_of(shown, config, (const char *const *)&config->stamp_key_file,
				config->stamp_key_file, faults);
	if (config->ledger_file)
		check_folder_of(shown, config, (const char *const *)&config->ledger_file,
				config->ledger_file, faults);
}

void unit_check(const struct config *config, struct buffer *faults)
{
	static char *const question[] = {
		"systemctl", "show",
		"-pLoadState,ProtectSystem,ReadWritePaths,RuntimeDirectory,StateDirectory", UNIT,
		NULL};
	struct buffer shown = buffer_with_maximum((size_t)64 * 1024);
	struct problem why;

	if (strcmp(config->file, CONFIG_FILE) == 0 &&
	    program_ask(question, TIMEOUT, &shown, &why) == PROGRAM_SAID)
		unit_check_shown(buffer_span(&shown), config, faults);
	buffer_free(&shown);
}
