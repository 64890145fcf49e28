/* access: can the filter use the files and directories that the configuration names? */
#include "access.h"

#include "config_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FINDINGS_MAXIMUM ((size_t)64 * 1024)

/* Whatever the service manager makes when it starts us is not there before: RuntimeDirectory= and
 * StateDirectory= of the unit. */
static const char *const made_at_start[] = {"/run/", "/var/lib/cancel-invite-milter"};

struct access_findings access_findings_new(void)
{
	return (struct access_findings){
		.faults = buffer_with_maximum(FINDINGS_MAXIMUM),
		.warnings = buffer_with_maximum(FINDINGS_MAXIMUM),
	};
}

void access_findings_free(struct access_findings *findings)
{
	buffer_free(&findings->faults);
	buffer_free(&findings->warnings);
}

static bool may(const char *path, int how)
{
	return faccessat(AT_FDCWD, path, how, AT_EACCESS) == 0;
}

/* ---- before the start ---- */

static bool is_made_at_start(const char *folder)
{
	for (size_t i = 0; i < sizeof(made_at_start) / sizeof(made_at_start[0]); i++)
		if (strncmp(folder, made_at_start[i], strlen(made_at_start[i])) == 0)
			return true;
	return false;
}

/* `what` is to be made at `path`, which is the value of `field`. */
static void check_folder(const struct config *config, const void *field, const char *what,
			 const char *path, struct access_findings *findings)
{
	const char *slash = strrchr(path, '/');
	const size_t length = slash > path ? (size_t)(slash - path) : 1;
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)length, path);
	if (may(folder, W_OK | X_OK))
		return;
	if (errno == ENOENT && is_made_at_start(folder))
		config_fault(config, &findings->warnings, field,
			     "the directory %s does not exist yet; create it before the filter "
			     "starts (systemd: RuntimeDirectory=, StateDirectory=)",
			     folder);
	else
		config_fault(config, &findings->faults, field,
			     "no %s can be created in the directory %s: %s", what, folder,
			     strerror(errno));
}

static void check_user(const struct config *config, struct access_findings *findings)
{
	const uid_t self = geteuid();

	if (self == 0 && !config->user[0])
		config_fault(config, &findings->warnings, &config->user,
			     "empty: started by root, the filter runs as root; set it to a user of "
			     "its own");
	else if (self != 0 && config->user[0] && self != config->uid)
		config_fault(config, &findings->warnings, &config->user,
			     "only root can become %s: started by you, the filter would not start",
			     config->user);
}

void access_check_start(const struct config *config, struct access_findings *findings)
{
	struct stat status;

	check_user(config, findings);
	/* One that is there was read already. */
	if (config->mode == MODE_QUEUED && !config->stamp_key)
		check_folder(config, &config->stamp_key_file, "key", config->stamp_key_file,
			     findings);
	if (!config->socket_path)
		return;
	if (lstat(config->socket_path, &status) == 0 && !S_ISSOCK(status.st_mode))
		config_fault(config, &findings->faults, &config->socket,
			     "%s is not a socket; remove it", config->socket_path);
	else
		check_folder(config, &config->socket, "socket", config->socket_path, findings);
}

/* ---- at run time ---- */

/*
 * A unix socket is closed by its mode. At a port anybody may speak as a mail server does: say that a
 * message comes from a trusted client, or send what libmilter (8.17) does not survive.
 */
static void check_port(const struct config *config, struct access_findings *findings)
{
	const char *host = strchr(config->socket, '@');
	const bool is_local =
		host && (strcmp(host, "@127.0.0.1") == 0 || strcmp(host, "@[::1]") == 0 ||
			 strcmp(host, "@::1") == 0 || strcmp(host, "@localhost") == 0);

	if (config->socket_path)
		return;
	if (is_local)
		config_fault(
			config, &findings->warnings, &config->socket,
			"any user of this machine can connect to %s, claim to be a trusted client "
			"and have invites cancelled, or end the filter; a unix: socket lets in its group "
			"only",
			config->socket);
	else
		config_fault(
			config, &findings->warnings, &config->socket,
			"DANGER: %s is open to the network. Whoever can connect can claim to be a "
			"trusted client and have invites cancelled, or end the filter, and all mail is "
			"readable on the way. Use a unix: socket; or a firewall that lets in the mail "
			"server only",
			config->socket);
}

static void check_reload(const struct config *config, const void *field, const char *path,
			 struct access_findings *findings)
{
	if (!may(path, R_OK))
		config_fault(config, &findings->warnings, field,
			     "%s cannot be read by the filter's user (%s): a reload will fail",
			     path, strerror(errno));
}

static void check_account(const struct config *config, const struct account *account,
			  struct access_findings *findings)
{
	check_reload(config, &account->api_key_file, account->api_key_file, findings);
	/* It is read anew for connections: without it there are none. */
	if (account->ca_file[0] && !may(account->ca_file, R_OK))
		config_fault(config, &findings->faults, &account->ca_file,
			     "%s cannot be read by the filter's user (%s): Cronofy cannot "
			     "be reached",
			     account->ca_file, strerror(errno));
}

/* Accounts that take both from [cronofy] are reported once. */
static bool has_files_of(const struct account *account, const struct account *other)
{
	return strcmp(account->api_key_file, other->api_key_file) == 0 &&
	       strcmp(account->ca_file, other->ca_file) == 0;
}

void access_check_work(const struct config *config, struct access_findings *findings)
{
	check_port(config, findings);
	check_reload(config, &config->file, config->file, findings); /* of no line */
	for (size_t i = 0; i < config->account_count; i++)
		if (i == 0 || !has_files_of(&config->accounts[i], &config->accounts[i - 1]))
			check_account(config, &config->accounts[i], findings);
	if (!may(config->temp_dir, W_OK | X_OK))
		config_fault(config, &findings->faults, &config->temp_dir,
			     "the filter's user cannot create files in %s (%s): tagged mail above "
			     "body_memory cannot be sent",
			     config->temp_dir, strerror(errno));
}

/* SQLite makes files beside it. */
void access_check_ledger(const struct config *config, struct access_findings *findings)
{
	if (!config->ledger_file)
		return;
	check_folder(config, &config->ledger_file, "ledger", config->ledger_file, findings);
	if (!may(config->ledger_file, R_OK | W_OK) && errno != ENOENT && errno != ENOTDIR)
		config_fault(config, &findings->faults, &config->ledger_file,
			     "%s cannot be read and written by the filter's user: %s",
			     config->ledger_file, strerror(errno));
}
