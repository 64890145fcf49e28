/* Variables that libraries obey go; all others stay. */
#include "environment.h"

#include "testing.h"

static void takes_away_what_libraries_obey_and_nothing_else(void **state)
{
	static const char *const gone[] = {
		"SSLKEYLOGFILE", "SSL_CERT_FILE", "https_proxy",      "ALL_PROXY",    "LD_PRELOAD",
		"CURL_HOME",     "CURL_ENTROPY",  "CURL_SSL_BACKEND", "CURL_FUTURE_",
	};
	static const char *const stay[] = {
		"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "MAIL_CONFIG", "CURL", "XCURL_HOME", "TZ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_int_equal(setenv(gone[i], "x", 1), 0);
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_int_equal(setenv(stay[i], "x", 1), 0);
	environment_clean();
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (getenv(gone[i]))
			fail_msg("%s is still there", gone[i]);
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		if (!getenv(stay[i]))
			fail_msg("%s is gone", stay[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_away_what_libraries_obey_and_nothing_else),
	};

	return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
