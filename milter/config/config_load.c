/* config_load: the configuration from its file: read, then what it names looked up. */
#include "config_load.h"

#include "config_check.h"
#include "config_fault.h"
#include "config_file.h"
#include "key_file.h"
#include "stamp_key.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAMP_KEY_MINIMUM 32 /* characters */

/* ---- what the file says ---- */

/* With faults in it or without; NULL: no memory. */
static struct config *read_file(const char *file, struct buffer *faults)
{
	struct config *config = config_new(file);

	if (!config)
		buffer_printf(faults, "%s: no memory\n", file);
	else if (config_file_read(config, faults))
		config_check(config, faults);
	return config;
}

/* The config, if no fault was added since; else it is let go. */
static struct config *keep_good(struct config *config, const struct buffer *faults, size_t before)
{
	if (faults->length == before && !faults->failed)
		return config;
	config_release(config);
	return NULL;
}

struct config *config_read(const char *file, struct buffer *faults)
{
	const size_t before = faults->length;

	return keep_good(read_file(file, faults), faults, before);
}

/* ---- what it names ---- */

static void find_users(struct config *config, struct buffer *faults)
{
	const struct group *group;
	const struct passwd *user;

	if (config->socket_group[0]) {
		group = getgrnam(config->socket_group);
		if (group)
			config->socket_gid = group->gr_gid;
		else
			config_fault(config, faults, &config->socket_group,
				     "there is no group \"%s\"", config->socket_group);
	}
	if (config->user[0]) {
		user = getpwnam(config->user);
		if (user) {
			config->uid = user->pw_uid;
			config->gid = user->pw_gid;
		} else {
			config_fault(config, faults, &config->user, "there is no user \"%s\"",
				     config->user);
		}
	}
}

/* A key that is not there yet is made at the start. */
static void read_stamp_key(struct config *config, struct buffer *faults)
{
	struct problem why;

	if (access(config->stamp_key_file, F_OK) != 0)
		return;
	config->stamp_key = key_file_read(config->stamp_key_file, &why);
	/* In direct mode it only serves to know mail that is still queued from before. */
	if (config->mode != MODE_QUEUED)
		return;
	if (!config->stamp_key)
		config_fault(config, faults, &config->stamp_key_file, "%s", why.text);
	else if (strlen(config->stamp_key) < STAMP_KEY_MINIMUM)
		config_fault(config, faults, &config->stamp_key_file,
			     "%s is shorter than %d characters; remove it, and the filter makes a "
			     "new one",
			     config->stamp_key_file, STAMP_KEY_MINIMUM);
}

/* Named but not there: mail that is queued with its stamps would bounce. */
static void read_previous_stamp_key(struct config *config, struct buffer *faults)
{
	struct problem why;

	if (!config->stamp_key_previous_file[0])
		return;
	config->stamp_key_previous = key_file_read(config->stamp_key_previous_file, &why);
	if (!config->stamp_key_previous)
		config_fault(config, faults, &config->stamp_key_previous_file, "%s", why.text);
	else if (strlen(config->stamp_key_previous) < STAMP_KEY_MINIMUM)
		config_fault(config, faults, &config->stamp_key_previous_file,
			     "%s is shorter than %d characters", config->stamp_key_previous_file,
			     STAMP_KEY_MINIMUM);
}

static bool needs_address_key(const struct config *config)
{
	return config->log_addresses == REDACT_HASH || config->ledger_addresses == REDACT_HASH;
}

/* A key that is not there yet is made at the start. */
static void read_address_key(struct config *config, struct buffer *faults)
{
	struct problem why;

	if (!needs_address_key(config) || access(config->address_key_file, F_OK) != 0)
		return;
	config->address_key = key_file_read(config->address_key_file, &why);
	if (!config->address_key)
		config_fault(config, faults, &config->address_key_file, "%s", why.text);
}

static void find_temp_dir(const struct config *config, struct buffer *faults)
{
	struct stat status;

	if (stat(config->temp_dir, &status) < 0 || !S_ISDIR(status.st_mode))
		config_fault(config, faults, &config->temp_dir, "%s is not a directory",
			     config->temp_dir);
}

static void check_ca_file(const struct config *config, const char *const *ca_file,
			  struct buffer *faults)
{
	FILE *file = (*ca_file)[0] ? fopen(*ca_file, "re") : NULL;

	if (file)
		fclose(file);
	else if ((*ca_file)[0])
		config_fault(config, faults, ca_file, "%s cannot be read", *ca_file);
}

static void read_redis_files(struct config *config, struct buffer *faults)
{
	struct problem why;

	check_ca_file(config, (const char *const *)&config->redis_ca_file, faults);
	if (config->redis_password_file[0] &&
	    !(config->redis_password = key_file_read(config->redis_password_file, &why)))
		config_fault(config, faults, &config->redis_password_file, "%s", why.text);
	if (config->redis_secret_file[0] &&
	    !(config->redis_secret = key_file_read(config->redis_secret_file, &why)))
		config_fault(config, faults, &config->redis_secret_file, "%s", why.text);
}

static void read_account_files(const struct config *config, struct account *account,
			       struct buffer *faults)
{
	struct problem why;

	check_ca_file(config, (const char *const *)&account->ca_file, faults);
	if (!account->api_key_file[0]) {
		config_fault_at(config, faults,
				account->line > 0 ? account->line
						  : config_line_of(config, &account->api_key_file),
				"[%s%s]: api_key_file is missing",
				account->line > 0 ? "account " : "", account->name);
		return;
	}
	account->api_key = key_file_read(account->api_key_file, &why);
	if (!account->api_key)
		config_fault(config, faults, &account->api_key_file, "%s", why.text);
}

static void resolve(struct config *config, struct buffer *faults)
{
	find_users(config, faults);
	find_temp_dir(config, faults);
	read_stamp_key(config, faults);
	read_previous_stamp_key(config, faults);
	read_address_key(config, faults);
	read_redis_files(config, faults);
	for (size_t i = 0; i < config->account_count; i++)
		read_account_files(config, &config->accounts[i], faults);
}

struct config *config_load(const char *file, struct buffer *faults)
{
	const size_t before = faults->length;
	struct config *config = read_file(file, faults);

	/* Of a faulty file, too: all faults are reported at once. */
	if (config && config->account_count > 0)
		resolve(config, faults);
	return keep_good(config, faults, before);
}

/* The key in a file that is made if it is not there. */
static char *make_key(const struct config *config, const char *name, const char *path,
		      struct problem *why)
{
	struct problem reason;
	char *key;

	if (!stamp_key_make(path, config->user[0] ? config->uid : (uid_t)-1,
			    config->user[0] ? config->gid : (gid_t)-1, why))
		return NULL;
	key = key_file_read(path, &reason);
	if (!key)
		problem_set(why, "%s: %s", name, reason.text);
	return key;
}

bool config_make_stamp_key(struct config *config, struct problem *why)
{
	if (config->mode != MODE_QUEUED || config->stamp_key)
		return true;
	config->stamp_key = make_key(config, "stamp_key_file", config->stamp_key_file, why);
	return config->stamp_key != NULL;
}

bool config_make_address_key(struct config *config, struct problem *why)
{
	if (!needs_address_key(config) || config->address_key)
		return true;
	config->address_key = make_key(config, "address_key_file", config->address_key_file, why);
	return config->address_key != NULL;
}
