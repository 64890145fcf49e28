/* Blocks of addresses: what is one, and what is inside it. */
#include "network.h"

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

static const char *const shown[][2] = {
	{"127.0.0.0/8", "127.0.0.0/8"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"192.0.2.1/32", "192.0.2.1"},
	{"::1", "::1"},
	{"::/0", "::/0"},
	{"2001:DB8::/32", "2001:db8::/32"},
	{"::ffff:192.0.2.0/120", "192.0.2.0/24"},
};

static void shows_a_network_as_it_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		char text[NETWORK_SHOWN];
		struct network network, again;

		assert_true(network_parse(&network, shown[i][0]));
		assert_string_equal(network_show(&network, text), shown[i][1]);
		assert_true(network_parse(&again, text));
		assert_memory_equal(&network, &again, sizeof(network));
	}
}

static bool contains(const char *network_text, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct network network;
	const struct network_list list = {&network, 1};

	assert_true(network_parse(&network, network_text));
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return network_contains(&list, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return network_contains(&list, (const struct sockaddr *)&v6);
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
	const struct network_list list = {everything, 2};

	(void)state;
	assert_true(network_parse(&everything[0], "::/0"));
	assert_true(network_parse(&everything[1], "0.0.0.0/0"));
	assert_false(network_contains(&list, NULL));
	assert_false(network_contains(&list, &unix_socket));
}

static void any_network_will_do_and_none_will_not(void **state)
{
	const struct sockaddr_in client = {.sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr *address = (const struct sockaddr *)&client;
	struct network items[2];
	struct network_list list = {items, 2};

	(void)state;
	assert_true(network_parse(&items[0], "192.0.2.0/24"));
	assert_true(network_parse(&items[1], "127.0.0.0/8"));
	assert_true(network_contains(&list, address));
	list.count = 1;
	assert_false(network_contains(&list, address));
	list = (struct network_list){NULL, 0};
	assert_false(network_contains(&list, address));
}

static void this_machine_is_loopback(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f090909)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr unix_socket = {.sa_family = AF_UNIX};

	(void)state;
	assert_true(network_is_loopback((const struct sockaddr *)&v4));
	assert_true(network_is_loopback((const struct sockaddr *)&v6));
	v4.sin_addr.s_addr = htonl(0xc0000201);
	v6.sin6_addr.s6_addr[15] = 2;
	assert_false(network_is_loopback((const struct sockaddr *)&v4));
	assert_false(network_is_loopback((const struct sockaddr *)&v6));
	assert_false(network_is_loopback(&unix_socket));
	assert_false(network_is_loopback(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_networks),
		cmocka_unit_test(shows_a_network_as_it_reads_it),
		cmocka_unit_test(knows_what_is_inside_a_network),
		cmocka_unit_test(other_families_are_nowhere),
		cmocka_unit_test(any_network_will_do_and_none_will_not),
		cmocka_unit_test(this_machine_is_loopback),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
