/* Who is trusted, and whose account a sender's is. */
#include "policy.h"

#include "config.h"
#include "testing.h"

#include <arpa/inet.h>

static const struct {
	const char *pattern, *sender;
	bool matches;
} patterns[] = {
	{"*", "a@b", true},
	{"*", "", true},
	{"@acme.example", "a@acme.example", true},
	{"@acme.example", "a@ACME.Example", true},
	{"@acme.example", "a@sub.acme.example", false},
	{"@acme.example", "a@xacme.example", false},
	{"@acme.example", "acme.example", false},
	{"@acme.example", "", false},
	{"@acme.example", "\"x@other.example\"@acme.example", true},
	{"@acme.example", "a@acme.example@other.example", false},
	{"a@b.example", "a@b.example", true},
	{"a@b.example", "A@B.EXAMPLE", true},
	{"a@b.example", "aa@b.example", false},
	{"a@b.example", "a@b.exampl", false},
	{"a@b.example", "", false},
	{"*@b.example", "a@b.example", false}, /* only a whole * is a star */
};

static void senders_match_by_address_domain_or_star(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (policy_address_matches(patterns[i].pattern, patterns[i].sender) !=
		    patterns[i].matches)
			fail_msg("%s, <%s>", patterns[i].pattern, patterns[i].sender);
}

static void a_login_is_trusted_if_the_configuration_says_so(void **state)
{
	const struct sockaddr_in stranger = {.sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(0xc0000201)};
	const struct sockaddr *address = (const struct sockaddr *)&stranger;
	struct config config = {.trust_authenticated = true};

	(void)state;
	assert_true(policy_is_trusted(&config, address, "login"));
	assert_true(policy_is_trusted(&config, NULL, "login"));
	assert_false(policy_is_trusted(&config, address, ""));
	config.trust_authenticated = false;
	assert_false(policy_is_trusted(&config, address, "login"));
}

static void an_address_is_trusted_by_its_network(void **state)
{
	const struct sockaddr_in client = {.sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct config config = {.networks.count = 1};
	struct network loopback;

	(void)state;
	assert_true(network_parse(&loopback, "127.0.0.0/8"));
	config.networks.items = &loopback;
	assert_true(policy_is_trusted(&config, (const struct sockaddr *)&client, ""));
	assert_false(policy_is_trusted(&config, NULL, ""));
}

/* Four accounts: each rule of precedence has two of them that it decides between. */
static const char *account_of(const char *login, const char *sender)
{
	char *everyone[] = {(char[]){"*"}};
	char *domain[] = {(char[]){"@acme.example"}, (char[]){"@other.example"}};
	char *address[] = {(char[]){"robot@acme.example"}};
	char *logins[] = {(char[]){"app"}, (char[]){"app2"}};
	static char rest[] = "rest", acme[] = "acme", robot[] = "robot", app[] = "app";
	struct account accounts[] = {
		{.name = rest, .senders = {everyone, 1}},
		{.name = acme, .senders = {domain, 2}},
		{.name = robot, .senders = {address, 1}},
		{.name = app, .logins = {logins, 2}},
	};
	const struct config config = {.accounts = accounts, .account_count = 4};
	const struct account *found = policy_account(&config, login, sender);

	return found ? found->name : "none";
}

static void login_goes_before_address_before_domain_before_star(void **state)
{
	(void)state;
	assert_string_equal(account_of("", "a@else.example"), "rest");
	assert_string_equal(account_of("", ""), "rest");
	assert_string_equal(account_of("", "a@acme.example"), "acme");
	assert_string_equal(account_of("", "a@OTHER.example"), "acme");
	assert_string_equal(account_of("", "robot@acme.example"), "robot");
	assert_string_equal(account_of("", "Robot@Acme.example"), "robot");
	assert_string_equal(account_of("app2", "robot@acme.example"), "app");
	assert_string_equal(account_of("app", "a@else.example"), "app");
}

static void a_login_of_no_account_leaves_it_to_the_sender(void **state)
{
	(void)state;
	assert_string_equal(account_of("somebody", "robot@acme.example"), "robot");
	assert_string_equal(account_of("APP", "a@acme.example"), "acme");
}

static void a_sender_of_no_account_has_none(void **state)
{
	char *items[] = {(char[]){"@acme.example"}};
	static char name[] = "acme";
	struct account account = {.name = name, .senders = {items, 1}};
	const struct config config = {.accounts = &account, .account_count = 1};

	(void)state;
	assert_null(policy_account(&config, "", "a@else.example"));
	assert_null(policy_account(&config, "", ""));
	assert_null(policy_account(&config, "login", "a@else.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_match_by_address_domain_or_star),
		cmocka_unit_test(a_login_is_trusted_if_the_configuration_says_so),
		cmocka_unit_test(an_address_is_trusted_by_its_network),
		cmocka_unit_test(login_goes_before_address_before_domain_before_star),
		cmocka_unit_test(a_login_of_no_account_leaves_it_to_the_sender),
		cmocka_unit_test(a_sender_of_no_account_has_none),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
