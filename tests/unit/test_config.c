/* The configuration file: what it may say, and what is said about its faults. */
#include "config_load.h"

#include "config_show.h"

#include "folder.h"
#include "policy.h"
#include "testing.h"

#include <syslog.h>

/* Every configuration needs a key. */
static struct config *load(void **state, const char *text, struct buffer *faults)
{
	folder_write_text(*state, "key", "CRN_key\n");
	folder_write_text(*state, "other-key", "CRN_other\n");
	*faults = buffer_with_maximum(65536);
	return config_load(folder_write_text(*state, "conf", text), faults);
}

/* Loads what must be good. */
static struct config *load_good(void **state, const char *text)
{
	struct buffer faults;
	struct config *config = load(state, text, &faults);

	if (!config)
		fail_msg("%s\n%s", text, faults.data);
	assert_int_equal(faults.length, 0);
	buffer_free(&faults);
	return config;
}

/* Loads what has this one fault. */
static void assert_fault(void **state, const char *text, size_t line, const char *says)
{
	struct buffer faults;
	struct config *config = load(state, text, &faults);
	char start[512];

	if (config)
		fail_msg("accepted: %s", text);
	if (line > 0)
		snprintf(start, sizeof(start), "/conf:%zu: ", line);
	else
		snprintf(start, sizeof(start), "/conf: ");
	if (!strstr(faults.data, start) || !strstr(faults.data, says))
		fail_msg("%s\nsays\n%snot %zu, %s", text, faults.data, line, says);
	if (strchr(faults.data, '\n') != faults.data + faults.length - 1)
		fail_msg("%s\nhas more than one fault:\n%s", text, faults.data);
	buffer_free(&faults);
}

#define KEY "[cronofy]\napi_key_file = key\n"

static void every_key_has_the_documented_default(void **state)
{
	struct config *config = load_good(state, KEY);
	const struct account *account = &config->accounts[0];

	assert_string_equal(config->socket, "unix:/run/cancel-invite-milter/milter.sock");
	assert_string_equal(config->socket_path, "/run/cancel-invite-milter/milter.sock");
	assert_int_equal(config->socket_mode, 0660);
	assert_string_equal(config->socket_group, "");
	assert_string_equal(config->user, "");
	assert_string_equal(config->header, "X-Cancel-Invite");
	assert_string_equal(config->temp_dir, "/var/tmp");
	assert_int_equal(config->body_memory, 256 * 1024);
	assert_int_equal(config->max_message_size, 9 * 1024 * 1024);
	assert_int_equal(config->max_active, 200);
	assert_int_equal(config->drain_timeout, 60000);
	assert_int_equal(config->log, LOG_TO_SYSLOG);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->log_format, LOG_FORMAT_TEXT);
	assert_int_equal(config_log_facility(config), LOG_MAIL);
	assert_string_equal(config->metrics_listen, "");
	assert_false(config->dry_run);
	assert_false(config->strict_calendar);
	assert_int_equal(config->on_refused, FALLBACK_REJECT);
	assert_int_equal(config->on_unavailable, FALLBACK_TEMPFAIL);
	assert_string_equal(config->ledger_file, "/var/lib/cancel-invite-milter/ledger.db");
	assert_int_equal(config->ledger_keep, 30 * 86400000LL);
	assert_false(config->ledger_required);
	assert_int_equal(config->networks.count, 2);
	assert_true(config->trust_authenticated);
	assert_int_equal(config->untrusted, UNTRUSTED_STRIP);
	assert_int_equal(config->account_count, 1);
	assert_string_equal(account->endpoint, "https://api.cronofy.com/v1/smart_invites");
	assert_string_equal(account->api_key, "CRN_key");
	assert_int_equal(account->timeout, 20000);
	assert_int_equal(account->deadline, 60000);
	assert_int_equal(account->attempts, 3);
	assert_int_equal(account->requests_per_second, 50);
	assert_int_equal(account->requests_per_minute, 500);
	assert_int_equal(account->breaker_failures, 5);
	assert_int_equal(account->breaker_pause, 30000);
	assert_string_equal(account->organizer, "");
	assert_string_equal(config->redis, "");
	assert_null(config->redis_password);
	assert_string_equal(config->redis_prefix, "cancel-invite-milter:");
	assert_int_equal(config->share_of, 1);
	config_release(config);
}

static void the_metrics_page_may_be_anywhere(void **state)
{
	static const char *const places[] = {"127.0.0.1:1", "0.0.0.0:65535", "[::1]:9895",
					     "[::]:80"};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char text[100];

		snprintf(text, sizeof(text), KEY "[metrics]\nlisten = %s\n", places[i]);
		config_release(load_good(state, text));
	}
}

static void a_ledger_can_be_done_without_and_its_path_is_relative_to_the_file(void **state)
{
	const struct folder *folder = *state;
	struct config *config = load_good(state, KEY "[ledger]\nfile = none\n");
	char path[128];

	assert_null(config->ledger_file);
	config_release(config);
	config = load_good(state, KEY "[ledger]\nfile = l.db\n");
	snprintf(path, sizeof(path), "%s/l.db", folder->path);
	assert_string_equal(config->ledger_file, path);
	config_release(config);
}

static void without_accounts_one_serves_every_sender(void **state)
{
	struct config *config = load_good(state, KEY);

	assert_non_null(policy_account(config, "", ""));
	assert_ptr_equal(policy_account(config, "x", "a@b"), &config->accounts[0]);
	assert_string_equal(config->accounts[0].name, "cronofy");
	config_release(config);
}

static void reads_every_key(void **state)
{
	struct config *config = load_good(
		state,
		"[milter]\n"
		"socket = inet:10025@127.0.0.1\nsocket_mode = 0600\nheader = X-Stop\nmode = direct\n"
		"temp_dir = /tmp\nbody_memory = 0\nmax_message_size = 1K\nmax_active = 10000\n"
		"drain_timeout = 250ms\nlog = stderr\nlog_level = warning\nlog_format = json\nsyslog_facility = local3\n"
		"dry_run = yes\nstrict_calendar = yes\non_refused = hold\non_unavailable = deliver\n"
		"[trust]\nnetworks = 192.0.2.0/24\nauthenticated = no\nuntrusted = keep\n"
		"[metrics]\nlisten = 127.0.0.1:9895\n"
		"[ledger]\nfile = /x/l.db\nkeep = 7d\nrequired = yes\n"
		"[cronofy]\ndata_center = uk\napi_key_file = key\nca_file = key\n"
		"proxy = http://proxy.example:3128\ntimeout = 10ms\ndeadline = 4m\nattempts = 10\n"
		"requests_per_second = 4\nrequests_per_minute = 100000\nbreaker_failures = 1\n"
		"breaker_pause = 10ms\norganizer = desk@shop.example\n"
		"[redis]\nurl = redis://joe:@cache.example:7000/3\npassword_file = other-key\n"
		"prefix = x:\nshare = 1/4\n");
	const struct account *account = &config->accounts[0];

	assert_string_equal(config->socket, "inet:10025@127.0.0.1");
	assert_null(config->socket_path);
	assert_int_equal(config->socket_mode, 0600);
	assert_string_equal(config->header, "X-Stop");
	assert_int_equal(config->body_memory, 0);
	assert_int_equal(config->max_message_size, 1024);
	assert_int_equal(config->max_active, 10000);
	assert_int_equal(config->drain_timeout, 250);
	assert_int_equal(config->log, LOG_TO_STDERR);
	assert_int_equal(config->log_level, LOG_LEVEL_WARNING);
	assert_int_equal(config->log_format, LOG_FORMAT_JSON);
	assert_int_equal(config_log_facility(config), LOG_LOCAL3);
	assert_string_equal(config->metrics_listen, "127.0.0.1:9895");
	assert_true(config->dry_run);
	assert_true(config->strict_calendar);
	assert_string_equal(config->ledger_file, "/x/l.db");
	assert_int_equal(config->ledger_keep, 7 * 86400000LL);
	assert_true(config->ledger_required);
	assert_int_equal(config->on_refused, FALLBACK_HOLD);
	assert_int_equal(config->on_unavailable, FALLBACK_DELIVER);
	assert_int_equal(config->networks.count, 1);
	assert_false(config->trust_authenticated);
	assert_int_equal(config->untrusted, UNTRUSTED_KEEP);
	assert_string_equal(account->endpoint, "https://api-uk.cronofy.com/v1/smart_invites");
	assert_string_equal(account->proxy, "http://proxy.example:3128");
	assert_int_equal(account->timeout, 10);
	assert_int_equal(account->deadline, 240000);
	assert_int_equal(account->attempts, 10);
	assert_int_equal(account->requests_per_second, 4);
	assert_int_equal(account->requests_per_minute, 100000);
	assert_int_equal(account->breaker_failures, 1);
	assert_int_equal(account->breaker_pause, 10);
	assert_string_equal(account->organizer, "desk@shop.example");
	assert_string_equal(config->redis_address.host, "cache.example");
	assert_int_equal(config->redis_address.port, 7000);
	assert_int_equal(config->redis_address.database, 3);
	assert_string_equal(config->redis_password, "CRN_other");
	assert_string_equal(config->redis_prefix, "x:");
	assert_int_equal(config->share_of, 4);
	config_release(config);
}

static void accounts_take_from_cronofy_what_they_do_not_say(void **state)
{
	/* [cronofy] may come before them or behind. */
	struct config *config = load_good(
		state,
		"[account acme]\nsenders = @acme.example, robot@acme.org\nlogins = app app2\n"
		"[cronofy]\napi_key_file = key\ndata_center = de\ntimeout = 5s\n"
		"[account other]\nsenders = *\ndata_center = au\napi_key_file = other-key\n");
	const struct account *acme = &config->accounts[0], *other = &config->accounts[1];

	assert_int_equal(config->account_count, 2);
	assert_string_equal(acme->name, "acme");
	assert_int_equal(acme->senders.count, 2);
	assert_string_equal(acme->senders.items[1], "robot@acme.org");
	assert_int_equal(acme->logins.count, 2);
	assert_string_equal(acme->endpoint, "https://api-de.cronofy.com/v1/smart_invites");
	assert_string_equal(acme->api_key, "CRN_key");
	assert_int_equal(acme->timeout, 5000);
	assert_string_equal(other->endpoint, "https://api-au.cronofy.com/v1/smart_invites");
	assert_string_equal(other->api_key, "CRN_other");
	assert_int_equal(other->timeout, 5000);
	assert_int_equal(other->line, 8);
	config_release(config);
}

static void an_account_does_not_send_its_key_to_the_host_of_another(void **state)
{
	struct config *config = load_good(
		state, KEY "url = https://a.example\n[account x]\nsenders = *\ndata_center = de\n");

	assert_string_equal(config->accounts[0].endpoint,
			    "https://api-de.cronofy.com/v1/smart_invites");
	config_release(config);
	config = load_good(state, KEY
			   "data_center = de\n[account x]\nsenders = *\nurl = https://a.example\n");
	assert_string_equal(config->accounts[0].endpoint, "https://a.example/v1/smart_invites");
	config_release(config);
}

static void every_data_center_has_its_host(void **state)
{
	static const char *const hosts[][2] = {
		{"au", "api-au"}, {"ca", "api-ca"}, {"de", "api-de"},
		{"sg", "api-sg"}, {"uk", "api-uk"}, {"us", "api"},
	};

	for (size_t i = 0; i < 6; i++) {
		char text[200], url[200];
		struct config *config;

		snprintf(text, sizeof(text), KEY "data_center = %s\n", hosts[i][0]);
		snprintf(url, sizeof(url), "https://%s.cronofy.com/v1/smart_invites", hosts[i][1]);
		config = load_good(state, text);
		assert_string_equal(config->accounts[0].endpoint, url);
		config_release(config);
	}
}

static const struct {
	const char *url, *endpoint; /* NULL: refused */
} urls[] = {
	{"https://api.example", "https://api.example/v1/smart_invites"},
	{"https://api.example/", "https://api.example/v1/smart_invites"},
	{"https://api.example:8443/base//", "https://api.example:8443/base/v1/smart_invites"},
	{"HTTPS://api.example", "HTTPS://api.example/v1/smart_invites"},
	{"http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/smart_invites"},
	{"http://127.255.255.254", "http://127.255.255.254/v1/smart_invites"},
	{"http://localhost:80/x", "http://localhost:80/x/v1/smart_invites"},
	{"http://LOCALHOST", "http://LOCALHOST/v1/smart_invites"},
	{"http://[::1]:8080", "http://[::1]:8080/v1/smart_invites"},
	{"http://api.example", NULL},
	{"http://127.0.0.1.example", NULL},
	{"http://127.example", NULL},
	{"http://localhost.example", NULL},
	{"http://localhost@api.example", NULL},
	{"http://[::1]api.example", NULL},
	{"http://[::2]", NULL},
	{"http://[::1", NULL},
	{"http://126.0.0.1", NULL},
	{"http://", NULL},
	{"https://", NULL},
	{"ftp://api.example", NULL},
	{"api.example", NULL},
	{"//api.example", NULL},
	{"https:api.example", NULL},
	{"https://api.example?x", NULL},
	{"https://a b.example", NULL},
	{"https://user:secret@api.example", NULL},
	{"/", NULL},
};

static void the_key_goes_unencrypted_to_nobody_but_ourselves(void **state)
{
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		char text[300];
		struct buffer faults;
		struct config *config;

		snprintf(text, sizeof(text), KEY "url = %s\n", urls[i].url);
		config = load(state, text, &faults);
		if ((config != NULL) != (urls[i].endpoint != NULL))
			fail_msg("%s: %s", urls[i].url, config ? "accepted" : faults.data);
		if (config)
			assert_string_equal(config->accounts[0].endpoint, urls[i].endpoint);
		else
			assert_contains(faults.data, "/conf:3: ");
		config_release(config);
		buffer_free(&faults);
	}
}

static const struct {
	const char *text;
	size_t line;
	const char *says;
} faulty[] = {
	/* syntax */
	{"key = value\n" KEY, 1, "before the first section"},
	{KEY "nonsense\n", 3, "neither [section] nor key"},
	{KEY "[milter\n", 3, "not a [section]"},
	{KEY "[nonsense]\n", 3, "[nonsense]: unknown section"},
	{KEY "[]\n", 3, "unknown section"},
	{KEY "[Milter]\n", 3, "unknown section"},
	{KEY "[accounts x]\n", 3, "unknown section"},
	{KEY "[account]\n", 3, "section"},
	{KEY "[account ]\nsenders = *\n", 3, "a name is"},
	{KEY "[account a b]\nsenders = *\n", 3, "a name is"},
	{KEY "[account a]\nsenders = @a.b\n[account a]\nsenders = @c.d\n", 5, "line 3"},
	{KEY "colour = blue\n", 3, "colour: unknown key in [cronofy]"},
	{"[milter]\nLOG = stderr\n" KEY, 2, "unknown key"},
	{KEY "senders = *\n", 3, "senders: unknown key in [cronofy]"},
	{"[milter]\nlog = stderr\nlog = stderr\n" KEY, 3, "twice; first in line 2"},
	{KEY "[milter]\nlog = stderr\n[trust]\n[milter]\nlog = syslog\n", 7, "twice"},
	{"[milter]\nheader = X-A\n X-B\n" KEY, 3, "not a list"},
	/* values */
	{"[milter]\nlog = file\n" KEY, 2, "expected one of: stderr, syslog"},
	{"[milter]\nlog = Stderr\n" KEY, 2, "expected one of"},
	{"[milter]\nmode = queue\n" KEY, 2, "expected one of: direct, queued"},
	{"[milter]\nmode = queued\nqueue_daemon =\n" KEY, 3, "expected the second listener's name"},
	{"[milter]\nmode = queued\nqueue_daemon = "
	 "0123456789012345678901234567890123456789012345678901234567890123\n" KEY,
	 3, "at most 63 characters"},
	{"[milter]\nmode = queued\nroute = mail\n" KEY, 3, "expected one of: header, domain"},
	{"[milter]\nmode = queued\narchives = archive\n" KEY, 3, "expected an address"},
	{"[milter]\nstamp_lifetime = 5s\n" KEY, 2, "from 60s to"},
	{"[milter]\ndry_run = true\n" KEY, 2, "yes or no"},
	{"[milter]\ndry_run =\n" KEY, 2, "yes or no"},
	{"[milter]\nmax_active = 0\n" KEY, 2, "from 1 to 10000"},
	{"[milter]\nmax_active = 10001\n" KEY, 2, "from 1 to 10000"},
	{"[milter]\nmax_active = -1\n" KEY, 2, "a number"},
	{"[milter]\nmax_active = +1\n" KEY, 2, "a number"},
	{"[milter]\nmax_active = 1 2\n" KEY, 2, "a number"},
	{"[milter]\nmax_active = 0x10\n" KEY, 2, "a number"},
	{"[milter]\nmax_active = 10K\n" KEY, 2, "a number"},
	{"[milter]\nmax_active =\n" KEY, 2, "a number"},
	{"[milter]\nmax_active = 99999999999999999999\n" KEY, 2, "a number"},
	{"[milter]\nmax_message_size = 1023\n" KEY, 2, "from 1K to 4096M"},
	{"[milter]\nmax_message_size = 5G\n" KEY, 2, "a size"},
	{"[milter]\nmax_message_size = 9223372036854775807G\n" KEY, 2, "a size"},
	{"[milter]\nmax_message_size = 1k\n" KEY, 2, "a size"},
	{"[milter]\nmax_message_size = 1 M\n" KEY, 2, "a size"},
	{"[milter]\nbody_memory = 65M\n" KEY, 2, "from 0 to 64M"},
	{"[milter]\ndrain_timeout = 60\n" KEY, 2, "a duration"},
	{"[milter]\ndrain_timeout = 1.5s\n" KEY, 2, "a duration"},
	{"[milter]\ndrain_timeout = 61m\n" KEY, 2, "to 3600s"},
	{KEY "timeout = 9ms\n", 3, "from 10ms to 120s"},
	{KEY "timeout = 121s\n", 3, "120s"},
	{KEY "deadline = 241s\n", 3, "240s"},
	{KEY "attempts = 0\n", 3, "from 1 to 10"},
	{KEY "requests_per_second = 0\n", 3, "expected none, or a number from 1 to 1000000"},
	{KEY "requests_per_second = 1000001\n", 3, "from 1 to 1000000"},
	{KEY "requests_per_minute = 0\n", 3, "from 1 to 60000000"},
	{KEY "requests_per_minute = 60000001\n", 3, "from 1 to 60000000"},
	{KEY "breaker_failures = 0\n", 3, "from 1 to 1000"},
	{KEY "breaker_pause = 1ms\n", 3, "from 10ms to"},
	{KEY "organizer = desk\n", 3, "the address that your invites have as ORGANIZER"},
	{KEY "organizer = mailto:a@b.example, c@d.example\n", 3, "as ORGANIZER"},
	{KEY "requests_per_second = 2\n[redis]\nshare = 1/3\n", 3, "cannot be shared by 3 filters"},
	{KEY "requests_per_minute = 2\n[redis]\nshare = 1/3\n", 3, "cannot be shared by 3 filters"},
	{KEY "[redis]\nca_file = none\n", 4, "ca_file: "},
	{KEY "[redis]\nshare = 1/\n", 4, "1/N"},
	{KEY "[redis]\nshare = 1/0\n", 4, "1/N"},
	{KEY "[redis]\nshare = 2/3\n", 4, "1/N"},
	{KEY "[redis]\nshare = 1/2x\n", 4, "1/N"},
	{KEY "[redis]\nshare = 0.5\n", 4, "1/N"},
	{KEY "[redis]\nurl = cache.example\n", 4, "expected redis://"},
	{KEY "[redis]\npassword_file = nothing\n", 4, "password_file: "},
	{KEY "[redis]\nurl = redis://:a@h\npassword_file = key\n", 5, "a password in url too"},
	{KEY "[redis]\nattempts = 1\n", 4, "unknown key in [redis]"},
	{KEY "attempts = 11\n", 3, "from 1 to 10"},
	{"[milter]\nsocket_mode = 0888\n" KEY, 2, "octal"},
	{"[milter]\nsocket_mode = 01000\n" KEY, 2, "from 00 to 0777"},
	{"[milter]\nsocket_mode = -1\n" KEY, 2, "octal"},
	{"[milter]\nsocket_mode = rw\n" KEY, 2, "octal"},
	{"[trust]\nnetworks = 127.0.0.1/8\n" KEY, 2, "127.0.0.1/8"},
	{"[trust]\nnetworks = ::1,\n localhost\n" KEY, 3, "localhost"},
	{"[trust]\nuntrusted = drop\n" KEY, 2, "strip, reject, keep"},
	{KEY "data_center = eu\n", 3, "us, au, ca, de, sg, uk"},
	/* what must be there, and what must make sense */
	{KEY "url = https://a.example\ndata_center = de\n", 3, "data_center too"},
	{KEY "url = http://127.0.0.1:1\nproxy = http://proxy.example:3128\n", 3, "through a proxy"},
	{"[milter]\nsocket = /run/x\n" KEY, 2, "unix:/path"},
	{"[milter]\nsocket = unix:\n" KEY, 2, "unix:/path"},
	{"[milter]\nsocket = inet:0@localhost\n" KEY, 2, "inet:port@host"},
	{"[milter]\nsocket = inet:65536@localhost\n" KEY, 2, "inet:port@host"},
	{"[milter]\nsocket = inet:10025\n" KEY, 2, "inet:port@host"},
	{"[milter]\nsocket = inet:10025@\n" KEY, 2, "inet:port@host"},
	{"[milter]\nsocket =\n" KEY, 2, "unix:/path"},
	{"[milter]\nsocket_group = no-such-group\n" KEY, 2, "no group"},
	{"[milter]\nuser = no-such-user\n" KEY, 2, "no user"},
	{"[milter]\nheader = Subject\n" KEY, 2, "expected the name of a header"},
	{"[milter]\nheader = X-A B\n" KEY, 2, "expected the name of a header"},
	{"[milter]\nheader = X-A:\n" KEY, 2, "expected the name of a header"},
	{"[milter]\nheader = X-\xc3\xa4\n" KEY, 2, "expected the name of a header"},
	{"[milter]\nheader =\n" KEY, 2, "expected the name of a header"},
	{"[milter]\ntemp_dir = /nonexistent\n" KEY, 2, "not a directory"},
	{"[milter]\ntemp_dir = key\n" KEY, 2, "not a directory"},
	{"[milter]\nsyslog_facility = post\n" KEY, 2, "expected a facility"},
	{"[milter]\non_unavailable = reject\n" KEY, 2, "expected tempfail"},
	{"[milter]\nlog_format = xml\n" KEY, 2, "expected one of: text, json"},
	{"[metrics]\nlisten = 9895\n" KEY, 2, "127.0.0.1:9895"},
	{"[metrics]\nlisten = :9895\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.1\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.1:\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.1:0\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.1:65536\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.1:9895x\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = 127.0.0.256:9895\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = localhost:9895\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = ::1:9895\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = [::1]\n" KEY, 2, "expected an address with a port"},
	{"[metrics]\nlisten = [127.0.0.1]:9895\n" KEY, 2, "expected an address with a port"},
	{KEY "[metrics]\nport = 9895\n", 4, "unknown key in [metrics]"},
	{"[cronofy]\n", 0, "api_key_file is missing"},
	{"", 0, "api_key_file is missing"},
	{"[account a]\nsenders = *\n", 1, "api_key_file is missing"},
	{"[cronofy]\napi_key_file = none\n", 2, "none"},
	{"[cronofy]\napi_key_file = conf\n", 2, "more than one word"},
	{KEY "ca_file = none\n", 3, "cannot be read"},
	{KEY "[account a]\n", 3, "no senders and no logins"},
	{KEY "[account a]\nsenders = acme.example\n", 4, "expected an address"},
	{KEY "[account a]\nsenders = a@\n", 4, "expected an address"},
	{KEY "[account a]\nsenders = @\n", 4, "expected an address"},
	{KEY "[account a]\nsenders = @x.y\n[account b]\nsenders = z@x.y @X.Y\n", 6,
	 "account a already"},
	{KEY "[account a]\nlogins = x\n[account b]\nlogins = x\n", 6, "account a already"},
	{KEY "[account a]\nsenders = *\n[account b]\nsenders = *\n", 6, "account a already"},
};

static void a_fault_is_told_with_its_line_and_what_would_be_right(void **state)
{
	for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++)
		assert_fault(state, faulty[i].text, faulty[i].line, faulty[i].says);
}

static void all_faults_are_told_at_once(void **state)
{
	struct buffer faults;

	assert_null(load(state,
			 "[milter]\nlog = x\nuser = no-such-user\n[nonsense]\na = b\n[trust]\n"
			 "networks = x, y\n",
			 &faults));
	assert_contains(faults.data, "/conf:2: log");
	assert_contains(faults.data, "/conf:3: user");
	assert_contains(faults.data, "/conf:4: [nonsense]");
	assert_contains(faults.data, "invalid value \"x\": expected a network");
	assert_contains(faults.data, "invalid value \"y\": expected a network");
	assert_contains(faults.data, "api_key_file is missing");
	assert_null(strstr(faults.data, "/conf:5:"));
	buffer_free(&faults);
}

static void a_fault_shows_no_control_characters(void **state)
{
	struct buffer faults;

	assert_null(load(state, KEY "data_center = \x1b[2Jx\x07\n", &faults));
	assert_null(strpbrk(faults.data, "\x1b\x07"));
	assert_contains(faults.data, "\\x1b");
	buffer_free(&faults);
}

static void lists_have_commas_or_blanks_and_may_go_on(void **state)
{
	struct config *config = load_good(
		state, KEY "[account a]\nsenders = a@b.c, d@e.f\tg@h.i ,, j@k.l # and\n"
			   "   m@n.o,\n\tp@q.r   # comment\n\n# another\n   s@t.u\nlogins = x\n");
	static const char *const items[] = {"a@b.c", "d@e.f", "g@h.i", "j@k.l",
					    "m@n.o", "p@q.r", "s@t.u"};
	const struct string_list *senders = &config->accounts[0].senders;

	assert_int_equal(senders->count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(senders->items[i], items[i]);
	assert_int_equal(config->accounts[0].logins.count, 1);
	config_release(config);
}

static void a_list_of_any_length_is_read_whole(void **state)
{
	struct buffer text = buffer_with_maximum(100000);
	struct config *config;

	buffer_append_text(&text, KEY "[account a]\nsenders =");
	for (int i = 0; i < 1000; i++)
		buffer_printf(&text, "%s user%d@example.com", i > 0 ? "," : "", i);
	buffer_append_text(&text, "\n");
	config = load_good(state, text.data);
	assert_int_equal(config->accounts[0].senders.count, 1000);
	for (int i = 0; i < 1000; i++) {
		char item[64];

		snprintf(item, sizeof(item), "user%d@example.com", i);
		assert_string_equal(config->accounts[0].senders.items[i], item);
	}
	config_release(config);
	buffer_free(&text);
}

static void a_rate_may_have_no_limit(void **state)
{
	struct config *config = load_good(state, KEY "requests_per_second = none\n"
						 "requests_per_minute = 60000000\n"
						 "[redis]\nshare = 1/3\n");

	assert_int_equal(config->accounts[0].requests_per_second, RATE_NONE);
	assert_int_equal(config->accounts[0].requests_per_minute, 60000000);
	config_release(config);
}

static void redis_is_spoken_to_by_tls_if_its_url_says_so(void **state)
{
	const struct folder *folder = *state;
	struct config *config =
		load_good(state, KEY "[redis]\nurl = rediss://h\nca_file = other-key\n");
	char path[128];

	snprintf(path, sizeof(path), "%s/other-key", folder->path);
	assert_true(config->redis_address.tls);
	assert_string_equal(config->redis_address.ca_file, path);
	config_release(config);
}

static void the_files_own_networks_replace_the_default_ones(void **state)
{
	struct config *config =
		load_good(state, "[trust]\nnetworks = 192.0.2.0/24\n 2001:db8::/32\n" KEY);

	assert_int_equal(config->networks.count, 2);
	config_release(config);
	config = load_good(state, "[trust]\nnetworks =\n" KEY);
	assert_int_equal(config->networks.count, 0);
	config_release(config);
}

static void values_may_be_as_long_as_what_they_name(void **state)
{
	/* A URL of 512 characters and a path of some hundred are nothing to complain about. */
	char text[2000], *filler = text_of_length(400, 'x');
	struct config *config;

	snprintf(text, sizeof(text), KEY "url = https://api.example/%s\n", filler);
	config = load_good(state, text);
	assert_contains(config->accounts[0].endpoint, filler);
	config_release(config);
	free(filler);
}

static void a_key_file_may_have_a_long_path(void **state)
{
	const struct folder *folder = *state;
	char text[2000], dots[300] = "";
	struct config *config;

	for (int i = 0; i < 120; i++)
		memcpy(dots + strlen(dots), "./", 3);
	snprintf(text, sizeof(text), "[cronofy]\napi_key_file = %s/%skey\n", folder->path, dots);
	config = load_good(state, text);
	assert_string_equal(config->accounts[0].api_key, "CRN_key");
	config_release(config);
}

static void a_header_name_is_no_longer_than_can_be_removed(void **state)
{
	char text[300], *filler = text_of_length(100, 'x');

	snprintf(text, sizeof(text), "[milter]\nheader = X-%s\n" KEY, filler);
	assert_fault(state, text, 2, "header");
	free(filler);
}

static void a_socket_path_fits_or_is_refused(void **state)
{
	char text[400], *filler = text_of_length(106, 'x');
	struct config *config;

	snprintf(text, sizeof(text), "[milter]\nsocket = unix:/%s\n" KEY, filler);
	config = load_good(state, text);
	assert_int_equal(strlen(config->socket_path), 107);
	config_release(config);
	snprintf(text, sizeof(text), "[milter]\nsocket = unix:/%sx\n" KEY, filler);
	assert_fault(state, text, 2, "107");
	free(filler);
}

static void relative_paths_are_relative_to_the_file(void **state)
{
	const struct folder *folder = *state;
	struct config *config =
		load_good(state, "[milter]\nsocket = unix:milter.sock\ntemp_dir = .\n" KEY);
	char path[200];

	snprintf(path, sizeof(path), "%s/milter.sock", folder->path);
	assert_string_equal(config->socket_path, path);
	snprintf(path, sizeof(path), "%s/.", folder->path);
	assert_string_equal(config->temp_dir, path);
	config_release(config);
}

static void comments_blanks_and_dos_line_ends_are_nothing(void **state)
{
	struct config *config = load_good(
		state,
		"\xef\xbb\xbf# comment\r\n\r\n[milter] # the filter\r\n  header=X-A#B # comment\r\n"
		"\t# comment\r\n; comment\r\n[cronofy]\r\n\tapi_key_file\t=\tkey\t\r\n[trust]\r\n");

	assert_string_equal(config->header, "X-A#B");
	config_release(config);
}

static void a_file_with_nul_in_it_is_refused(void **state)
{
	static const char text[] = KEY "[milter]\ndry_run = yes\0no\n";
	struct buffer faults = buffer_with_maximum(10000);

	folder_write_text(*state, "key", "CRN_key\n");
	assert_null(
		config_load(folder_write(*state, "conf", 0600, text, sizeof(text) - 1), &faults));
	assert_contains(faults.data, ":4:");
	buffer_free(&faults);
}

static void a_file_that_is_not_there_is_told(void **state)
{
	struct buffer faults = buffer_with_maximum(1000);

	(void)state;
	assert_null(config_load("/nonexistent/conf", &faults));
	assert_string_equal(faults.data, "/nonexistent/conf: No such file or directory\n");
	buffer_clear(&faults);
	assert_null(config_load("/tmp", &faults));
	assert_contains(faults.data, "/tmp: ");
	buffer_free(&faults);
}

/* Lists in one line, a key's file and not the key, a URL without its secret. */
static void shows_values_as_the_file_takes_them_and_no_secret(void **state)
{
	struct config *config = load_good(state, KEY "[trust]\nnetworks = 192.0.2.0/24, 2001:db8::/32\n"
						     "[ledger]\nfile = none\n"
						     "[account a]\nsenders = x@a.example y@a.example\n"
						     "proxy = http://joe:hidden@proxy.example:3128\n"
						     "[account b]\nsenders = @b.example\n"
						     "proxy = http://token@proxy.example\n");
	struct buffer shown = buffer_with_maximum(100000);

	config_show(config, &shown);
	assert_contains(shown.data, "trust.networks = 192.0.2.0/24, 2001:db8::/32  # ");
	assert_contains(shown.data, "ledger.file = none  # ");
	assert_contains(shown.data, "account.a.senders = x@a.example, y@a.example  # ");
	assert_contains(shown.data, "http://joe:***@proxy.example:3128");
	assert_contains(shown.data, "http://***@proxy.example  # ");
	assert_null(strstr(shown.data, "hidden"));
	assert_null(strstr(shown.data, "token"));
	assert_null(strstr(shown.data, "CRN_"));
	buffer_free(&shown);
	config_release(config);
}

static void says_which_keys_take_a_restart(void **state)
{
	struct config *one = load_good(state, KEY "[trust]\nnetworks = 192.0.2.0/24\n");
	struct config *same = load_good(state, KEY "[trust]\nnetworks = 192.0.2.0/24\n");
	struct config *other = load_good(state, KEY "[milter]\nsocket = inet:2525@127.0.0.1\n");
	struct buffer shown = buffer_with_maximum(10000);

	buffer_append_text(&shown, "");
	config_show_restart(one, same, &shown);
	assert_string_equal(shown.data, "");
	config_show_restart(one, other, &shown);
	assert_contains(shown.data, "socket of [milter]");
	buffer_free(&shown);
	config_release(one);
	config_release(same);
	config_release(other);
}

static void it_lives_as_long_as_somebody_holds_it(void **state)
{
	struct config *config = load_good(state, KEY);

	assert_ptr_equal(config_hold(config), config);
	config_release(config);
	assert_string_equal(config->header, "X-Cancel-Invite");
	config_release(config);
	config_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_the_documented_default),
		cmocka_unit_test(the_metrics_page_may_be_anywhere),
		cmocka_unit_test(a_ledger_can_be_done_without_and_its_path_is_relative_to_the_file),
		cmocka_unit_test(without_accounts_one_serves_every_sender),
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(accounts_take_from_cronofy_what_they_do_not_say),
		cmocka_unit_test(an_account_does_not_send_its_key_to_the_host_of_another),
		cmocka_unit_test(every_data_center_has_its_host),
		cmocka_unit_test(the_key_goes_unencrypted_to_nobody_but_ourselves),
		cmocka_unit_test(a_fault_is_told_with_its_line_and_what_would_be_right),
		cmocka_unit_test(all_faults_are_told_at_once),
		cmocka_unit_test(a_fault_shows_no_control_characters),
		cmocka_unit_test(lists_have_commas_or_blanks_and_may_go_on),
		cmocka_unit_test(a_list_of_any_length_is_read_whole),
		cmocka_unit_test(a_rate_may_have_no_limit),
		cmocka_unit_test(redis_is_spoken_to_by_tls_if_its_url_says_so),
		cmocka_unit_test(the_files_own_networks_replace_the_default_ones),
		cmocka_unit_test(values_may_be_as_long_as_what_they_name),
		cmocka_unit_test(a_key_file_may_have_a_long_path),
		cmocka_unit_test(a_header_name_is_no_longer_than_can_be_removed),
		cmocka_unit_test(a_socket_path_fits_or_is_refused),
		cmocka_unit_test(relative_paths_are_relative_to_the_file),
		cmocka_unit_test(comments_blanks_and_dos_line_ends_are_nothing),
		cmocka_unit_test(a_file_with_nul_in_it_is_refused),
		cmocka_unit_test(a_file_that_is_not_there_is_told),
		cmocka_unit_test(shows_values_as_the_file_takes_them_and_no_secret),
		cmocka_unit_test(says_which_keys_take_a_restart),
		cmocka_unit_test(it_lives_as_long_as_somebody_holds_it),
	};

	return cmocka_run_group_tests_name("config", tests, folder_setup, folder_teardown);
}
