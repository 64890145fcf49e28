/* What is said about Postfix's configuration, as postconf(1) shows it. */
#include "postfix_check.h"

#include "testing.h"

#define OURS "unix:/run/cancel-invite-milter/milter.sock"
/* Defaults of Postfix's, and the filter where it belongs; the last of a name counts. */
#define GOOD                                                                                       \
	"milter_content_timeout = 300s\nmessage_size_limit = 10240000\n"                           \
	"milter_default_action = tempfail\nmilter_protocol = 6\nsoft_bounce = no\n"                \
	"maximal_queue_lifetime = 5d\nqueue_directory = /var/spool/postfix\n"                      \
	"canonical_classes = envelope_sender, envelope_recipient\n"                                \
	"sender_canonical_classes = envelope_sender, header_sender\n"                              \
	"masquerade_classes = envelope_sender, header_sender\nsmtp_line_length_limit = 998\n"      \
	"smtpd_milters = " OURS "\nnon_smtpd_milters = " OURS "\n"

static struct account account = {.deadline = 60000};
static struct config config = {
	.socket = (char *)OURS,
	.socket_path = OURS + 5,
	.max_message_size = (long long)9 << 20,
	.stamp_lifetime = 864000000,
	.queue_daemon = (char *)"cancel-invite",
	.accounts = &account,
	.account_count = 1,
};

static char *check(const char *parameters, const char *services, const char *overrides)
{
	struct buffer warnings = buffer_with_maximum(65536);
	struct postfix postfix = postfix_new();
	char *copy;

	buffer_append_text(&postfix.parameters, parameters);
	buffer_append_text(&postfix.services, services);
	buffer_append_text(&postfix.overrides, overrides);
	postfix_check(&postfix, &config, &warnings);
	postfix_free(&postfix);
	copy = strdup(warnings.data ? warnings.data : "");
	buffer_free(&warnings);
	return copy;
}

/* `warning` is NULL if there is to be none, else a part of the one line that there is to be. */
static void check_one(const char *parameters, const char *services, const char *overrides,
		      const char *warning)
{
	char *found = check(parameters, services, overrides);
	size_t lines = 0;

	for (const char *at = found; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	if (lines != (warning ? 1 : 0) || (warning && !strstr(found, warning)))
		fail_msg("%s%s%s: \"%s\", not \"%s\"", parameters, services, overrides, found,
			 warning ? warning : "");
	free(found);
}

static void finds_nothing_wrong_with_what_is_right(void **state)
{
	static const char *const right[] = {
		GOOD,
		GOOD "smtpd_milters = inet:a:1,\t" OURS ",  unix:opendkim.sock\n",
		GOOD "smtpd_milters = { " OURS ", default_action=tempfail }\n"
		     "non_smtpd_milters = {" OURS "}\nmilter_default_action = accept\n",
		GOOD "queue_directory = /run\n"
		     "smtpd_milters = unix:cancel-invite-milter/milter.sock\n",
		GOOD "milter_content_timeout = 1m\nmessage_size_limit = 9699328\n",
		GOOD "message_size_limit = 0\nmilter_default_action = shutdown\n",
		GOOD "canonical_maps = hash:x\nalways_bcc = a@b\n", /* only queued mode minds */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		check_one(right[i], "", "", NULL);
}

static void names_what_is_wrong_in_main_cf(void **state)
{
	static const struct {
		const char *parameters, *warning;
	} wrong[] = {
		{"", "does not use it"},
		{"biff = no\n", "does not use it"},
		{"smtpd_milters = " OURS "x\n", "does not use it"},
		{"queue_directory = /var/spool/postfix\n"
		 "smtpd_milters = unix:cancel-invite-milter/milter.sock\n",
		 "does not use it"},
		{GOOD "non_smtpd_milters = \n", "non_smtpd_milters does not name"},
		{GOOD "smtpd_milters =\n", "smtpd_milters does not name"},
		{GOOD "smtpd_milters = unix:/run/opendkim.sock, " OURS "\n",
		 "breaks its signature"},
		{GOOD "non_smtpd_milters = inet:localhost:8891 " OURS "\n", "breaks its signature"},
		{GOOD "smtpd_milters = { unix:OpenDKIM/s } " OURS "\n", "breaks its signature"},
		{GOOD "milter_content_timeout = 59s\n",
		 "(59 s) is shorter than the deadline (60 s)"},
		{GOOD "milter_content_timeout = 30\n", "(30 s) is shorter"},
		{GOOD "message_size_limit = 9699327\n", "(9699327) leaves no room"},
		{GOOD "milter_default_action = accept\n", "milter_default_action"},
		{GOOD "smtpd_milters = { " OURS ", default_action=accept }\n",
		 "default_action for this filter"},
		{GOOD "milter_protocol = 2\n", "milter_protocol"},
		{GOOD "soft_bounce = yes\n", "soft_bounce"},
		{GOOD "content_filter = amavis:[127.0.0.1]:10024\n", "content_filter"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_one(wrong[i].parameters, "", "", wrong[i].warning);
}

static void knows_a_tcp_socket_by_its_port(void **state)
{
	const struct config before = config;

	(void)state;
	config.socket = (char *)"inet:9900@127.0.0.1";
	config.socket_path = NULL;
	check_one(GOOD "smtpd_milters = inet:localhost:9900\nnon_smtpd_milters=\n"
		       "non_smtpd_milters = inet:localhost:9900\n",
		  "", "", NULL);
	check_one("smtpd_milters = inet:localhost:19900\n", "", "", "does not use it");
	config = before;
}

static void names_services_that_go_their_own_way(void **state)
{
	static const struct {
		const char *service, *override, *warning;
	} services[] = {
		{"submission inet n", "submission/inet/smtpd_milters =\n", "submission has"},
		{"[::1]:587 inet n", "[::1]:587/inet/smtpd_milters = inet:a:1,inet:b:2\n",
		 "587 has"},
		{"smtps      inet n", "smtps/inet/smtpd_milters = inet:a:1, inet:b:2\n",
		 "smtps has"},
		{"465 inet n", "465/inet/receive_override_options = no_milters\n", "no_milters"},
		{"submission inet n", "submission/inet/smtpd_milters = inet:a:1, " OURS "\n", NULL},
		{"10025 inet n", "10025/inet/smtpd_milters =\n", NULL},
		{"submission", "", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		check_one(GOOD, services[i].service, services[i].override, services[i].warning);
}

#define QUEUED                                                                                     \
	GOOD "milter_header_checks = regexp:/etc/postfix/cancel-invite-route\n"                    \
	     "cancel-invite_destination_recipient_limit = 1\n"
#define WAY    "cancel-invite unix - - n - 50 smtp -o x=y\n127.0.0.1:10026 inet n - n - - smtpd\n"
#define NAMED  "127.0.0.1:10026/inet/milter_macro_daemon_name = cancel-invite\n"
#define SECOND NAMED "cancel-invite/unix/smtp_line_length_limit = 0\n"

static void minds_the_way_to_the_second_listener(void **state)
{
	static const struct {
		const char *parameters, *overrides, *warning;
	} ways[] = {
		{QUEUED, SECOND, NULL},
		{QUEUED "milter_header_checks =\n", SECOND, "without its calendar"},
		{QUEUED "milter_header_checks = regexp:/x, regexp:cancel-invite-route\n", SECOND,
		 "put cancel-invite-route first"},
		{QUEUED "sender_canonical_maps = hash:x\n", SECOND, "sender_canonical_maps"},
		{QUEUED "masquerade_domains = a.b\n", SECOND, "masquerade_domains"},
		{QUEUED "masquerade_domains = a.b\nmasquerade_classes = header_sender\n", SECOND,
		 NULL},
		{QUEUED "always_bcc = a@b\n", SECOND, "always_bcc"},
		{QUEUED "cancel-invite_destination_recipient_limit = 50\n", SECOND,
		 "recipient_limit is not 1"},
		{QUEUED, NAMED, "breaks long lines"},
		{QUEUED "smtp_discard_ehlo_keywords = chunking, DSN\n", SECOND, "keyword dsn"},
		{QUEUED "smtpd_discard_ehlo_keywords = dsn\n", SECOND, "keyword dsn"},
		{QUEUED "smtp_discard_ehlo_keywords = dsn\nsmtpd_discard_ehlo_keywords = dsn\n",
		 SECOND "cancel-invite/unix/smtp_discard_ehlo_keywords =\n"
			"127.0.0.1:10026/inet/smtpd_discard_ehlo_keywords =\n",
		 NULL},
		{QUEUED "maximal_queue_lifetime = 11d\n", SECOND,
		 "(950400 s) is longer than stamp_lifetime (864000 s)"},
		{QUEUED "maximal_queue_lifetime = 11\n", SECOND, "is longer than stamp_lifetime"},
		{QUEUED, "cancel-invite/unix/smtp_line_length_limit = 0\n",
		 "milter_macro_daemon_name=cancel-invite"},
		/* With a second listener content_filter has its turn before the invite is cancelled. */
		{QUEUED "content_filter = amavis:x\n", SECOND, NULL},
	};

	(void)state;
	config.mode = MODE_QUEUED;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		check_one(ways[i].parameters, WAY, ways[i].overrides, ways[i].warning);
	check_one(QUEUED, "", "", "set up for direct mode");
	config.route = ROUTE_DOMAIN;
	check_one(QUEUED, WAY, SECOND, "\"route\" is not header");
	config.route = ROUTE_HEADER;
	config.mode = MODE_DIRECT;
	check_one(QUEUED, WAY, SECOND, "\"mode\" is direct");
}

static void archives_are_no_recipients_that_cronofy_does_not_know(void **state)
{
	char *archive = (char *)"a@b";

	(void)state;
	config.mode = MODE_QUEUED;
	config.archives = (struct string_list){&archive, 1};
	check_one(QUEUED "always_bcc = a@b\n", WAY, SECOND, NULL);
	config.archives = (struct string_list){NULL, 0};
	config.mode = MODE_DIRECT;
}

static void says_what_keeps_mail_from_being_routed(void **state)
{
#define ROUTED                                                                                     \
	GOOD "smtpd_milters =\nnon_smtpd_milters =\n"                                              \
	     "cancel-invite_destination_recipient_limit = 1\n"                                     \
	     "header_checks = regexp:/etc/postfix/cancel-invite-strip\n"                           \
	     "cancel_invite_header_checks = regexp:/etc/postfix/cancel-invite-route, pcre:/x\n"
	static const struct {
		const char *parameters, *services, *warning;
	} cases[] = {
		{ROUTED, WAY, NULL},
		{ROUTED "header_checks = regexp:/etc/postfix/cancel-invite-route\n"
			"cancel_invite_header_checks =\n",
		 WAY, NULL},
		{ROUTED "canonical_maps = hash:x\nmaximal_queue_lifetime = 50d\n", WAY, NULL},
		{ROUTED, "", "no transport cancel-invite"},
		{ROUTED "cancel_invite_header_checks = pcre:/x, regexp:/y/cancel-invite-route\n",
		 WAY, "begins with cancel-invite-route"},
		{ROUTED "non_smtpd_milters = " OURS "\n", WAY, "it defers tagged mail there"},
		{ROUTED "enable_original_recipient = no\n", WAY, "enable_original_recipient"},
		{ROUTED "always_bcc = a@b\n", WAY, "always_bcc"},
	};

	(void)state;
	config.mode = MODE_ROUTED;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_one(cases[i].parameters, cases[i].services,
			  cases[i].services[0] ? SECOND : "", cases[i].warning);
	config.mode = MODE_DIRECT;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_nothing_wrong_with_what_is_right),
		cmocka_unit_test(names_what_is_wrong_in_main_cf),
		cmocka_unit_test(knows_a_tcp_socket_by_its_port),
		cmocka_unit_test(names_services_that_go_their_own_way),
		cmocka_unit_test(minds_the_way_to_the_second_listener),
		cmocka_unit_test(archives_are_no_recipients_that_cronofy_does_not_know),
		cmocka_unit_test(says_what_keeps_mail_from_being_routed),
	};

	return cmocka_run_group_tests_name("postfix_check", tests, NULL, NULL);
}
