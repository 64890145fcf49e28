/* What the unit's sandbox keeps the filter from, as systemctl shows it. */
#include "unit_check.h"

#include "config_keys.h"
#include "testing.h"

#define UNIT                                                                                       \
	"LoadState=loaded\nProtectSystem=strict\nRuntimeDirectory=cancel-invite-milter\n"          \
	"StateDirectory=cancel-invite-milter\n"

static char *faults_of(const char *shown, const char *socket_path, const char *ledger)
{
	struct config *config = config_new("/etc/x.conf");
	struct buffer faults = buffer_with_maximum(10000);
	char *copy;

	config->mode = MODE_QUEUED;
	config->socket_path = socket_path;
	free(config->ledger_file);
	config->ledger_file = ledger ? strdup(ledger) : NULL;
	unit_check_shown(span_of_text(shown), config, &faults);
	config_release(config);
	copy = strdup(faults.data ? faults.data : "");
	buffer_free(&faults);
	return copy;
}

static void a_folder_that_the_unit_makes_or_names_can_be_used(void **state)
{
	static const char *const sockets[] = {
		"/run/cancel-invite-milter/milter.sock", "/run/cancel-invite-milter/a/b.sock", NULL,
		"/var/spool/postfix/cancel-invite-milter/milter.sock"};

	(void)state;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		char *faults = faults_of(
			UNIT "ReadWritePaths=/srv -/var/spool/postfix/cancel-invite-milter\n",
			sockets[i], "/var/lib/cancel-invite-milter/ledger.db");

		assert_string_equal(faults, "");
		free(faults);
	}
}

static void one_that_it_does_not_is_named_with_the_cure(void **state)
{
	char *faults = faults_of(UNIT, "/var/spool/postfix/cancel-invite-milter/milter.sock",
				 "/run/cancel-invite-milter-other/ledger.db");

	(void)state;
	assert_contains(faults, "/etc/x.conf: socket: the sandbox of cancel-invite-milter.service "
				"cannot write in /var/spool/postfix/cancel-invite-milter: add "
				"ReadWritePaths=/var/spool/postfix/cancel-invite-milter");
	assert_contains(faults, "/etc/x.conf: file: the sandbox");
	assert_null(strstr(faults, "stamp_key_file"));
	free(faults);
}

static void another_unit_or_none_confines_nothing(void **state)
{
	static const char *const shown[] = {"", "LoadState=not-found\nProtectSystem=strict\n",
					    "LoadState=loaded\nProtectSystem=no\n", "\n\n=\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		char *faults = faults_of(shown[i], "/x/y", "/z/l.db");

		assert_string_equal(faults, "");
		free(faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_that_the_unit_makes_or_names_can_be_used),
		cmocka_unit_test(one_that_it_does_not_is_named_with_the_cure),
		cmocka_unit_test(another_unit_or_none_confines_nothing),
	};

	return cmocka_run_group_tests_name("unit_check", tests, NULL, NULL);
}
