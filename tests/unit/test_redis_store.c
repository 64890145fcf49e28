/* What several filters know in common, with a real Redis. */
#include "redis_store.h"

#include "clock.h"
#include "redis_server.h"

#include <pthread.h>

static struct redis_store *connect_to(const struct redis_server *server, const char *password)
{
	const struct redis_address address = redis_server_address(server);
	struct redis_store *store = redis_store_new(&address, password, "test:");
	struct problem why;

	assert_non_null(store);
	if (!redis_store_connect(store, &why))
		fail_msg("%s", why.text);
	return store;
}

/* What a client of one's own is told. */
static void ask(const struct redis_server *server, const char *command, char *out, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t got;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->socket);
	assert_int_equal(connect(file, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(write(file, command, strlen(command)) > 0);
	shutdown(file, SHUT_WR);
	while (used + 1 < size && (got = read(file, out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	close(file);
}

/* One turn of a budget of two a second and three a minute. */
enum answer {
	GRANTED,
	WAIT,
	AWAY,
};

static enum answer take_of(struct redis_store *store, const char *budget, unsigned long long number,
			   long long *wait)
{
	size_t granted;

	if (!redis_store_take(store, budget, number, 1, 2, 3, &granted, wait))
		return AWAY;
	assert_true(granted == 1 || *wait > 0);
	return granted == 1 ? GRANTED : WAIT;
}

static enum answer take(struct redis_store *store, unsigned long long number, long long *wait)
{
	return take_of(store, "acme", number, wait);
}

static void record(struct redis_store *store, unsigned long long number, long long age)
{
	const struct redis_turn turn = {number, age};

	assert_true(redis_store_record(store, "acme", &turn, 1));
}

static void gives_no_more_turns_than_a_second_holds(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *one, *other;
	long long wait = 0;

	redis_server_start(server, NULL);
	one = connect_to(server, NULL);
	other = connect_to(server, NULL);
	assert_int_equal(take(one, 1, &wait), GRANTED);
	assert_int_equal(take(other, 1, &wait), GRANTED);
	assert_int_equal(take(one, 2, &wait), WAIT);
	assert_in_range(wait, 1, 20); /* nobody knows yet when they happened */
	record(one, 1, 0);
	record(other, 1, 0);
	assert_int_equal(take(one, 3, &wait), WAIT);
	assert_in_range(wait, 500, 1002);
	assert_int_equal(take_of(one, "other", 4, &wait), GRANTED);
	redis_store_free(one);
	redis_store_free(other);
}

static void gives_several_turns_at_once_as_far_as_there_are(void **state)
{
	struct redis_server *server = redis_server_of(state);
	long long used[REDIS_SECONDS], wait = 0;
	struct redis_store *store;
	size_t granted = 0;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_take(store, "acme", 1, 3, 5, 100, &granted, &wait));
	assert_int_equal(granted, 3);
	assert_int_equal(wait, 0);
	assert_true(
		redis_store_take(store, "acme", 4, REDIS_TURNS_MAXIMUM, 5, 100, &granted, &wait));
	assert_int_equal(granted, 2);
	assert_in_range(wait, 1, 20);
	assert_true(redis_store_look(store, "acme", used));
	assert_int_equal(used[0], 5);
	for (unsigned long long number = 1; number <= 5; number++)
		record(store, number, 2000);
	assert_true(redis_store_look(store, "acme", used));
	assert_int_equal(used[0], 0);
	redis_store_free(store);
}

static void gives_no_more_turns_than_a_minute_holds(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	long long wait = 0;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	record(store, 1, 59000);
	record(store, 2, 30000);
	record(store, 3, 20000);
	assert_int_equal(take(store, 4, &wait), WAIT);
	assert_in_range(wait, 1, 1002);
	record(store, 1, 60002); /* it is out, by then */
	assert_int_equal(take(store, 5, &wait), GRANTED);
	redis_store_free(store);
}

/*
 * The moment of a call is rounded down twice on its way into the store, by up to 2 ms in all: who was
 * there 1001 ms ago by the store's word may have been there 999 ms ago.
 */
static void rounding_makes_no_window_shorter(void **state)
{
	static const long long ages[] = {1001, 60001};
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	for (size_t i = 0; i < 2; i++) {
		int waited = 0;

		/* The next millisecond may begin between the two calls, but not each time. */
		for (int n = 0; n < 500 && waited == 0; n++) {
			const struct redis_turn turns[] = {
				{1, ages[i]}, {2, ages[i]}, {3, ages[i]}};
			long long wait = 0;
			char budget[32];

			snprintf(budget, sizeof(budget), "rounding-%lld-%d", ages[i], n);
			assert_true(redis_store_record(store, budget, turns, 3));
			waited += take_of(store, budget, 4, &wait) == WAIT;
		}
		assert_int_equal(waited, 1);
	}
	redis_store_free(store);
}

static void a_turn_that_was_never_used_is_free_again(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	long long wait = 0;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	assert_int_equal(take(store, 2, &wait), GRANTED);
	record(store, 1, REDIS_UNUSED);
	assert_int_equal(take(store, 3, &wait), GRANTED);
	redis_store_free(store);
}

static void a_pause_is_for_all(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *one, *other;
	long long wait = 0;

	redis_server_start(server, NULL);
	one = connect_to(server, NULL);
	other = connect_to(server, NULL);
	assert_true(redis_store_pause(one, "acme", 5000));
	assert_int_equal(take(other, 1, &wait), WAIT);
	assert_in_range(wait, 1000, 5000);
	redis_store_free(one);
	redis_store_free(other);
}

static void tells_what_all_used_second_by_second(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *one, *other;
	long long used[REDIS_SECONDS], wait = 0;

	redis_server_start(server, NULL);
	one = connect_to(server, NULL);
	other = connect_to(server, NULL);
	memset(used, 1, sizeof(used));
	assert_true(redis_store_look(one, "acme", used));
	for (size_t i = 0; i < REDIS_SECONDS; i++)
		assert_int_equal(used[i], 0);
	assert_int_equal(take(one, 1, &wait), GRANTED); /* counts as just now */
	record(one, 2, 30500);
	record(other, 1, 30500);
	record(other, 2, 59500);
	assert_true(redis_store_look(one, "acme", used));
	assert_int_equal(used[0], 1);
	assert_int_equal(used[30], 2);
	assert_int_equal(used[59], 1);
	assert_int_equal(used[29] + used[31] + used[58] + used[60], 0);
	redis_store_free(one);
	redis_store_free(other);
}

static void many_turns_are_recorded_at_once(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_turn turns[REDIS_TURNS_MAXIMUM];
	long long used[REDIS_SECONDS];
	struct redis_store *store;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	for (size_t i = 0; i < REDIS_TURNS_MAXIMUM; i++)
		turns[i] = (struct redis_turn){i + 1, 5500};
	assert_true(redis_store_record(store, "acme", turns, REDIS_TURNS_MAXIMUM));
	assert_true(redis_store_record(store, "acme", turns, REDIS_TURNS_MAXIMUM)); /* again */
	assert_true(redis_store_look(store, "acme", used));
	assert_int_equal(used[5], REDIS_TURNS_MAXIMUM);
	redis_store_free(store);
}

static void everything_expires_and_nothing_is_without_the_prefix(void **state)
{
	struct redis_server *server = redis_server_of(state);
	const struct redis_cancellation cancellation = {"acme", "board-1", "guest@example.org",
							"<1@acme.example>"};
	struct redis_store *store;
	char told[4096];
	long long wait = 0;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	assert_true(redis_store_pause(store, "acme", 5000));
	assert_true(redis_store_keep(store, &cancellation, "BEGIN", 5, 60000));
	ask(server, "DBSIZE\r\n", told, sizeof(told));
	assert_string_equal(told, ":3\r\n");
	ask(server, "KEYS test:*\r\n", told, sizeof(told));
	assert_contains(told, "*3\r\n");
	assert_null(strstr(told, "guest"));
	ask(server, "INFO keyspace\r\n", told, sizeof(told));
	assert_contains(told, "keys=3,expires=3");
	redis_store_free(store);
}

static void keeps_calendars_and_finds_them_through_another_host(void **state)
{
	struct redis_server *server = redis_server_of(state);
	const struct redis_cancellation cancellation = {"acme", "board-1", "guest@example.org",
							"<1@acme.example>"};
	struct redis_cancellation another = cancellation;
	struct buffer found = buffer_with_maximum(2000000);
	char *calendar = text_of_length(1000000, 'x');
	struct redis_store *one, *other;

	redis_server_start(server, NULL);
	one = connect_to(server, NULL);
	other = connect_to(server, NULL);
	calendar[17] = '\0';
	assert_true(redis_store_find(other, &cancellation, &found));
	assert_int_equal(found.length, 0);
	assert_true(redis_store_keep(one, &cancellation, calendar, 1000000, 60000));
	assert_true(redis_store_find(other, &cancellation, &found));
	assert_int_equal(found.length, 1000000);
	assert_memory_equal(found.data, calendar, 1000000);
	buffer_clear(&found);
	another.message_id = "<2@acme.example>";
	assert_true(redis_store_find(other, &another, &found));
	another = cancellation;
	another.account = "acm";
	another.invite_id = "eboard-1";
	assert_true(redis_store_find(other, &another, &found));
	assert_int_equal(found.length, 0);
	buffer_free(&found);
	free(calendar);
	redis_store_free(one);
	redis_store_free(other);
}

/* Of what somebody else put there, no more comes here than a calendar may have. */
static void a_value_larger_than_any_calendar_is_none(void **state)
{
	static const struct redis_cancellation cancellation = {"acme", "1", "a@b.example", "<1@x>"};
	struct redis_server *server = redis_server_of(state);
	struct buffer found = buffer_with_maximum(1000);
	char *large = text_of_length(1000000, 'x'), told[2048];
	struct redis_store *store;
	unsigned long long sent;
	const char *at;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_keep(store, &cancellation, large, 1000000, 60000));
	assert_true(redis_store_find(store, &cancellation, &found));
	assert_true(found.failed);
	ask(server, "INFO stats\r\n", told, sizeof(told));
	at = strstr(told, "total_net_output_bytes:");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "total_net_output_bytes:%llu", &sent), 1);
	assert_in_range(sent, 1000, 100000);
	buffer_free(&found);
	redis_store_free(store);
	free(large);
}

static void a_kept_calendar_goes_when_its_time_is_over(void **state)
{
	struct redis_server *server = redis_server_of(state);
	const struct redis_cancellation cancellation = {"acme", "b", "g@example.org", "<1@a>"};
	const struct timespec moment = {.tv_nsec = 60000000};
	struct buffer found = buffer_with_maximum(100);
	struct redis_store *store;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_keep(store, &cancellation, "BEGIN", 5, 20));
	nanosleep(&moment, NULL);
	assert_true(redis_store_find(store, &cancellation, &found));
	assert_int_equal(found.length, 0);
	buffer_free(&found);
	redis_store_free(store);
}

static void logs_in(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_address address = redis_server_address(server);
	struct redis_store *store;
	struct problem why;
	long long wait = 0;

	redis_server_start(server, "s3cret");
	store = redis_store_new(&address, "wrong", "test:");
	assert_false(redis_store_connect(store, &why));
	assert_contains(why.text, "AUTH");
	assert_null(strstr(why.text, "wrong"));
	assert_int_equal(take(store, 1, &wait), AWAY);
	redis_store_free(store);
	store = redis_store_new(&address, NULL, "test:");
	assert_false(redis_store_connect(store, &why));
	redis_store_free(store);
	store = connect_to(server, "s3cret");
	assert_int_equal(take(store, 1, &wait), GRANTED);
	redis_store_free(store);
	snprintf(address.user, sizeof(address.user), "default");
	snprintf(address.password, sizeof(address.password), "s3cret");
	address.database = 3;
	store = redis_store_new(&address, NULL, "test:");
	assert_true(redis_store_connect(store, &why));
	redis_store_free(store);
}

static void who_is_away_is_away_at_once_until_connected_again(void **state)
{
	struct redis_server *server = redis_server_of(state);
	const struct redis_turn turn = {1, 0};
	struct redis_store *store;
	long long wait = 0, begun;
	struct problem why;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	redis_server_stop(server);
	assert_int_equal(take(store, 2, &wait), AWAY);
	begun = clock_now();
	for (int i = 0; i < 100; i++) {
		assert_int_equal(take(store, 3, &wait), AWAY);
		assert_false(redis_store_record(store, "acme", &turn, 1));
	}
	assert_in_range(clock_now() - begun, 0, 200);
	redis_store_tell(store, &why);
	assert_true(why.text[0] != '\0');
	assert_false(redis_store_connect(store, &why));
	redis_server_start(server, NULL);
	assert_int_equal(take(store, 4, &wait), AWAY); /* what it knew may be lost */
	assert_true(redis_store_connect(store, &why));
	assert_int_equal(take(store, 5, &wait), GRANTED);
	redis_store_free(store);
}

static void who_does_not_answer_in_time_is_away(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	long long wait = 0, begun;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	kill(server->pid, SIGSTOP);
	begun = clock_now();
	assert_int_equal(take(store, 1, &wait), AWAY);
	assert_in_range(clock_now() - begun, REDIS_TIMEOUT - 10, REDIS_TIMEOUT + 1000);
	kill(server->pid, SIGCONT);
	redis_store_free(store);
}

static void a_server_that_forgot_the_scripts_is_told_again(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	long long wait = 0;
	char told[256];

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	ask(server, "SCRIPT FLUSH\r\n", told, sizeof(told));
	assert_int_equal(take(store, 2, &wait), GRANTED);
	redis_store_free(store);
}

static void a_server_that_cannot_write_is_as_good_as_away(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	struct problem why;
	long long wait = 0;
	char told[256];

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	ask(server, "REPLICAOF 127.0.0.1 1\r\n", told, sizeof(told));
	assert_string_equal(told, "+OK\r\n");
	assert_int_equal(take(store, 1, &wait), AWAY);
	redis_store_tell(store, &why);
	assert_true(why.text[0] != '\0');
	redis_store_free(store);
}

/* ---- data that no script of ours makes ---- */

/* A server that knows one answer. */
struct liar {
	int listening;
	const char *says; /* to what comes after PING and SCRIPT LOAD */
};

static void *lie(void *context)
{
	static const char script[] = "$40\r\n0123456789012345678901234567890123456789\r\n";
	const struct liar *liar = context;
	const char *const words[] = {"+PONG\r\n", script, liar->says};
	const int file = accept(liar->listening, NULL, NULL);
	char asked[4096];

	for (size_t i = 0; i < 3 && read(file, asked, sizeof(asked)) > 0; i++)
		if (write(file, words[i], strlen(words[i])) < 0)
			break;
	while (read(file, asked, sizeof(asked)) > 0)
		;
	close(file);
	return NULL;
}

static struct redis_store *connect_to_liar(const struct redis_server *server, struct liar *liar,
					   pthread_t *thread)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->socket);
	liar->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(liar->listening, (const struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(liar->listening, 1), 0);
	assert_int_equal(pthread_create(thread, NULL, lie, liar), 0);
	return connect_to(server, NULL);
}

/* By hanging up. */
static void end_liar(struct redis_store *store, const struct liar *liar, pthread_t thread)
{
	redis_store_free(store);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(liar->listening);
}

static void who_gives_more_turns_than_asked_for_is_away(void **state)
{
	struct liar liar = {.says = "*2\r\n:1000000000\r\n:0\r\n"};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	struct problem why;
	size_t granted = 1;
	long long wait = 1;

	assert_false(redis_store_take(store, "acme", 1, 5, 50, 500, &granted, &wait));
	assert_int_equal(granted, 0);
	redis_store_tell(store, &why);
	assert_contains(why.text, "nonsense");
	end_liar(store, &liar, thread);
}

static void who_answers_in_words_is_away(void **state)
{
	struct liar liar = {.says = "*2\r\n+one\r\n+two\r\n"};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	size_t granted;
	long long wait;

	assert_false(redis_store_take(store, "acme", 1, 5, 50, 500, &granted, &wait));
	end_liar(store, &liar, thread);
}

static void what_all_used_has_a_bound(void **state)
{
	struct liar liar = {0};
	struct buffer says = buffer_with_maximum(10000);
	long long used[REDIS_SECONDS];
	struct redis_store *store;
	pthread_t thread;

	buffer_printf(&says, "*%d\r\n", REDIS_SECONDS);
	for (int i = 0; i < REDIS_SECONDS; i++)
		buffer_append_text(&says, i % 2 ? ":-5\r\n" : ":9223372036854775807\r\n");
	liar.says = says.data;
	store = connect_to_liar(redis_server_of(state), &liar, &thread);
	assert_true(redis_store_look(store, "acme", used));
	assert_int_equal(used[0], REDIS_USED_MAXIMUM);
	assert_int_equal(used[1], 0);
	end_liar(store, &liar, thread);
	buffer_free(&says);
}

/* Somebody put it there for ages. */
static void a_long_pause_is_asked_about_again(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_store *store;
	long long wait = 0;
	char told[256];

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	ask(server, "SET test:pause:{acme} 1 PX 9000000000000000\r\n", told, sizeof(told));
	assert_string_equal(told, "+OK\r\n");
	assert_int_equal(take(store, 1, &wait), WAIT);
	assert_int_equal(wait, REDIS_WAIT_MAXIMUM);
	redis_store_free(store);
}

static void without_a_connection_nothing_is_known(void **state)
{
	const struct redis_address address = {.path = "/nonexistent/redis.sock"};
	const struct redis_cancellation cancellation = {"a", "b", "c", "d"};
	struct redis_store *store = redis_store_new(&address, "", "test:");
	struct buffer found = buffer_with_maximum(100);
	long long used[REDIS_SECONDS], wait = 0;
	struct problem why;

	(void)state;
	assert_false(redis_store_connect(store, &why));
	assert_contains(why.text, "No such file");
	assert_int_equal(take(store, 1, &wait), AWAY);
	assert_false(redis_store_pause(store, "acme", 1));
	assert_false(redis_store_look(store, "acme", used));
	assert_false(redis_store_keep(store, &cancellation, "x", 1, 1));
	assert_false(redis_store_find(store, &cancellation, &found));
	redis_store_free(store);
	redis_store_free(NULL);
}

#define redis_test(test)                                                                           \
	cmocka_unit_test_setup_teardown(test, redis_server_setup, redis_server_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		redis_test(gives_no_more_turns_than_a_second_holds),
		redis_test(gives_several_turns_at_once_as_far_as_there_are),
		redis_test(gives_no_more_turns_than_a_minute_holds),
		redis_test(rounding_makes_no_window_shorter),
		redis_test(a_turn_that_was_never_used_is_free_again),
		redis_test(a_pause_is_for_all),
		redis_test(tells_what_all_used_second_by_second),
		redis_test(many_turns_are_recorded_at_once),
		redis_test(everything_expires_and_nothing_is_without_the_prefix),
		redis_test(keeps_calendars_and_finds_them_through_another_host),
		redis_test(a_value_larger_than_any_calendar_is_none),
		redis_test(a_kept_calendar_goes_when_its_time_is_over),
		redis_test(logs_in),
		redis_test(who_is_away_is_away_at_once_until_connected_again),
		redis_test(who_does_not_answer_in_time_is_away),
		redis_test(a_server_that_forgot_the_scripts_is_told_again),
		redis_test(a_server_that_cannot_write_is_as_good_as_away),
		redis_test(who_gives_more_turns_than_asked_for_is_away),
		redis_test(who_answers_in_words_is_away),
		redis_test(what_all_used_has_a_bound),
		redis_test(a_long_pause_is_asked_about_again),
		cmocka_unit_test(without_a_connection_nothing_is_known),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("redis_store", tests, NULL, NULL);
}
