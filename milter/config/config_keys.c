/* config_keys: the table of everything that the configuration file can say. */
#include "config_keys.h"

#include "config_grammar.h"

#include <string.h>

#define KIB    1024LL
#define MIB    (1024 * KIB)
#define SECOND 1000LL
#define DAY    (86400 * SECOND)

static const char *const modes[] = {"direct", "queued", "routed", NULL};
static const char *const routes[] = {"header", "domain", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const log_addresses[] = {"full", "domain", "hash", NULL};
static const char *const fallbacks[] = {"reject", "tempfail", "hold", "deliver", NULL};
static const char *const untrusted[] = {"strip", "reject", "keep", NULL};
static const char *const data_centers[] = {"us", "au", "ca", "de", "sg", "uk", NULL};

const char *const config_sections[SECTION_COUNT] = {
	[SECTION_MILTER] = "milter",   [SECTION_TRUST] = "trust", [SECTION_METRICS] = "metrics",
	[SECTION_LEDGER] = "ledger",   [SECTION_REDIS] = "redis", [SECTION_CRONOFY] = "cronofy",
	[SECTION_ACCOUNT] = "account",
};

#define FILTER(field)  offsetof(struct config, field)
#define ACCOUNT(field) offsetof(struct account, field)

/* clang-format off */
const struct config_key config_keys[] = {
	{SECTION_MILTER, "socket", TYPE_SOCKET, FILTER(socket),
	 .initial = "unix:/run/cancel-invite-milter/milter.sock", .takes_restart = true},
	{SECTION_MILTER, "socket_mode", TYPE_OCTAL, FILTER(socket_mode), .initial = "0660",
	 .least = 0, .most = 0777, .takes_restart = true},
	{SECTION_MILTER, "socket_group", TYPE_TEXT, FILTER(socket_group), .initial = "",
	 .takes_restart = true},
	{SECTION_MILTER, "user", TYPE_TEXT, FILTER(user), .initial = "", .takes_restart = true},
	{SECTION_MILTER, "header", TYPE_TEXT, FILTER(header), .initial = "X-Cancel-Invite",
	 .check = config_is_header_name},
	{SECTION_MILTER, "mode", TYPE_CHOICE, FILTER(mode), .initial = "direct", .choices = modes},
	{SECTION_MILTER, "queue_daemon", TYPE_TEXT, FILTER(queue_daemon),
	 .initial = "cancel-invite", .check = config_is_listener_name},
	{SECTION_MILTER, "route", TYPE_CHOICE, FILTER(route), .initial = "header",
	 .choices = routes},
	{SECTION_MILTER, "stamp_key_file", TYPE_KEY_FILE, FILTER(stamp_key_file),
	 .initial = "/var/lib/cancel-invite-milter/stamp.key"},
	{SECTION_MILTER, "stamp_key_previous_file", TYPE_KEY_FILE,
	 FILTER(stamp_key_previous_file), .initial = ""},
	{SECTION_MILTER, "stamp_lifetime", TYPE_DURATION, FILTER(stamp_lifetime), .initial = "10d",
	 .least = 60 * SECOND, .most = 100 * DAY},
	{SECTION_MILTER, "archives", TYPE_LIST, FILTER(archives), .initial = "",
	 .check = config_is_pattern},
	{SECTION_MILTER, "temp_dir", TYPE_PATH, FILTER(temp_dir), .initial = "/var/tmp"},
	{SECTION_MILTER, "body_memory", TYPE_SIZE, FILTER(body_memory), .initial = "256K",
	 .least = 0, .most = 64 * MIB},
	{SECTION_MILTER, "max_message_size", TYPE_SIZE, FILTER(max_message_size), .initial = "9M",
	 .least = KIB, .most = 4096 * MIB},
	{SECTION_MILTER, "max_active", TYPE_NUMBER, FILTER(max_active), .initial = "200",
	 .least = 1, .most = 10000},
	{SECTION_MILTER, "drain_timeout", TYPE_DURATION, FILTER(drain_timeout), .initial = "60s",
	 .least = 0, .most = 3600 * SECOND},
	{SECTION_MILTER, "log", TYPE_CHOICE, FILTER(log), .initial = "syslog",
	 .choices = log_targets},
	{SECTION_MILTER, "log_level", TYPE_CHOICE, FILTER(log_level), .initial = "info",
	 .choices = log_levels},
	{SECTION_MILTER, "log_format", TYPE_CHOICE, FILTER(log_format), .initial = "text",
	 .choices = log_formats},
	{SECTION_MILTER, "log_addresses", TYPE_CHOICE, FILTER(log_addresses), .initial = "full",
	 .choices = log_addresses},
	{SECTION_MILTER, "address_key_file", TYPE_KEY_FILE, FILTER(address_key_file),
	 .initial = "/var/lib/cancel-invite-milter/address.key", .takes_restart = true},
	{SECTION_MILTER, "syslog_facility", TYPE_TEXT, FILTER(syslog_facility), .initial = "mail",
	 .check = config_is_facility},
	{SECTION_MILTER, "dry_run", TYPE_YES_NO, FILTER(dry_run), .initial = "no"},
	{SECTION_MILTER, "strict_calendar", TYPE_YES_NO, FILTER(strict_calendar), .initial = "no"},
	{SECTION_MILTER, "on_refused", TYPE_CHOICE, FILTER(on_refused), .initial = "reject",
	 .choices = fallbacks},
	{SECTION_MILTER, "on_unavailable", TYPE_CHOICE, FILTER(on_unavailable),
	 .initial = "tempfail", .choices = fallbacks, .check = config_is_for_an_outage},
	{SECTION_MILTER, "on_maybe_cancelled", TYPE_CHOICE, FILTER(on_maybe_cancelled),
	 .initial = "reject", .choices = fallbacks, .check = config_is_final},

	{SECTION_TRUST, "networks", TYPE_NETWORKS, FILTER(networks), .initial = "127.0.0.0/8, ::1"},
	{SECTION_TRUST, "authenticated", TYPE_YES_NO, FILTER(trust_authenticated),
	 .initial = "yes"},
	{SECTION_TRUST, "untrusted", TYPE_CHOICE, FILTER(untrusted), .initial = "strip",
	 .choices = untrusted},

	{SECTION_METRICS, "listen", TYPE_TEXT, FILTER(metrics_listen), .initial = "",
	 .check = config_is_listening_address, .takes_restart = true},

	{SECTION_LEDGER, "file", TYPE_PATH_OR_NONE, FILTER(ledger_file),
	 .initial = "/var/lib/cancel-invite-milter/ledger.db", .takes_restart = true},
	{SECTION_LEDGER, "keep", TYPE_DURATION, FILTER(ledger_keep), .initial = "30d",
	 .least = 3600 * SECOND, .most = 3650 * DAY},
	{SECTION_LEDGER, "required", TYPE_YES_NO, FILTER(ledger_required), .initial = "no"},
	{SECTION_LEDGER, "addresses", TYPE_CHOICE, FILTER(ledger_addresses), .initial = "full",
	 .choices = log_addresses, .check = config_is_for_ledger, .takes_restart = true},
	{SECTION_LEDGER, "shared", TYPE_YES_NO, FILTER(ledger_shared), .initial = "no"},

	{SECTION_REDIS, "url", TYPE_URL, FILTER(redis), .initial = "", .check = config_is_redis,
	 .takes_restart = true},
	{SECTION_REDIS, "password_file", TYPE_PATH, FILTER(redis_password_file), .initial = "",
	 .takes_restart = true},
	{SECTION_REDIS, "secret_file", TYPE_PATH, FILTER(redis_secret_file), .initial = "",
	 .takes_restart = true},
	{SECTION_REDIS, "ca_file", TYPE_PATH, FILTER(redis_ca_file), .initial = "",
	 .takes_restart = true},
	{SECTION_REDIS, "prefix", TYPE_TEXT, FILTER(redis_prefix),
	 .initial = "cancel-invite-milter:", .check = config_is_prefix, .takes_restart = true},
	{SECTION_REDIS, "share", TYPE_SHARE, FILTER(share_of), .initial = "1"},

	{SECTION_ACCOUNT, "senders", TYPE_LIST, ACCOUNT(senders), .initial = "",
	 .check = config_is_pattern},
	{SECTION_ACCOUNT, "logins", TYPE_LIST, ACCOUNT(logins), .initial = ""},

	{SECTION_CRONOFY, "data_center", TYPE_CHOICE, ACCOUNT(data_center), .initial = "us",
	 .choices = data_centers, .instead = "url"},
	{SECTION_CRONOFY, "url", TYPE_TEXT, ACCOUNT(url), .initial = "",
	 .check = config_is_cronofy_url, .instead = "data_center"},
	{SECTION_CRONOFY, "api_key_file", TYPE_KEY_FILE, ACCOUNT(api_key_file), .initial = ""},
	{SECTION_CRONOFY, "ca_file", TYPE_PATH, ACCOUNT(ca_file), .initial = ""},
	{SECTION_CRONOFY, "proxy", TYPE_URL, ACCOUNT(proxy), .initial = "",
	 .check = config_is_proxy},
	{SECTION_CRONOFY, "organizer", TYPE_TEXT, ACCOUNT(organizer), .initial = "",
	 .check = config_is_organizer},
	{SECTION_CRONOFY, "timeout", TYPE_DURATION, ACCOUNT(timeout), .initial = "20s", .least = 10,
	 .most = 120 * SECOND},
	{SECTION_CRONOFY, "deadline", TYPE_DURATION, ACCOUNT(deadline), .initial = "60s",
	 .least = 10, .most = 240 * SECOND},
	{SECTION_CRONOFY, "attempts", TYPE_NUMBER, ACCOUNT(attempts), .initial = "3", .least = 1,
	 .most = 10},
	{SECTION_CRONOFY, "requests_per_second", TYPE_RATE, ACCOUNT(requests_per_second),
	 .initial = "50", .least = 1, .most = 1000000},
	{SECTION_CRONOFY, "requests_per_minute", TYPE_RATE, ACCOUNT(requests_per_minute),
	 .initial = "500", .least = 1, .most = 60000000},
	{SECTION_CRONOFY, "breaker_failures", TYPE_NUMBER, ACCOUNT(breaker_failures),
	 .initial = "5", .least = 1, .most = 1000},
	{SECTION_CRONOFY, "breaker_pause", TYPE_DURATION, ACCOUNT(breaker_pause), .initial = "30s",
	 .least = 10, .most = 3600 * SECOND},
};
/* clang-format on */

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

bool config_key_is_of(const struct config_key *key, enum config_section section)
{
	return key->section == section ||
	       (section == SECTION_ACCOUNT && key->section == SECTION_CRONOFY);
}

void *config_key_field(const struct config_key *key, const void *base)
{
	return (char *)base + key->offset;
}

void *config_section_base(struct config *config, enum config_section section)
{
	return section == SECTION_CRONOFY || section == SECTION_ACCOUNT ? (void *)&config->defaults
									: (void *)config;
}
