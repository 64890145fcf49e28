/* What is said about main.cf and master.cf. */
#include "postfix_check.h"

#include "folder.h"
#include "testing.h"

#define OURS "unix:/run/cancel-invite-milter/milter.sock"
#define GOOD "smtpd_milters = " OURS "\nnon_smtpd_milters = $smtpd_milters\n"

static struct account account = {.deadline = 60000};
static struct config config = {
	.socket = (char *)OURS,
	.socket_path = OURS + 5,
	.max_message_size = (long long)9 << 20,
	.accounts = &account,
	.account_count = 1,
};

static char *check(const char *main_cf, const char *master_cf)
{
	struct buffer warnings = buffer_with_maximum(65536);

	postfix_check(span_of_text(main_cf), span_of_text(master_cf), &config, &warnings);
	return warnings.data ? warnings.data : strdup("");
}

/* `warning` is NULL if there is to be none, else a part of the one line that there is to be. */
static void check_one(const char *main_cf, const char *master_cf, const char *warning)
{
	char *found = check(main_cf, master_cf);
	size_t lines = 0;

	for (const char *at = found; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	if (lines != (warning ? 1 : 0) || (warning && !strstr(found, warning)))
		fail_msg("%s%s: \"%s\", not \"%s\"", main_cf, master_cf, found,
			 warning ? warning : "");
	free(found);
}

static void finds_nothing_wrong_with_what_is_right(void **state)
{
	static const char *const right[] = {
		GOOD,
		"smtpd_milters=" OURS "\nnon_smtpd_milters=" OURS "\n",
		"smtpd_milters = inet:a:1,\n\t" OURS ",\n# opendkim\n\n  unix:opendkim.sock\n"
		"non_smtpd_milters = ${smtpd_milters}",
		"cancel_invite_milter = " OURS "\nsmtpd_milters = $(cancel_invite_milter)\n"
		"non_smtpd_milters = inet:a:1 $cancel_invite_milter\r\n",
		"smtpd_milters = { " OURS ", default_action=tempfail }\n"
		"non_smtpd_milters = {" OURS "}\nmilter_default_action = accept\n",
		"smtpd_milters = inet:old:1\n" GOOD, /* the last counts */
		"queue_directory = /run\nsmtpd_milters = unix:cancel-invite-milter/milter.sock\n"
		"non_smtpd_milters = $smtpd_milters\n",
		GOOD "milter_content_timeout = 1m\nmessage_size_limit = 9699328\n",
		GOOD "message_size_limit = 0\nmilter_default_action = shutdown\nsoft_bounce = no\n",
		GOOD "canonical_maps = hash:x\nalways_bcc = a@b\n", /* only queued mode minds */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		check_one(right[i], "", NULL);
}

static void names_what_is_wrong_in_main_cf(void **state)
{
	static const struct {
		const char *main_cf, *warning;
	} wrong[] = {
		{"", "does not use it"},
		{"biff = no\n# " GOOD, "does not use it"},
		{"smtpd_milters = " OURS "x\n", "does not use it"},
		{"smtpd_milters = unix:cancel-invite-milter/milter.sock\n", "does not use it"},
		{"smtpd_milters = " OURS "\n", "non_smtpd_milters does not name"},
		{"non_smtpd_milters = " OURS "\n", "smtpd_milters does not name"},
		{GOOD "smtpd_milters = unix:/run/opendkim.sock, " OURS "\n", "signature breaks"},
		{GOOD "non_smtpd_milters = inet:localhost:8891 " OURS "\n", "signature breaks"},
		{GOOD "sign = { unix:OpenDKIM/s }\nsmtpd_milters = $sign " OURS "\n",
		 "signature breaks"},
		{GOOD "milter_content_timeout = 59s\n",
		 "(59 s) is shorter than the deadline (60 s)"},
		{GOOD "milter_content_timeout = 30\n", "(30 s) is shorter"},
		{GOOD "message_size_limit = 9699327\n", "(9699327) leaves no room"},
		{GOOD "size = 1000\nmessage_size_limit = $size\n", "(1000) leaves no room"},
		{GOOD "milter_default_action = accept\n", "milter_default_action"},
		{GOOD "milter_protocol = 2\n", "milter_protocol"},
		{GOOD "soft_bounce = yes\n", "soft_bounce"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_one(wrong[i].main_cf, "", wrong[i].warning);
}

static void knows_a_tcp_socket_by_its_port(void **state)
{
	const struct config before = config;

	(void)state;
	config.socket = (char *)"inet:9900@127.0.0.1";
	config.socket_path = NULL;
	check_one("smtpd_milters = inet:localhost:9900\nnon_smtpd_milters=$smtpd_milters", "",
		  NULL);
	check_one("smtpd_milters = inet:localhost:19900", "", "does not use it");
	config = before;
}

static void names_services_that_go_their_own_way(void **state)
{
	static const struct {
		const char *master_cf, *warning;
	} services[] = {
		{"submission inet n - y - - smtpd\n  -o smtpd_milters=\n", "submission has"},
		{"[::1]:587 inet n - y - - smtpd -o smtpd_milters=inet:a:1,inet:b:2", "587 has"},
		{"smtps inet n - y - - smtpd\n#x\n  -o { smtpd_milters = inet:a:1, inet:b:2 }\n",
		 "smtps has"},
		{"465 inet n - n - - smtpd -o receive_override_options=no_milters\n", "no_milters"},
		{"submission inet n - y - - smtpd\n -o { smtpd_milters = inet:a:1, " OURS " }\n",
		 NULL},
		{"submission inet n - y - - smtpd\n -o smtpd_milters=$smtpd_milters\n", NULL},
		{"#submission inet n - y - - smtpd\n#  -o smtpd_milters=\n", NULL},
		{"127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_milters=\n", NULL},
		{"submission inet n - y - - smtpd -o", NULL},
		{"submission", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		check_one(GOOD, services[i].master_cf, services[i].warning);
}

#define QUEUED GOOD "milter_header_checks = regexp:$config_directory/cancel-invite-route\n"

static void minds_changed_senders_and_copies_in_queued_mode(void **state)
{
	static const char queued[] = "cancel-invite unix - - n - 50 smtp\n";

	char *archive = (char *)"a@b";
	const struct string_list archives = {&archive, 1};

	(void)state;
	config.mode = MODE_QUEUED;
	check_one(QUEUED, queued, NULL);
	check_one(QUEUED, "", "set up for direct mode");
	check_one(GOOD, queued, "without its calendar");
	check_one(QUEUED "sender_canonical_maps = hash:x\n", queued, "sender_canonical_maps");
	check_one(QUEUED "masquerade_domains = a.b\n", queued, "masquerade_domains");
	check_one(QUEUED "masquerade_domains = a.b\nmasquerade_classes = header_sender\n", queued,
		  NULL);
	check_one(QUEUED "always_bcc = a@b\n", queued, "always_bcc");
	config.archives = archives;
	check_one(QUEUED "always_bcc = a@b\n", queued, NULL);
	config.archives = (struct string_list){NULL, 0};
	config.mode = MODE_DIRECT;
	check_one(QUEUED, queued, "\"mode\" says direct");
}

static void ends_where_parameters_name_each_other(void **state)
{
	struct buffer main_cf = buffer_with_maximum(POSTFIX_CHECK_FILE_MAXIMUM);

	(void)state;
	check_one("a = $b\nb = $a\nsmtpd_milters = $a\n", "", "does not use it");
	check_one("smtpd_milters = $smtpd_milters " OURS "\nnon_smtpd_milters = " OURS, "", NULL);
	for (int i = 0; i < 12; i++) {
		buffer_printf(&main_cf, "p%d =", i);
		for (int j = 0; j < 1000; j++)
			buffer_printf(&main_cf, " $p%d", i + 1);
		buffer_append_text(&main_cf, "\n");
	}
	buffer_append_text(&main_cf, "smtpd_milters = $p0");
	check_one(main_cf.data, "", "does not use it");
	buffer_free(&main_cf);
}

static void reads_both_files_of_a_folder(void **state)
{
	const struct folder *folder = *state;
	struct buffer warnings = buffer_with_maximum(65536);

	assert_false(postfix_check_folder(folder->path, &config, &warnings));
	assert_int_equal(warnings.length, 0);
	folder_write_text(folder, "main.cf", GOOD);
	assert_true(postfix_check_folder(folder->path, &config, &warnings));
	assert_int_equal(warnings.length, 0);
	folder_write_text(folder, "master.cf", "cancel-invite unix - - n - 50 smtp\n");
	assert_true(postfix_check_folder(folder->path, &config, &warnings));
	assert_contains(warnings.data, "queued mode");
	buffer_free(&warnings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_nothing_wrong_with_what_is_right),
		cmocka_unit_test(names_what_is_wrong_in_main_cf),
		cmocka_unit_test(knows_a_tcp_socket_by_its_port),
		cmocka_unit_test(names_services_that_go_their_own_way),
		cmocka_unit_test(minds_changed_senders_and_copies_in_queued_mode),
		cmocka_unit_test(ends_where_parameters_name_each_other),
		cmocka_unit_test_setup_teardown(reads_both_files_of_a_folder, folder_setup,
						folder_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
