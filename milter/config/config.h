/*
 * config: the configuration, read once into one immutable struct that its users share.
 *
 * Whoever keeps a config beyond a call holds a reference; a reload makes a new one and lets the
 * old one go when its last message is done. All strings belong to the config. Which key fills which
 * field is said by the table in config_keys.c; config_load.h reads the file.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "log.h"
#include "network.h"
#include "redact.h"
#include "redis_address.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#define CONFIG_FILE SYSCONFDIR "/cancel-invite-milter/cancel-invite-milter.conf"

#define CONFIG_DAEMON_MAXIMUM 63 /* characters of queue_daemon */

struct string_list {
	char **items;
	size_t count;
};

enum data_center {
	DATA_CENTER_US,
	DATA_CENTER_AU,
	DATA_CENTER_CA,
	DATA_CENTER_DE,
	DATA_CENTER_SG,
	DATA_CENTER_UK,
};

#define RATE_NONE 0 /* a rate that has no limit */

/* One Cronofy application. */
struct account {
	char *name;
	size_t line;   /* of the file, where it begins; 0: it has no section */
	size_t *lines; /* of each row of config_keys, where its value stands; 0: default */
	struct string_list senders; /* patterns, as policy_address_matches() reads them */
	struct string_list logins;  /* SMTP AUTH names */
	enum data_center data_center;
	char *url;      /* or instead of it the beginning of the URL; "" if not given */
	char *endpoint; /* where the cancel call goes: a whole URL */
	char *api_key_file;
	char *api_key;      /* zeroed when the config goes */
	char *ca_file;      /* "": the system's */
	char *proxy;        /* "": none, whatever the environment says */
	char *organizer;    /* the address that its invites have as ORGANIZER; "": not known */
	long long timeout;  /* ms, of one call */
	long long deadline; /* ms, of all tries of one message */
	long long attempts;
	long long requests_per_second; /* Cronofy's limits; RATE_NONE: none of ours */
	long long requests_per_minute;
	long long breaker_failures; /* in a row, until it is left alone */
	long long breaker_pause;    /* ms, for how long */
};

enum mode {
	MODE_DIRECT,
	MODE_QUEUED,
	MODE_ROUTED,
};

/* Queued mode: how the MTA learns that a message goes to the second listener. */
enum route {
	ROUTE_HEADER, /* it looks at the stamp */
	ROUTE_DOMAIN, /* by the recipients' domains, which get ENVELOPE_SUFFIX */
};

enum untrusted {
	UNTRUSTED_STRIP,
	UNTRUSTED_REJECT,
	UNTRUSTED_KEEP,
};

/* What to do with a message whose invite was not cancelled. */
enum fallback {
	FALLBACK_REJECT,
	FALLBACK_TEMPFAIL,
	FALLBACK_HOLD,
	FALLBACK_DELIVER,
};

struct config {
	atomic_uint references;
	char *file;
	size_t *lines; /* of each row of config_keys, where its value stands; 0: default */

	char *socket;            /* as libmilter reads it */
	const char *socket_path; /* of a unix socket; else NULL */
	long long socket_mode;
	char *socket_group; /* "" if none */
	char *user;         /* "" if none */
	gid_t socket_gid;   /* if socket_group is given */
	uid_t uid;          /* if user is given */
	gid_t gid;
	char *header; /* the tag's name */
	enum mode mode;
	char *queue_daemon;
	enum route route;
	enum redact_form log_addresses;
	char *address_key_file;
	char *address_key; /* NULL: none is needed, or it is to be made; zeroed with the config */
	char *stamp_key_file;
	char *stamp_key; /* NULL: none (direct: or none to be read); zeroed with the config */
	char *stamp_key_previous_file; /* "": none */
	char *stamp_key_previous;      /* what it holds, or NULL; zeroed */
	long long stamp_lifetime;      /* ms */
	struct string_list
		archives; /* recipient patterns, as policy_address_matches() reads them */
	char *temp_dir;
	long long body_memory;      /* bytes */
	long long max_message_size; /* bytes */
	long long max_active;
	long long drain_timeout; /* ms */
	enum log_target log;
	enum log_level log_level;
	enum log_format log_format;
	char *syslog_facility;
	bool dry_run;
	bool strict_calendar;
	enum fallback on_refused;
	enum fallback on_unavailable;
	enum fallback on_maybe_cancelled;

	struct network_list networks;
	bool trust_authenticated;
	enum untrusted untrusted;

	char *metrics_listen;  /* address:port; "": no page */
	char *ledger_file;     /* NULL: keep nothing */
	long long ledger_keep; /* ms */
	bool ledger_required;
	enum redact_form ledger_addresses;
	bool ledger_shared; /* calendars are kept in Redis as well */

	char *redis; /* where it is; "": none. Zeroed with the config: it may hold a password */
	char *redis_ca_file;       /* whose certificates it may have; "": the system's */
	char *redis_password_file; /* "": none */
	char *redis_password;      /* what it holds, or NULL; zeroed */
	char *redis_secret_file;   /* "": the stamp key is the secret */
	char *redis_secret;        /* what it holds, or NULL; zeroed */
	struct redis_address redis_address;
	char *redis_prefix;
	long long share_of; /* how many filters share a budget */

	struct account defaults; /* [cronofy]: what the accounts inherit */
	struct account *accounts;
	size_t account_count;
};

/* An empty configuration of this file, every key at its default, with one reference; or NULL. */
struct config *config_new(const char *file);

/* Appends an account, every key at its default, whose section begins in this line. NULL: no memory. */
struct account *config_add_account(struct config *config, const char *name, size_t line);

struct config *config_hold(struct config *config);
void config_release(struct config *config);

/* The number of the log facility that it names. */
int config_log_facility(const struct config *config);

#endif
