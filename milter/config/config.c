#include "config.h"

#include "config_file.h"
#include "headers.h"
#include "key_file.h"
#include "socket.h"
#include "stamp_key.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANCEL_PATH       "/v1/smart_invites"
#define STAMP_KEY_MINIMUM 32 /* characters */

/* In the order of config_file's data centers. */
static const char *const hosts[] = {"api", "api-au", "api-ca", "api-de", "api-sg", "api-uk"};

/* ---- [milter] ---- */

static void check_socket(struct config_file *file)
{
	struct config *config = file->config;
	const size_t line = config_file_milter_line(file, "socket");
	const char *colon = strchr(config->socket, ':');
	char full[PATH_MAX];
	unsigned int port;
	char tail;

	if (strncmp(config->socket, "inet:", 5) == 0 || strncmp(config->socket, "inet6:", 6) == 0) {
		if (sscanf(colon + 1, "%5u@%c", &port, &tail) == 2 && port > 0 && port < 65536)
			return;
	} else if ((strncmp(config->socket, "unix:", 5) == 0 ||
		    strncmp(config->socket, "local:", 6) == 0) &&
		   colon[1]) {
		if (colon[1] != '/') {
			snprintf(full, sizeof(full), "unix:%s/%s", file->directory, colon + 1);
			free(config->socket);
			config->socket = strdup(full);
		}
		if (!config->socket) {
			file->out_of_memory = true;
			return;
		}
		config->socket_path = strchr(config->socket, ':') + 1;
		/* sockaddr_un.sun_path holds 108 bytes. */
		if (strlen(config->socket_path) > 107)
			config_file_fault(file, line,
					  "socket: the path is longer than 107 characters");
		return;
	}
	config_file_fault(file, line,
			  "socket: \"%s\" is no socket; right would be unix:/path, "
			  "inet:port@host or inet6:port@host",
			  config->socket);
}

static void check_users(struct config_file *file)
{
	struct config *config = file->config;
	const struct group *group;
	const struct passwd *user;

	if (config->socket_group[0]) {
		group = getgrnam(config->socket_group);
		if (group)
			config->socket_gid = group->gr_gid;
		else
			config_file_fault(file, config_file_milter_line(file, "socket_group"),
					  "socket_group: there is no group \"%s\"",
					  config->socket_group);
	}
	if (config->user[0]) {
		user = getpwnam(config->user);
		if (user) {
			config->uid = user->pw_uid;
			config->gid = user->pw_gid;
		} else {
			config_file_fault(file, config_file_milter_line(file, "user"),
					  "user: there is no user \"%s\"", config->user);
		}
	}
}

static void check_header(struct config_file *file)
{
	const char *name = file->config->header;
	bool good = strncasecmp(name, "X-", 2) == 0 && strlen(name) <= HEADERS_NAME_MAXIMUM;

	for (const char *at = name; *at; at++)
		good &= *at > ' ' && *at < 0x7f && *at != ':';
	if (!good)
		config_file_fault(
			file, config_file_milter_line(file, "header"),
			"header: \"%s\" is no name of a header of one's own: X-..., at most %d "
			"characters",
			name, HEADERS_NAME_MAXIMUM);
}

/* A key that is not there yet is made at the start. */
static void check_stamp_key(struct config_file *file)
{
	struct config *config = file->config;
	struct problem why;

	if (access(config->stamp_key_file, F_OK) != 0)
		return;
	config->stamp_key = key_file_read(config->stamp_key_file, &why);
	/* In direct mode it only serves to know mail that is still queued from before. */
	if (config->mode != MODE_QUEUED)
		return;
	if (!config->stamp_key)
		config_file_fault(file, config_file_milter_line(file, "stamp_key_file"),
				  "stamp_key_file: %s", why.text);
	else if (strlen(config->stamp_key) < STAMP_KEY_MINIMUM)
		config_file_fault(
			file, config_file_milter_line(file, "stamp_key_file"),
			"stamp_key_file: %s is shorter than %d characters; remove it, and "
			"a good one is made",
			config->stamp_key_file, STAMP_KEY_MINIMUM);
}

static void check_patterns(struct config_file *file, size_t line, const char *key,
			   const struct string_list *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		const char *at = strchr(patterns->items[i], '@');

		if (strcmp(patterns->items[i], "*") != 0 &&
		    (!at || !at[1] || strchr(patterns->items[i], '*')))
			config_file_fault(file, line,
					  "%s: \"%s\" is neither an address nor @domain nor *", key,
					  patterns->items[i]);
	}
}

static void check_queued_mode(struct config_file *file)
{
	check_stamp_key(file);
	if (file->config->mode != MODE_QUEUED)
		return;
	if (!file->config->queue_daemon[0])
		config_file_fault(file, config_file_milter_line(file, "queue_daemon"),
				  "queue_daemon: the second listener needs a name");
	if (strlen(file->config->queue_daemon) > CONFIG_DAEMON_MAXIMUM)
		config_file_fault(file, config_file_milter_line(file, "queue_daemon"),
				  "queue_daemon: a listener's name has at most %d characters",
				  CONFIG_DAEMON_MAXIMUM);
	check_patterns(file, config_file_milter_line(file, "archives"), "archives",
		       &file->config->archives);
}

static void check_milter(struct config_file *file)
{
	const struct config *config = file->config;
	struct stat status;

	check_socket(file);
	check_users(file);
	check_header(file);
	check_queued_mode(file);
	if (stat(config->temp_dir, &status) < 0 || !S_ISDIR(status.st_mode))
		config_file_fault(file, config_file_milter_line(file, "temp_dir"),
				  "temp_dir: %s is no directory", config->temp_dir);
	if (log_facility(config->syslog_facility) < 0)
		config_file_fault(file, config_file_milter_line(file, "syslog_facility"),
				  "syslog_facility: there is no facility \"%s\"; see syslog(3)",
				  config->syslog_facility);
	if (config->on_unavailable == FALLBACK_REJECT)
		config_file_fault(
			file, config_file_milter_line(file, "on_unavailable"),
			"on_unavailable: reject would bounce mail for an outage; it takes "
			"tempfail, hold or deliver");
}

/* ---- [metrics] ---- */

static void check_metrics(struct config_file *file)
{
	const char *listen = file->config->metrics_listen;
	struct socket_address where;

	if (listen[0] && !socket_read_address(&where, listen))
		config_file_fault(file, file->metrics_lines[0],
				  "listen: \"%s\" is no address with a port; right would be "
				  "127.0.0.1:9895 or [::1]:9895",
				  listen);
}

/* ---- [ledger] ---- */

static void check_ledger(struct config_file *file)
{
	struct config *config = file->config;

	if (strcmp(config->ledger_file, "none") == 0) {
		free(config->ledger_file);
		config->ledger_file = NULL;
		if (config->ledger_required)
			config_file_fault(file, config_file_ledger_line(file, "required"),
					  "required: there is no ledger: file = none");
	} else if (!config->ledger_file[0]) {
		config_file_fault(file, config_file_ledger_line(file, "file"),
				  "file: it takes a path, or none to keep nothing");
	}
	if (config->ledger_shared && !config->redis[0])
		config_file_fault(
			file, config_file_ledger_line(file, "shared"),
			"shared: it takes a Redis; name one in [pace]: redis = redis://host");
}

/* ---- [pace] ---- */

/* "1" or "1/N"; 0 if it is neither. */
static long long parse_share(const char *text)
{
	const char *digits = text + 2;
	size_t length;

	if (strcmp(text, "1") == 0)
		return 1;
	if (strncmp(text, "1/", 2) != 0)
		return 0;
	length = strspn(digits, "0123456789");
	return length > 0 && length < 5 && digits[length] == '\0' ? strtoll(digits, NULL, 10) : 0;
}

static void check_pace(struct config_file *file)
{
	struct config *config = file->config;
	struct problem why;

	config->share_of = parse_share(config->share);
	if (config->share_of == 0)
		config_file_fault(file, config_file_pace_line(file, "share"),
				  "share: \"%s\" is not right: it takes 1, or 1/N for one of N "
				  "filters, such as 1/2",
				  config->share);
	if (strlen(config->redis_prefix) > 64)
		config_file_fault(file, config_file_pace_line(file, "prefix"),
				  "prefix: it is longer than 64 characters");
	if (config->redis[0] && !redis_address_parse(&config->redis_address, config->redis, &why))
		config_file_fault(file, config_file_pace_line(file, "redis"), "redis: %s",
				  why.text);
	if (!config->redis_password_file[0])
		return;
	config->redis_password = key_file_read(config->redis_password_file, &why);
	if (!config->redis_password)
		config_file_fault(file, config_file_pace_line(file, "redis_password_file"),
				  "redis_password_file: %s", why.text);
	else if (config->redis_address.password[0])
		config_file_fault(file, config_file_pace_line(file, "redis_password_file"),
				  "redis_password_file: there is a password in redis too; give "
				  "one of them");
}

/* ---- accounts ---- */

/* Is the host of http://HOST[:port] this machine itself? There the key may go unencrypted. */
static bool is_loopback(const char *host)
{
	const size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	if (length > strlen(host) || !strchr(":/", host[length]))
		return false;
	return (length == 9 && strncasecmp(host, "localhost", 9) == 0) ||
	       (length == 5 && strncmp(host, "[::1]", 5) == 0) ||
	       (length >= 9 && strncmp(host, "127.", 4) == 0 &&
		strspn(host, "0123456789.") == length);
}

static void make_endpoint(struct config_file *file, struct config_draft *draft)
{
	struct account *account = &draft->account;
	const size_t line = config_draft_line(draft, "url");
	const char *url = account->url;
	char endpoint[1024];
	size_t length = strlen(url);

	if (length > 512 || strpbrk(url, " \"<>\\^`{|}?#@")) {
		config_file_fault(file, line,
				  "url: it is the beginning of a URL, without ?, # and @");
		return;
	}
	while (length > 0 && url[length - 1] == '/')
		length--;
	if (url[0] == '\0')
		snprintf(endpoint, sizeof(endpoint), "https://%s.cronofy.com" CANCEL_PATH,
			 hosts[account->data_center]);
	else
		snprintf(endpoint, sizeof(endpoint), "%.*s" CANCEL_PATH, (int)length, url);
	if (strncasecmp(url, "http://", 7) == 0 && !is_loopback(url + 7))
		config_file_fault(file, line,
				  "url: \"%s\" would send the key unencrypted; http:// is "
				  "for loopback addresses, all else takes https://",
				  url);
	else if (strncasecmp(endpoint, "https://", 8) != 0 &&
		 strncasecmp(endpoint, "http://", 7) != 0)
		config_file_fault(file, line, "url: \"%s\" does not begin with https://", url);
	if (config_draft_has(draft, "url") && config_draft_has(draft, "data_center"))
		config_file_fault(file, line, "url: there is a data_center too; give one of them");
	if (strncasecmp(url, "http://", 7) == 0 && account->proxy[0])
		config_file_fault(file, line,
				  "url: http:// through a proxy would send the key "
				  "unencrypted to it");
	account->endpoint = strdup(endpoint);
	file->out_of_memory |= !account->endpoint;
}

/* Each filter of a fleet can be left with its share of the rate, and that must be one at least. */
static void check_shared_rate(struct config_file *file, const struct config_draft *draft,
			      const char *key, long long rate)
{
	if (rate < file->config->share_of)
		config_file_fault(file, config_draft_line(draft, key),
				  "%s: %lld cannot be shared by %lld filters ([pace] share)", key,
				  rate, file->config->share_of);
}

static void check_account(struct config_file *file, struct config_draft *draft)
{
	struct account *account = &draft->account;
	struct problem why;
	FILE *ca;

	make_endpoint(file, draft);
	check_patterns(file, config_draft_line(draft, "senders"), "senders", &account->senders);
	check_shared_rate(file, draft, "requests_per_second", account->requests_per_second);
	check_shared_rate(file, draft, "requests_per_minute", account->requests_per_minute);
	if (!account->senders.count && !account->logins.count)
		config_file_fault(file, account->line,
				  "[account %s]: neither senders nor logins: it "
				  "would serve nobody",
				  account->name);
	if (account->ca_file[0]) {
		ca = fopen(account->ca_file, "re");
		if (ca)
			fclose(ca);
		else
			config_file_fault(file, config_draft_line(draft, "ca_file"),
					  "ca_file: %s cannot be read", account->ca_file);
	}
	if (!account->api_key_file[0]) {
		config_file_fault(file, config_draft_line(draft, "api_key_file"),
				  "[%s%s]: api_key_file is missing",
				  account->line > 0 ? "account " : "", account->name);
		return;
	}
	account->api_key = key_file_read(account->api_key_file, &why);
	if (!account->api_key)
		config_file_fault(file, config_draft_line(draft, "api_key_file"),
				  "api_key_file: %s", why.text);
}

/* Two accounts that claim the same sender: which of their keys would be right? */
static void check_claims(struct config_file *file, const struct config_draft *a,
			 const struct config_draft *b, const char *key,
			 const struct string_list *of_a, const struct string_list *of_b)
{
	for (size_t i = 0; i < of_b->count; i++)
		for (size_t j = 0; j < of_a->count; j++)
			if (strcasecmp(of_a->items[j], of_b->items[i]) == 0)
				config_file_fault(file, config_draft_line(b, key),
						  "%s: \"%s\" belongs to account %s already", key,
						  of_b->items[i], a->account.name);
}

/* Without any [account], [cronofy] serves every trusted sender. */
static void add_default_account(struct config_file *file)
{
	file->drafts = calloc(1, sizeof(*file->drafts));
	if (!file->drafts) {
		file->out_of_memory = true;
		return;
	}
	file->drafts[0] = file->defaults;
	file->defaults = (struct config_draft){.account = {.line = 0}};
	file->draft_count = 1;
	file->drafts[0].account.name = strdup("cronofy");
	file->drafts[0].account.senders.items = calloc(1, sizeof(char *));
	if (file->drafts[0].account.senders.items) {
		file->drafts[0].account.senders.items[0] = strdup("*");
		file->drafts[0].account.senders.count = 1;
	}
	file->out_of_memory |= !file->drafts[0].account.name ||
			       !file->drafts[0].account.senders.items ||
			       !file->drafts[0].account.senders.items[0];
}

static void check_accounts(struct config_file *file)
{
	for (size_t b = 0; b < file->draft_count && !file->out_of_memory; b++) {
		struct config_draft *draft = &file->drafts[b];

		check_account(file, draft);
		for (size_t a = 0; a < b; a++) {
			check_claims(file, &file->drafts[a], draft, "senders",
				     &file->drafts[a].account.senders, &draft->account.senders);
			check_claims(file, &file->drafts[a], draft, "logins",
				     &file->drafts[a].account.logins, &draft->account.logins);
		}
	}
}

/* ---- the outside ---- */

static void free_list(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static void free_account(struct account *account)
{
	key_free(account->api_key);
	free_list(&account->senders);
	free_list(&account->logins);
	free(account->name);
	free(account->url);
	free(account->endpoint);
	free(account->api_key_file);
	free(account->ca_file);
	free(account->proxy);
}

static bool collect_accounts(struct config_file *file)
{
	struct config *config = file->config;

	config->accounts = calloc(file->draft_count, sizeof(*config->accounts));
	if (!config->accounts)
		return false;
	for (size_t i = 0; i < file->draft_count; i++)
		config->accounts[i] = file->drafts[i].account;
	config->account_count = file->draft_count;
	file->draft_count = 0;
	return true;
}

struct config *config_load(const char *path, struct buffer *faults)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_file file = {.config = config, .faults = faults};
	const size_t faults_before = faults->length;
	bool good = false;

	if (!config || !(config->file = strdup(path))) {
		buffer_printf(faults, "%s: no memory\n", path);
		free(config);
		return NULL;
	}
	config->references = 1;
	if (config_file_read(&file)) {
		if (file.draft_count == 0)
			add_default_account(&file);
		if (!file.out_of_memory) {
			check_milter(&file);
			check_metrics(&file);
			check_ledger(&file);
			check_pace(&file);
			check_accounts(&file);
		}
		good = !file.out_of_memory && faults->length == faults_before && !faults->failed &&
		       collect_accounts(&file);
	}
	if (!good && faults->length == faults_before)
		buffer_printf(faults, "%s: no memory\n", path);
	for (size_t i = 0; i < file.draft_count; i++)
		free_account(&file.drafts[i].account);
	free_account(&file.defaults.account);
	free(file.drafts);
	free(file.directory);
	if (good)
		return config;
	config_release(config);
	return NULL;
}

bool config_make_stamp_key(struct config *config, struct problem *why)
{
	if (config->mode != MODE_QUEUED || config->stamp_key)
		return true;
	if (!stamp_key_make(config->stamp_key_file, config->user[0] ? config->uid : (uid_t)-1,
			    config->user[0] ? config->gid : (gid_t)-1, why))
		return false;
	config->stamp_key = key_file_read(config->stamp_key_file, why);
	return config->stamp_key != NULL;
}

struct config *config_hold(struct config *config)
{
	atomic_fetch_add(&config->references, 1);
	return config;
}

void config_release(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->references, 1) != 1)
		return;
	for (size_t i = 0; i < config->account_count; i++)
		free_account(&config->accounts[i]);
	free(config->accounts);
	free(config->networks);
	free(config->file);
	free(config->socket);
	free(config->socket_group);
	free(config->user);
	free(config->header);
	free(config->queue_daemon);
	free(config->stamp_key_file);
	key_free(config->stamp_key);
	free_list(&config->archives);
	free(config->temp_dir);
	free(config->syslog_facility);
	free(config->metrics_listen);
	free(config->ledger_file);
	key_free(config->redis);
	key_free(config->redis_password);
	explicit_bzero(&config->redis_address, sizeof(config->redis_address));
	free(config->redis_password_file);
	free(config->redis_prefix);
	free(config->share);
	free(config);
}

int config_log_facility(const struct config *config)
{
	return log_facility(config->syslog_facility);
}
