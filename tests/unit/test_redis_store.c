/* What several filters know in common, with a real Redis. */
#include "redis_store.h"

#include "clock.h"
#include "redis_server.h"

#include <pthread.h>

static struct redis_store *new_store(const struct redis_address *address, const char *password)
{
	const struct redis_store_settings settings = {
		.address = address, .password = password, .prefix = "test:", .secret = "s3same"};

	return redis_store_new(&settings);
}

static struct redis_store *connect_to(const struct redis_server *server, const char *password)
{
	const struct redis_address address = redis_server_address(server);
	struct redis_store *store = new_store(&address, password);
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

static struct redis_budget named(const char *name)
{
	struct redis_budget budget = {.epoch = 0};

	snprintf(budget.name, sizeof(budget.name), "%s", name);
	return budget;
}

/* A budget of which nothing is known yet. */
#define ACME (&(struct redis_budget){.name = "acme"})

/* One turn of a budget of two a second and three a minute. */
enum answer {
	GRANTED,
	WAIT,
	AWAY,
};

static enum answer take_of(struct redis_store *store, const char *name, unsigned long long number,
			   long long *wait)
{
	struct redis_budget budget = named(name);
	size_t granted;

	if (!redis_store_take(store, &budget, number, 1, 2, 3, &granted, wait))
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

	assert_true(redis_store_record(store, ACME, &turn, 1));
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
	assert_true(redis_store_take(store, ACME, 1, 3, 5, 100, &granted, &wait));
	assert_int_equal(granted, 3);
	assert_int_equal(wait, 0);
	assert_true(redis_store_take(store, ACME, 4, REDIS_TURNS_MAXIMUM, 5, 100, &granted, &wait));
	assert_int_equal(granted, 2);
	assert_in_range(wait, 1, 20);
	assert_true(redis_store_usage(store, ACME, used));
	assert_int_equal(used[0], 5);
	for (unsigned long long number = 1; number <= 5; number++)
		record(store, number, 2000);
	assert_true(redis_store_usage(store, ACME, used));
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
			struct redis_budget budget;
			char name[32];

			snprintf(name, sizeof(name), "rounding-%lld-%d", ages[i], n);
			budget = named(name);
			assert_true(redis_store_record(store, &budget, turns, 3));
			waited += take_of(store, name, 4, &wait) == WAIT;
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
	assert_true(redis_store_pause(one, ACME, 5000));
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
	assert_true(redis_store_usage(one, ACME, used));
	for (size_t i = 0; i < REDIS_SECONDS; i++)
		assert_int_equal(used[i], 0);
	assert_int_equal(take(one, 1, &wait), GRANTED); /* counts as just now */
	record(one, 2, 30500);
	record(other, 1, 30500);
	record(other, 2, 59500);
	assert_true(redis_store_usage(one, ACME, used));
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
	assert_true(redis_store_record(store, ACME, turns, REDIS_TURNS_MAXIMUM));
	assert_true(redis_store_record(store, ACME, turns, REDIS_TURNS_MAXIMUM)); /* again */
	assert_true(redis_store_usage(store, ACME, used));
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
	assert_true(redis_store_pause(store, ACME, 5000));
	assert_true(redis_store_keep(store, &cancellation, "BEGIN", 5, 60000));
	ask(server, "DBSIZE\r\n", told, sizeof(told));
	assert_string_equal(told, ":4\r\n");
	ask(server, "KEYS test:*\r\n", told, sizeof(told));
	assert_contains(told, "*4\r\n");
	assert_null(strstr(told, "guest"));
	ask(server, "INFO keyspace\r\n", told, sizeof(told));
	assert_contains(told, "keys=4,expires=4");
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
	assert_int_equal(redis_store_find(other, &cancellation, &found), REDIS_NOTHING);
	assert_int_equal(found.length, 0);
	assert_true(redis_store_keep(one, &cancellation, calendar, 1000000, 60000));
	assert_int_equal(redis_store_find(other, &cancellation, &found), REDIS_FOUND);
	assert_int_equal(found.length, 1000000);
	assert_memory_equal(found.data, calendar, 1000000);
	buffer_clear(&found);
	another.message_id = "<2@acme.example>";
	assert_int_equal(redis_store_find(other, &another, &found), REDIS_NOTHING);
	another = cancellation;
	another.account = "acm";
	another.invite_id = "eboard-1";
	assert_int_equal(redis_store_find(other, &another, &found), REDIS_NOTHING);
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
	assert_int_equal(redis_store_find(store, &cancellation, &found), REDIS_FORGED);
	assert_int_equal(found.length, 0);
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
	assert_int_equal(redis_store_find(store, &cancellation, &found), REDIS_NOTHING);
	buffer_free(&found);
	redis_store_free(store);
}

/* Whoever may write to Redis may do his worst: what he puts there is not sent. */
static void a_calendar_that_none_of_us_kept_is_forged(void **state)
{
	static const struct redis_cancellation ours = {"acme", "1", "a@b.example", "<1@x>"},
					       theirs = {"acme", "1", "c@b.example", "<1@x>"};
	struct redis_server *server = redis_server_of(state);
	struct buffer found = buffer_with_maximum(1000);
	char told[4096], keys[2][128], command[512];
	struct redis_store *store;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_keep(store, &theirs, "BEGIN:VCALENDAR", 15, 60000));
	ask(server, "KEYS *\r\n", told, sizeof(told));
	assert_int_equal(sscanf(told, "*1 $%*d %127s", keys[0]), 1);
	assert_true(redis_store_keep(store, &ours, "BEGIN:VCALENDAR", 15, 60000));
	ask(server, "KEYS *\r\n", told, sizeof(told));
	assert_int_equal(sscanf(told, "*2 $%*d %127s", keys[1]), 1);
	if (strcmp(keys[0], keys[1]) == 0)
		assert_int_equal(sscanf(told, "*2 $%*d %*s $%*d %127s", keys[1]), 1);
	assert_int_equal(redis_store_find(store, &ours, &found), REDIS_FOUND);
	for (int i = 0; i < 4; i++) {
		buffer_clear(&found);
		assert_true(redis_store_keep(store, &ours, "BEGIN:VCALENDAR", 15, 60000));
		if (i == 0) /* another message's */
			snprintf(command, sizeof(command), "COPY %s %s REPLACE\r\n", keys[0],
				 keys[1]);
		else if (i == 1) /* ours, but for one byte */
			snprintf(command, sizeof(command), "SETRANGE %s 70 X\r\n", keys[1]);
		else /* none of ours at all */
			snprintf(command, sizeof(command), "SET %s %s\r\n", keys[1],
				 i == 2 ? "BEGIN:VCALENDAR" : "1");
		ask(server, command, told, sizeof(told));
		assert_int_equal(redis_store_find(store, &ours, &found), REDIS_FORGED);
		assert_int_equal(found.length, 0);
	}
	buffer_free(&found);
	redis_store_free(store);
}

static void a_calendar_of_those_with_another_secret_is_forged(void **state)
{
	static const struct redis_cancellation ours = {"acme", "1", "a@b.example", "<1@x>"};
	struct redis_server *server = redis_server_of(state);
	const struct redis_address address = redis_server_address(server);
	struct redis_store_settings settings = {
		.address = &address, .prefix = "test:", .secret = "another"};
	struct buffer found = buffer_with_maximum(1000);
	struct redis_store *store, *other;
	struct problem why;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_keep(store, &ours, "BEGIN:VCALENDAR", 15, 60000));
	other = redis_store_new(&settings);
	assert_true(redis_store_connect(other, &why));
	assert_int_equal(redis_store_find(other, &ours, &found), REDIS_FORGED);
	redis_store_free(other);
	settings.secret = NULL; /* nothing is shared without one */
	other = redis_store_new(&settings);
	assert_true(redis_store_connect(other, &why));
	assert_false(redis_store_keep(other, &ours, "BEGIN:VCALENDAR", 15, 60000));
	assert_int_equal(redis_store_find(other, &ours, &found), REDIS_UNKNOWN);
	redis_store_free(other);
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
	store = new_store(&address, "wrong");
	assert_false(redis_store_connect(store, &why));
	assert_contains(why.text, "AUTH");
	assert_null(strstr(why.text, "wrong"));
	assert_int_equal(take(store, 1, &wait), AWAY);
	redis_store_free(store);
	store = new_store(&address, NULL);
	assert_false(redis_store_connect(store, &why));
	redis_store_free(store);
	store = connect_to(server, "s3cret");
	assert_int_equal(take(store, 1, &wait), GRANTED);
	redis_store_free(store);
	snprintf(address.user, sizeof(address.user), "default");
	snprintf(address.password, sizeof(address.password), "s3cret");
	address.database = 3;
	store = new_store(&address, NULL);
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
		assert_false(redis_store_record(store, ACME, &turn, 1));
	}
	assert_in_range(clock_now() - begun, 0, 200);
	redis_store_reason(store, &why);
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
	redis_store_reason(store, &why);
	assert_true(why.text[0] != '\0');
	redis_store_free(store);
}

/* ---- data that no script of ours makes ---- */

/* A server that knows these answers, to what comes after PING and SCRIPT LOAD. */
struct liar {
	int listening;
	const char *says[3]; /* until NULL */
	int pause;           /* ms, after each byte of them */
};

static void say(const struct liar *liar, int file, const char *text)
{
	const struct timespec pause = {.tv_nsec = liar->pause * 1000000L};
	const size_t length = strlen(text), step = liar->pause > 0 ? 1 : length;

	for (size_t at = 0; at < length; at += step) {
		if (write(file, text + at, step) < 0)
			return;
		if (liar->pause > 0)
			nanosleep(&pause, NULL);
	}
}

static void *lie(void *context)
{
	static const char script[] = "$40\r\n0123456789012345678901234567890123456789\r\n";
	const struct liar *liar = context;
	const int file = accept(liar->listening, NULL, NULL);
	char asked[8192];

	if (read(file, asked, sizeof(asked)) > 0 && write(file, "+PONG\r\n", 7) == 7 &&
	    read(file, asked, sizeof(asked)) > 0 && write(file, script, strlen(script)) > 0)
		for (size_t i = 0; i < 3 && liar->says[i] && read(file, asked, sizeof(asked)) > 0;
		     i++)
			say(liar, file, liar->says[i]);
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
	struct liar liar = {.says = {"*4\r\n:1000\r\n:1\r\n:1000000000\r\n:0\r\n"}};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	struct problem why;
	size_t granted = 1;
	long long wait = 1;

	assert_false(redis_store_take(store, ACME, 1, 5, 50, 500, &granted, &wait));
	assert_int_equal(granted, 0);
	redis_store_reason(store, &why);
	assert_contains(why.text, "granted more");
	end_liar(store, &liar, thread);
}

static void who_answers_in_words_is_away(void **state)
{
	struct liar liar = {.says = {"*4\r\n+one\r\n+two\r\n+three\r\n+four\r\n"}};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	size_t granted;
	long long wait;

	assert_false(redis_store_take(store, ACME, 1, 5, 50, 500, &granted, &wait));
	end_liar(store, &liar, thread);
}

static void whose_clock_is_none_is_away(void **state)
{
	static const char *const clocks[] = {"-9223372036854775807", "9223372036854775807", "-1"};

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		char says[64];
		struct liar liar = {.says = {says}};
		struct redis_store *store;
		pthread_t thread;
		struct problem why;
		size_t granted;
		long long wait;

		snprintf(says, sizeof(says), "*4\r\n:%s\r\n:1\r\n:1\r\n:0\r\n", clocks[i]);
		store = connect_to_liar(redis_server_of(state), &liar, &thread);
		assert_false(redis_store_take(store, ACME, 1, 5, 50, 500, &granted, &wait));
		redis_store_reason(store, &why);
		assert_contains(why.text, "not valid");
		end_liar(store, &liar, thread);
		unlink(redis_server_of(state)->socket);
	}
}

static void an_array_inside_another_is_not_read(void **state)
{
	struct liar liar = {.says = {"*4\r\n:1000\r\n:1\r\n*1\r\n"}};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	const long long begun = clock_now();
	size_t granted;
	long long wait;

	assert_false(redis_store_take(store, ACME, 1, 5, 50, 500, &granted, &wait));
	assert_true(clock_now() - begun < REDIS_TIMEOUT / 2); /* at once: the rest never comes */
	end_liar(store, &liar, thread);
}

static void what_all_used_has_a_bound(void **state)
{
	struct liar liar = {0};
	struct buffer says = buffer_with_maximum(10000);
	long long used[REDIS_SECONDS];
	struct redis_store *store;
	pthread_t thread;

	buffer_printf(&says, "*%d\r\n:1000\r\n:0\r\n", REDIS_SECONDS + 2);
	for (int i = 0; i < REDIS_SECONDS; i++)
		buffer_append_text(&says, i % 2 ? ":-5\r\n" : ":9223372036854775807\r\n");
	liar.says[0] = says.data;
	store = connect_to_liar(redis_server_of(state), &liar, &thread);
	assert_true(redis_store_usage(store, ACME, used));
	assert_int_equal(used[0], REDIS_USED_MAXIMUM);
	assert_int_equal(used[1], 0);
	end_liar(store, &liar, thread);
	buffer_free(&says);
}

/* Takes one turn; gives the reason why there is no answer, and how long it took (ms). */
static long long taken_in_vain(struct redis_store *store, struct problem *why)
{
	const long long begun = clock_now();
	long long wait, took;
	size_t granted;

	assert_false(redis_store_take(store, ACME, 1, 5, 50, 500, &granted, &wait));
	took = clock_now() - begun;
	redis_store_reason(store, why);
	return took;
}

static void who_answers_byte_by_byte_is_away_when_time_is_up(void **state)
{
	struct liar liar = {.says = {"*4\r\n:1000\r\n:1\r\n:1\r\n:0\r\n"}, .pause = 100};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	struct problem why;

	assert_in_range(taken_in_vain(store, &why), REDIS_TIMEOUT - 10, REDIS_TIMEOUT + 200);
	assert_contains(why.text, "in time");
	end_liar(store, &liar, thread);
}

static void who_answers_without_end_is_away(void **state)
{
	struct buffer says = buffer_with_maximum(10000000);
	struct liar liar = {0};
	struct redis_store *store;
	struct problem why;
	pthread_t thread;

	buffer_append_text(&says, "*200\r\n");
	for (int i = 0; i < 200; i++) {
		buffer_append_text(&says, "*200\r\n");
		for (int n = 0; n < 200; n++)
			buffer_append_text(&says, ":1\r\n");
	}
	liar.says[0] = says.data;
	store = connect_to_liar(redis_server_of(state), &liar, &thread);
	taken_in_vain(store, &why);
	assert_contains(why.text, "larger than");
	end_liar(store, &liar, thread);
	buffer_free(&says);
}

/* hiredis would make room for them before the first has come. */
static void who_announces_a_thousand_million_elements_is_away_at_once(void **state)
{
	struct liar liar = {.says = {"*1000000000\r\n"}};
	pthread_t thread;
	struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
	struct problem why;

	assert_in_range(taken_in_vain(store, &why), 0, REDIS_TIMEOUT - 50);
	end_liar(store, &liar, thread);
}

static void a_server_whose_clock_was_set_is_told_anew(void **state)
{
	static const char *const after[] = {
		"*4\r\n:700000\r\n:1\r\n:1\r\n:0\r\n",
		"*4\r\n:1300000\r\n:1\r\n:1\r\n:0\r\n",
	};

	for (size_t i = 0; i < 2; i++) {
		struct liar liar = {.says = {"*4\r\n:1000000\r\n:1\r\n:1\r\n:0\r\n", after[i]}};
		pthread_t thread;
		struct redis_store *store = connect_to_liar(redis_server_of(state), &liar, &thread);
		struct problem why;
		long long wait;

		assert_int_equal(take(store, 1, &wait), GRANTED);
		taken_in_vain(store, &why);
		assert_contains(why.text,
				i == 0 ? "its clock was set by -300" : "its clock was set by 300");
		end_liar(store, &liar, thread);
		unlink(((struct redis_server *)*state)->socket);
	}
}

/* ---- what is in doubt, and what is lost ---- */

/* The client waits for an answer no longer: turns that are given then would be nobody's. */
static void a_command_that_comes_too_late_takes_nothing(void **state)
{
	struct redis_server *server = redis_server_of(state);
	const struct timespec moment = {.tv_nsec = 50000000};
	long long used[REDIS_SECONDS], wait = 0;
	struct redis_store *store;
	struct problem why;

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	kill(server->pid, SIGSTOP);
	assert_int_equal(take(store, 2, &wait), AWAY);
	nanosleep(&moment, NULL);
	kill(server->pid, SIGCONT);
	assert_true(redis_store_connect(store, &why));
	for (int i = 0; i < 20; i++) { /* whichever of the two connections it reads first */
		nanosleep(&moment, NULL);
		assert_true(redis_store_usage(store, ACME, used));
		assert_int_equal(used[0], 1);
	}
	redis_store_free(store);
}

static void a_server_that_was_emptied_is_told_anew(void **state)
{
	struct redis_server *server = redis_server_of(state);
	struct redis_budget budget = named("acme");
	long long used[REDIS_SECONDS], wait;
	struct redis_store *store;
	struct problem why;
	size_t granted;
	char told[256];

	redis_server_start(server, NULL);
	store = connect_to(server, NULL);
	assert_true(redis_store_take(store, &budget, 1, 1, 2, 3, &granted, &wait));
	for (int i = 0; i < 2; i++) {
		ask(server, "FLUSHALL\r\n", told, sizeof(told));
		assert_false(i == 0 ? redis_store_take(store, &budget, 2, 1, 2, 3, &granted, &wait)
				    : redis_store_usage(store, &budget, used));
		redis_store_reason(store, &why);
		assert_contains(why.text, "lost");
		assert_true(redis_store_connect(store, &why));
		assert_true(redis_store_take(store, &budget, 3, 1, 2, 3, &granted, &wait));
		assert_int_equal(granted, 1);
	}
	redis_store_free(store);
}

/* Its clock was set back, or an older copy of it took over: nobody waits until it is that late again. */
static void turns_far_ahead_of_now_are_garbage(void **state)
{
	struct redis_server *server = redis_server_of(state);
	long long wait = 0;
	struct redis_store *store;
	char told[256];

	redis_server_start(server, NULL);
	ask(server, "ZADD test:pace:{acme} 9e12 a 9e12 b 9e12 c\r\n", told, sizeof(told));
	assert_string_equal(told, ":3\r\n");
	store = connect_to(server, NULL);
	assert_int_equal(take(store, 1, &wait), GRANTED);
	redis_store_free(store);
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
	struct redis_store *store = new_store(&address, "");
	struct buffer found = buffer_with_maximum(100);
	long long used[REDIS_SECONDS], wait = 0;
	struct problem why;

	(void)state;
	assert_false(redis_store_connect(store, &why));
	assert_contains(why.text, "No such file");
	assert_int_equal(take(store, 1, &wait), AWAY);
	assert_false(redis_store_pause(store, ACME, 1));
	assert_false(redis_store_usage(store, ACME, used));
	assert_false(redis_store_keep(store, &cancellation, "x", 1, 1));
	assert_int_equal(redis_store_find(store, &cancellation, &found), REDIS_UNKNOWN);
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
		redis_test(whose_clock_is_none_is_away),
		redis_test(an_array_inside_another_is_not_read),
		redis_test(what_all_used_has_a_bound),
		redis_test(a_calendar_that_none_of_us_kept_is_forged),
		redis_test(a_calendar_of_those_with_another_secret_is_forged),
		redis_test(who_answers_byte_by_byte_is_away_when_time_is_up),
		redis_test(who_answers_without_end_is_away),
		redis_test(who_announces_a_thousand_million_elements_is_away_at_once),
		redis_test(a_server_whose_clock_was_set_is_told_anew),
		redis_test(a_command_that_comes_too_late_takes_nothing),
		redis_test(a_server_that_was_emptied_is_told_anew),
		redis_test(turns_far_ahead_of_now_are_garbage),
		redis_test(a_long_pause_is_asked_about_again),
		cmocka_unit_test(without_a_connection_nothing_is_known),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("redis_store", tests, NULL, NULL);
}
