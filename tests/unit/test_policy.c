/* Who is trusted, and whose account a sender's is. */
#include "policy.h"

#include "config.h"
#include "testing.h"

#include <arpa/inet.h>

static const struct {
	const char *text;
	bool good;
} networks[] = {
	{"127.0.0.1", true},
	{"127.0.0.0/8", true},
	{"0.0.0.0/0", true},
	{"192.0.2.1/32", true},
	{"192.0.2.0/24", true},
	{"192.0.2.128/25", true},
	{"::1", true},
	{"::/0", true},
	{"2001:db8::/32", true},
	{"2001:db8::1/128", true},
	{"::ffff:192.0.2.0/120", true},
	{"", false},
	{"/8", false},
	{"127.0.0.1/", false},
	{"127.0.0.0/33", false},
	{"127.0.0.0/-1", false},
	{"127.0.0.0/+8", false},
	{"127.0.0.0/8x", false},
	{"127.0.0.0/ 8", false},
	{"127.0.0.0/8/8", false},
	{"::/129", false},
	{"::/1000", false},
	{"127.1", false},
	{"256.0.0.1", false},
	{"localhost", false},
	{"[::1]", false},
	{"fe80::1%eth0", false},
	{"127.0.0.1 ", false},
	/* bits behind the prefix */
	{"192.0.2.1/24", false},
	{"192.0.2.1/31", false},
	{"0.0.0.1/0", false},
	{"2001:db8::1/32", false},
	{"2001:db8::1/127", false},
	{"::1/0", false},
	{"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111", false},
};

static void reads_networks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct network network;

		if (network_parse(&network, networks[i].text) != networks[i].good)
			fail_msg("\"%s\" is %s", networks[i].text,
				 networks[i].good ? "refused" : "accepted");
	}
}

static bool contains(const char *network_text, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct network network;

	assert_true(network_parse(&network, network_text));
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return network_contains(&network, 1, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return network_contains(&network, 1, (const struct sockaddr *)&v6);
}

static const struct {
	const char *network, *address;
	bool inside;
} members[] = {
	{"0.0.0.0/0", "255.255.255.255", true},
	{"0.0.0.0/0", "0.0.0.0", true},
	{"0.0.0.0/0", "2001:db8::1", false},
	{"0.0.0.0/0", "::ffff:192.0.2.1", true},
	{"::/0", "2001:db8::1", true},
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "192.0.2.0", false},
	{"192.0.2.1/32", "192.0.2.1", true},
	{"192.0.2.0/31", "192.0.2.1", true},
	{"192.0.2.0/31", "192.0.2.2", false},
	{"128.0.0.0/1", "128.0.0.0", true},
	{"128.0.0.0/1", "127.255.255.255", false},
	{"127.0.0.0/8", "127.255.255.255", true},
	{"127.0.0.0/8", "128.0.0.0", false},
	{"10.32.0.0/11", "10.63.255.255", true},
	{"10.32.0.0/11", "10.64.0.0", false},
	{"2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true},
	{"2001:db8::/32", "2001:db9::", false},
	{"2001:db8::/33", "2001:db8:7fff::", true},
	{"2001:db8::/33", "2001:db8:8000::", false},
	{"::1", "::1", true},
	{"::1", "::2", false},
	{"::1/128", "::1", true},
	{"::2/127", "::3", true},
	{"::2/127", "::4", false},
	/* IPv4 that comes as IPv6 is IPv4 */
	{"192.0.2.0/24", "::ffff:192.0.2.7", true},
	{"::ffff:192.0.2.0/120", "192.0.2.7", true},
	{"::ffff:192.0.2.0/120", "192.0.3.7", false},
	/* an IPv4-compatible or NAT64 address is none */
	{"192.0.2.0/24", "::192.0.2.7", false},
	{"192.0.2.0/24", "64:ff9b::192.0.2.7", false},
};

static void knows_what_is_inside_a_network(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (contains(members[i].network, members[i].address) != members[i].inside)
			fail_msg("%s, %s", members[i].network, members[i].address);
}

static void other_families_are_nowhere(void **state)
{
	const struct sockaddr unix_socket = {.sa_family = AF_UNIX};
	struct network everything[2];

	(void)state;
	assert_true(network_parse(&everything[0], "::/0"));
	assert_true(network_parse(&everything[1], "0.0.0.0/0"));
	assert_false(network_contains(everything, 2, NULL));
	assert_false(network_contains(everything, 2, &unix_socket));
}

static void any_network_will_do_and_none_will_not(void **state)
{
	const struct sockaddr_in client = {.sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr *address = (const struct sockaddr *)&client;
	struct network list[2];

	(void)state;
	assert_true(network_parse(&list[0], "192.0.2.0/24"));
	assert_true(network_parse(&list[1], "127.0.0.0/8"));
	assert_true(network_contains(list, 2, address));
	assert_false(network_contains(list, 1, address));
	assert_false(network_contains(list, 0, address));
	assert_false(network_contains(NULL, 0, address));
}

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
	struct config config = {.network_count = 1};
	struct network loopback;

	(void)state;
	assert_true(network_parse(&loopback, "127.0.0.0/8"));
	config.networks = &loopback;
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
		cmocka_unit_test(reads_networks),
		cmocka_unit_test(knows_what_is_inside_a_network),
		cmocka_unit_test(other_families_are_nowhere),
		cmocka_unit_test(any_network_will_do_and_none_will_not),
		cmocka_unit_test(senders_match_by_address_domain_or_star),
		cmocka_unit_test(a_login_is_trusted_if_the_configuration_says_so),
		cmocka_unit_test(an_address_is_trusted_by_its_network),
		cmocka_unit_test(login_goes_before_address_before_domain_before_star),
		cmocka_unit_test(a_login_of_no_account_leaves_it_to_the_sender),
		cmocka_unit_test(a_sender_of_no_account_has_none),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
