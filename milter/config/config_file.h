/*
 * config_file: the syntax of the configuration file, below config: [sections], key = value,
 * comments behind # or ;, lists that go on in lines behind white space; and one table of keys.
 *
 * Reads what the file says, each value checked on its own; what the values mean together, and
 * whether the files and users they name are there, is config's business.
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "config.h"

#define CONFIG_KEYS_MAXIMUM 32 /* of one section */

enum config_section {
	SECTION_NONE, /* before the first one */
	SECTION_UNKNOWN,
	SECTION_MILTER,
	SECTION_TRUST,
	SECTION_METRICS,
	SECTION_PACE,
	SECTION_CRONOFY,
	SECTION_LEDGER,
	SECTION_ACCOUNT,
};

/* An account as it is read, with the line of each of its keys; 0 for one that the file lacks. */
struct config_draft {
	struct account account;
	size_t lines[CONFIG_KEYS_MAXIMUM];
};

struct config_key;

struct config_file {
	struct config *config; /* filled; its `file` says what to read */
	struct buffer *faults;
	char *directory; /* of the file */
	size_t line;     /* that was read last */
	enum config_section section;
	char section_name[128];
	const struct config_key
		*last_key; /* of this section, for a line that goes on with it; or NULL */
	void *last_base;
	size_t milter_lines[CONFIG_KEYS_MAXIMUM];
	size_t trust_lines[CONFIG_KEYS_MAXIMUM];
	size_t metrics_lines[CONFIG_KEYS_MAXIMUM];
	size_t ledger_lines[CONFIG_KEYS_MAXIMUM];
	size_t pace_lines[CONFIG_KEYS_MAXIMUM];
	struct config_draft defaults; /* [cronofy] */
	struct config_draft *drafts;  /* [account ...], what they lack taken from the defaults */
	size_t draft_count;
	bool out_of_memory;
};

/* False if the file could not be read at all; faults are reported as they are found. */
bool config_file_read(struct config_file *file);

/* Reports a fault, as printf would; line 0 if it belongs to no line. */
void config_file_fault(struct config_file *file, size_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Where a key of [milter], or of [pace], was given; 0 if it was not. */
size_t config_file_milter_line(const struct config_file *file, const char *name);
size_t config_file_pace_line(const struct config_file *file, const char *name);

/* Where a key of [ledger] was given; 0 if it was not. */
size_t config_file_ledger_line(const struct config_file *file, const char *name);

/* Was this key of an account given, by itself or in [cronofy]? */
bool config_draft_has(const struct config_draft *draft, const char *name);

/* Where a key of an account was given; where the account begins, if it was not. */
size_t config_draft_line(const struct config_draft *draft, const char *name);

#endif
