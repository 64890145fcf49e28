/* The budgets that are shared, as the scripts keep them. */
#include "redis_state.h"

#include "clock.h"

#include <stdio.h>

#define MAXIMUM_ARGUMENTS (5 + 2 * REDIS_TURNS_MAXIMUM)
#define STEP              1000 /* ms: by more than this a clock is set, and does not drift */

struct member {
	char text[48];
};

static struct member member_of(const struct redis_store *store, unsigned long long number)
{
	struct member member;

	snprintf(member.text, sizeof(member.text), "%s:%llu", store->host, number);
	return member;
}

static long long bounded(long long number, long long most)
{
	return number < 0 ? 0 : number > most ? most : number;
}

/* ---- what each answer begins with: the server's clock and its epoch ---- */

static bool holds_numbers(const redisReply *reply, size_t count)
{
	bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == count;

	for (size_t i = 0; good && i < count; i++)
		good = reply->element[i]->type == REDIS_REPLY_INTEGER;
	return good;
}

/* A time of day in ms, with room to count in; no other is a clock's. */
static bool is_moment(long long number)
{
	return number >= 0 && number < 1LL << 53;
}

/* By how much the server's clock was set between the answer before and this one; 0 if it was not. */
static long long step_of(const struct redis_store *store, long long sent, long long now)
{
	const long long received = clock_now();
	const bool plausible = now >= sent + store->offset - STEP &&
			       now <= received + store->offset + REDIS_TIMEOUT + STEP;

	return store->timed && !plausible ? now - (received + store->offset) : 0;
}

/*
 * Is it an answer of so many numbers, from a server that remembers? Else the connection ends. With the
 * lock held.
 */
static bool is_good(struct redis_store *store, struct redis_budget *budget, const redisReply *reply,
		    size_t count, long long sent)
{
	const bool known = budget->epoch != 0 && budget->connection == store->connections;
	struct problem why;
	long long step;

	if (!reply)
		return false;
	if (!holds_numbers(reply, count) || !is_moment(reply->element[0]->integer)) {
		redis_hang_up(store, "its answer is not valid");
		return false;
	}
	step = step_of(store, sent, reply->element[0]->integer);
	if (step != 0) {
		problem_set(&why, "its clock was set by %lld ms", step);
		redis_hang_up(store, why.text);
		return false;
	}
	if (known && reply->element[1]->integer != budget->epoch) {
		redis_hang_up(store, "it lost its data");
		return false;
	}
	store->offset = reply->element[0]->integer - clock_now();
	store->timed = true;
	budget->epoch = reply->element[1]->integer;
	budget->connection = store->connections;
	return true;
}

/* ---- calls ---- */

/* The numbers of a take, as words. */
struct take_words {
	char host[24], number[24], most[24], per_second[24], per_minute[24], not_after[24],
		epoch[24];
};

bool redis_store_take(struct redis_store *store, struct redis_budget *budget,
		      unsigned long long number, size_t most, long long per_second,
		      long long per_minute, size_t *granted, long long *wait)
{
	const struct redis_key used = redis_key_of(store, "pace", budget->name),
			       epoch = redis_key_of(store, "epoch", budget->name),
			       pause = redis_key_of(store, "pause", budget->name);
	struct take_words is;
	const char *words[] = {NULL,          NULL,         "3",       used.text, epoch.text,
			       pause.text,    is.host,      is.number, is.most,   is.per_second,
			       is.per_minute, is.not_after, is.epoch};
	redisReply *reply;
	long long sent, deadline;
	bool good;

	snprintf(is.host, sizeof(is.host), "%s:", store->host);
	snprintf(is.number, sizeof(is.number), "%llu", number);
	snprintf(is.most, sizeof(is.most), "%zu", most);
	snprintf(is.per_second, sizeof(is.per_second), "%lld", per_second);
	snprintf(is.per_minute, sizeof(is.per_minute), "%lld", per_minute);
	*granted = 0;
	*wait = 0;
	pthread_mutex_lock(&store->lock);
	sent = clock_now();
	deadline = sent + REDIS_TIMEOUT;
	snprintf(is.not_after, sizeof(is.not_after), "%lld",
		 store->timed ? deadline + store->offset : 0);
	snprintf(is.epoch, sizeof(is.epoch), "%lld",
		 budget->connection == store->connections ? budget->epoch : 0);
	reply = redis_run(store, REDIS_SCRIPT_TAKE, 13, words, deadline);
	good = is_good(store, budget, reply, 4, sent);
	if (good && (unsigned long long)reply->element[2]->integer > most) {
		redis_hang_up(store, "it granted more than was requested");
		good = false;
	}
	pthread_mutex_unlock(&store->lock);
	if (good) {
		*granted = (size_t)reply->element[2]->integer;
		*wait = bounded(reply->element[3]->integer, REDIS_WAIT_MAXIMUM);
	}
	if (reply)
		freeReplyObject(reply);
	return good;
}

bool redis_store_record(struct redis_store *store, struct redis_budget *budget,
			const struct redis_turn *turns, size_t count)
{
	const struct redis_key used = redis_key_of(store, "pace", budget->name),
			       epoch = redis_key_of(store, "epoch", budget->name);
	const char *words[MAXIMUM_ARGUMENTS] = {NULL, NULL, "2", used.text, epoch.text};
	struct member members[REDIS_TURNS_MAXIMUM];
	char ages[REDIS_TURNS_MAXIMUM][24];
	redisReply *reply;
	long long sent;
	bool good;

	for (size_t i = 0; i < count && i < REDIS_TURNS_MAXIMUM; i++) {
		members[i] = member_of(store, turns[i].number);
		snprintf(ages[i], sizeof(ages[i]), "%lld", turns[i].age);
		words[5 + 2 * i] = members[i].text;
		words[6 + 2 * i] = ages[i];
	}
	pthread_mutex_lock(&store->lock);
	sent = clock_now();
	reply = redis_run(store, REDIS_SCRIPT_RECORD, 5 + 2 * (int)count, words,
			  sent + REDIS_TIMEOUT);
	good = is_good(store, budget, reply, 2, sent);
	pthread_mutex_unlock(&store->lock);
	if (reply)
		freeReplyObject(reply);
	return good;
}

bool redis_store_pause(struct redis_store *store, const struct redis_budget *budget,
		       long long duration)
{
	const struct redis_key key = redis_key_of(store, "pause", budget->name);
	char lifetime[24];
	const char *words[] = {"SET", key.text, "1", "PX", lifetime};
	redisReply *reply;

	snprintf(lifetime, sizeof(lifetime), "%lld", duration > 0 ? duration : 1);
	pthread_mutex_lock(&store->lock);
	reply = redis_ask(store, 5, words, NULL, 1024, clock_now() + REDIS_TIMEOUT);
	pthread_mutex_unlock(&store->lock);
	if (reply)
		freeReplyObject(reply);
	return reply != NULL;
}

bool redis_store_usage(struct redis_store *store, struct redis_budget *budget,
		       long long used[REDIS_SECONDS])
{
	const struct redis_key key = redis_key_of(store, "pace", budget->name),
			       epoch = redis_key_of(store, "epoch", budget->name);
	char seconds[16];
	const char *words[] = {NULL, NULL, "2", key.text, epoch.text, seconds};
	redisReply *reply;
	long long sent;
	bool good;

	snprintf(seconds, sizeof(seconds), "%d", REDIS_SECONDS);
	pthread_mutex_lock(&store->lock);
	sent = clock_now();
	reply = redis_run(store, REDIS_SCRIPT_USAGE, 6, words, sent + REDIS_TIMEOUT);
	good = is_good(store, budget, reply, REDIS_SECONDS + 2, sent);
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; good && i < REDIS_SECONDS; i++)
		used[i] = bounded(reply->element[i + 2]->integer, REDIS_USED_MAXIMUM);
	if (reply)
		freeReplyObject(reply);
	return good;
}
