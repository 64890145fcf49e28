#include "redis_store.h"

#include "digest.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TAKEN             "30000" /* ms: a call that takes longer is not counted until it has ended */
#define MAXIMUM_ARGUMENTS (5 + 2 * REDIS_TURNS_MAXIMUM)

/*
 * A budget is a sorted set: one member for each turn, scored with the moment (ms, the server's
 * clock) at which the call is at Cronofy at the latest. A turn that was taken and not yet recorded
 * has a score in the future: who cannot yet know when it happens must think of it as happening now.
 * It falls out by itself if its host dies.
 */
static const char take_script[] =
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"local wait, granted = redis.call('PTTL', KEYS[2]), 0\n"
	/* Two more: of a score, both the moment of the call and the server's are rounded down. */
	"local windows = {[1002] = ARGV[4], [60002] = ARGV[5]}\n"
	"while wait <= 0 and granted < tonumber(ARGV[3]) do\n"
	"  for window, limit in pairs(windows) do\n"
	"    local last = redis.call('ZREVRANGE', KEYS[1], limit - 1, limit - 1, 'WITHSCORES')[2]\n"
	"    if last then\n"
	"      last = tonumber(last)\n"
	"      local left = last + window - now\n"
	/* It is not recorded yet, but will be soon. */
	"      if last > now then left = 20 end\n"
	"      if left > wait then wait = left end\n"
	"    end\n"
	"  end\n"
	"  if wait <= 0 then\n"
	"    redis.call('ZADD', KEYS[1], now + " TAKEN ", ARGV[1] .. ARGV[2] + granted)\n"
	"    granted = granted + 1\n"
	"  end\n"
	"end\n"
	"if granted > 0 then\n"
	"  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 61000)\n"
	"  redis.call('PEXPIRE', KEYS[1], 100000)\n"
	"end\n"
	"return {granted, math.max(wait, 0)}\n";

static const char record_script[] =
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"for i = 1, #ARGV, 2 do redis.call('ZADD', KEYS[1], now - ARGV[i + 1], ARGV[i]) end\n"
	"redis.call('PEXPIRE', KEYS[1], 70000)\n"
	"return 0\n";

static const char look_script[] =
	"if redis.call('EXISTS', KEYS[1]) == 0 then return {} end\n"
	"local time = redis.call('TIME')\n"
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
	"local used = {redis.call('ZCOUNT', KEYS[1], '(' .. now - 1000, '+inf')}\n"
	"for i = 1, ARGV[1] - 1 do\n"
	"  used[i + 1] = redis.call('ZCOUNT', KEYS[1], '(' .. now - 1000 * (i + 1), now - 1000 * i)\n"
	"end\n"
	"return used\n";

enum script {
	SCRIPT_TAKE,
	SCRIPT_RECORD,
	SCRIPT_LOOK,
	SCRIPTS,
};

static const char *const scripts[SCRIPTS] = {
	[SCRIPT_TAKE] = take_script,
	[SCRIPT_RECORD] = record_script,
	[SCRIPT_LOOK] = look_script,
};

struct redis_store {
	struct redis_address address;
	char prefix[65];
	char host[17];             /* who we are among those that share: random */
	pthread_mutex_t lock;      /* guards all below */
	redisContext *redis;       /* NULL: no connection */
	struct problem why;        /* there is none */
	char digests[SCRIPTS][41]; /* the server's names for the scripts; "" until it was told */
};

struct redis_store *redis_store_new(const struct redis_address *address, const char *password,
				    const char *prefix)
{
	struct redis_store *store = calloc(1, sizeof(*store));
	unsigned long long random = 0;

	if (!store)
		return NULL;
	store->address = *address;
	if (password && password[0] && !address->password[0])
		snprintf(store->address.password, sizeof(store->address.password), "%s", password);
	snprintf(store->prefix, sizeof(store->prefix), "%s", prefix);
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		free(store);
		return NULL;
	}
	snprintf(store->host, sizeof(store->host), "%016llx", random);
	problem_set(&store->why, "not connected yet");
	pthread_mutex_init(&store->lock, NULL);
	return store;
}

void redis_store_free(struct redis_store *store)
{
	if (!store)
		return;
	if (store->redis)
		redisFree(store->redis);
	pthread_mutex_destroy(&store->lock);
	explicit_bzero(&store->address, sizeof(store->address));
	free(store);
}

/* ---- the connection ---- */

/* One command of the greeting; what the server says to it is the reason if it is not OK. */
static bool greet(redisContext *redis, int count, const char **words, struct problem *why)
{
	redisReply *reply = redisCommandArgv(redis, count, words, NULL);
	const bool good = reply && reply->type != REDIS_REPLY_ERROR;

	if (!good)
		problem_set(why, "%.200s: %.400s", words[0], reply ? reply->str : redis->errstr);
	if (reply)
		freeReplyObject(reply);
	return good;
}

static bool log_in(redisContext *redis, const struct redis_address *address, struct problem *why)
{
	const char *named[] = {"AUTH", address->user, address->password};
	const char *nameless[] = {"AUTH", address->password};
	char number[16];
	const char *select[] = {"SELECT", number};
	const char *ping[] = {"PING"};

	snprintf(number, sizeof(number), "%d", address->database);
	if (address->user[0] && !greet(redis, 3, named, why))
		return false;
	if (!address->user[0] && address->password[0] && !greet(redis, 2, nameless, why))
		return false;
	if (address->database > 0 && !greet(redis, 2, select, why))
		return false;
	return greet(redis, 1, ping, why);
}

static redisContext *open_connection(const struct redis_address *address, struct problem *why)
{
	const struct timeval timeout = {.tv_usec = REDIS_TIMEOUT * 1000L};
	redisContext *redis =
		address->path[0] ? redisConnectUnixWithTimeout(address->path, timeout)
				 : redisConnectWithTimeout(address->host, address->port, timeout);

	if (!redis || redis->err) {
		problem_set(why, "%.400s", redis ? redis->errstr : "no memory");
	} else {
		if (!address->path[0])
			redisEnableKeepAlive(redis);
		if (redisSetTimeout(redis, timeout) == REDIS_OK && log_in(redis, address, why))
			return redis;
	}
	if (redis)
		redisFree(redis);
	return NULL;
}

bool redis_store_connect(struct redis_store *store, struct problem *why)
{
	redisContext *redis;
	bool connected;

	pthread_mutex_lock(&store->lock);
	connected = store->redis != NULL;
	pthread_mutex_unlock(&store->lock);
	if (connected)
		return true;
	/* Without the lock: nobody else has to wait for a name server. */
	redis = open_connection(&store->address, why);
	pthread_mutex_lock(&store->lock);
	if (redis && store->redis) {
		redisFree(redis);
	} else if (redis) {
		store->redis = redis;
		memset(store->digests, 0, sizeof(store->digests));
	} else if (!store->redis) {
		store->why = *why;
	}
	pthread_mutex_unlock(&store->lock);
	return redis != NULL;
}

void redis_store_tell(struct redis_store *store, struct problem *why)
{
	pthread_mutex_lock(&store->lock);
	problem_set(why, "%s", store->why.text);
	pthread_mutex_unlock(&store->lock);
}

/* With the lock held. */
static void hang_up(struct redis_store *store, const char *reason)
{
	problem_set(&store->why, "%.600s", reason);
	redisFree(store->redis);
	store->redis = NULL;
}

/* One command. NULL, and the connection gone, if it failed. With the lock held. */
static redisReply *ask(struct redis_store *store, int count, const char **words,
		       const size_t *lengths)
{
	redisReply *reply;

	if (!store->redis)
		return NULL;
	reply = redisCommandArgv(store->redis, count, words, lengths);
	if (!reply) {
		hang_up(store, store->redis->errstr);
	} else if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) != 0) {
		/* Read-only, out of memory, loading: as good as away. */
		hang_up(store, reply->str);
		freeReplyObject(reply);
		reply = NULL;
	}
	return reply;
}

/* Has the server learn the script. With the lock held. */
static bool teach(struct redis_store *store, enum script script)
{
	const char *words[] = {"SCRIPT", "LOAD", scripts[script]};
	redisReply *reply = ask(store, 3, words, NULL);

	if (!reply)
		return false;
	if (reply->type == REDIS_REPLY_STRING)
		snprintf(store->digests[script], sizeof(store->digests[script]), "%s", reply->str);
	freeReplyObject(reply);
	return store->digests[script][0] != '\0';
}

/*
 * Runs a script; the first two of `words` are left for EVALSHA and its script. A server that has
 * forgotten the script (it was restarted behind a proxy, or told to) is taught again, once.
 */
static redisReply *run(struct redis_store *store, enum script script, int count, const char **words)
{
	redisReply *reply = NULL;

	for (int i = 0; i < 2; i++) {
		if (!store->digests[script][0] && !teach(store, script))
			return NULL;
		words[0] = "EVALSHA";
		words[1] = store->digests[script];
		reply = ask(store, count, words, NULL);
		if (!reply || reply->type != REDIS_REPLY_ERROR)
			return reply;
		freeReplyObject(reply);
		store->digests[script][0] = '\0';
	}
	if (store->redis)
		hang_up(store, "it forgets the scripts that it is told");
	return NULL;
}

/* ---- budgets ---- */

/* Did a script give so many numbers? Any other answer ends the connection. With the lock held. */
static bool holds_numbers(struct redis_store *store, const redisReply *reply, size_t count)
{
	bool good = reply->type == REDIS_REPLY_ARRAY && reply->elements == count;

	for (size_t i = 0; good && i < count; i++)
		good = reply->element[i]->type == REDIS_REPLY_INTEGER;
	if (!good && store->redis)
		hang_up(store, "it answers nonsense");
	return good;
}

static long long bounded(long long number, long long most)
{
	return number < 0 ? 0 : number > most ? most : number;
}

struct key {
	char text[192];
};

/* {} is where a cluster looks to keep a budget's keys on one server. */
static struct key key_of(const struct redis_store *store, const char *kind, const char *name)
{
	struct key key;

	snprintf(key.text, sizeof(key.text), "%s%s:{%.80s}", store->prefix, kind, name);
	return key;
}

struct member {
	char text[48];
};

static struct member member_of(const struct redis_store *store, unsigned long long number)
{
	struct member member;

	snprintf(member.text, sizeof(member.text), "%s:%llu", store->host, number);
	return member;
}

bool redis_store_take(struct redis_store *store, const char *budget, unsigned long long number,
		      size_t most, long long per_second, long long per_minute, size_t *granted,
		      long long *wait)
{
	const struct key used = key_of(store, "pace", budget),
			 pause = key_of(store, "pause", budget);
	char host[24], numbers[4][24];
	const char *words[] = {NULL, NULL,       "2",        used.text,  pause.text,
			       host, numbers[0], numbers[1], numbers[2], numbers[3]};
	redisReply *reply;
	bool good;

	snprintf(host, sizeof(host), "%s:", store->host);
	snprintf(numbers[0], sizeof(numbers[0]), "%llu", number);
	snprintf(numbers[1], sizeof(numbers[1]), "%zu", most);
	snprintf(numbers[2], sizeof(numbers[2]), "%lld", per_second);
	snprintf(numbers[3], sizeof(numbers[3]), "%lld", per_minute);
	pthread_mutex_lock(&store->lock);
	reply = run(store, SCRIPT_TAKE, 10, words);
	good = reply && holds_numbers(store, reply, 2);
	if (good && (unsigned long long)reply->element[0]->integer > most) {
		hang_up(store, "it gives more than it is asked for: nonsense");
		good = false;
	}
	pthread_mutex_unlock(&store->lock);
	*granted = 0;
	*wait = 0;
	if (good) {
		*granted = (size_t)reply->element[0]->integer;
		*wait = bounded(reply->element[1]->integer, REDIS_WAIT_MAXIMUM);
	}
	if (reply)
		freeReplyObject(reply);
	return good;
}

bool redis_store_record(struct redis_store *store, const char *budget,
			const struct redis_turn *turns, size_t count)
{
	const struct key used = key_of(store, "pace", budget);
	const char *words[MAXIMUM_ARGUMENTS] = {NULL, NULL, "1", used.text};
	struct member members[REDIS_TURNS_MAXIMUM];
	char ages[REDIS_TURNS_MAXIMUM][24];
	redisReply *reply;

	for (size_t i = 0; i < count && i < REDIS_TURNS_MAXIMUM; i++) {
		members[i] = member_of(store, turns[i].number);
		snprintf(ages[i], sizeof(ages[i]), "%lld", turns[i].age);
		words[4 + 2 * i] = members[i].text;
		words[5 + 2 * i] = ages[i];
	}
	pthread_mutex_lock(&store->lock);
	reply = run(store, SCRIPT_RECORD, 4 + 2 * (int)count, words);
	pthread_mutex_unlock(&store->lock);
	if (reply)
		freeReplyObject(reply);
	return reply != NULL;
}

/* A command whose answer is only whether there is one. */
static bool tell(struct redis_store *store, int count, const char **words, const size_t *lengths)
{
	redisReply *reply;

	pthread_mutex_lock(&store->lock);
	reply = ask(store, count, words, lengths);
	pthread_mutex_unlock(&store->lock);
	if (reply)
		freeReplyObject(reply);
	return reply != NULL;
}

bool redis_store_pause(struct redis_store *store, const char *budget, long long duration)
{
	const struct key key = key_of(store, "pause", budget);
	char lifetime[24];
	const char *words[] = {"SET", key.text, "1", "PX", lifetime};

	snprintf(lifetime, sizeof(lifetime), "%lld", duration > 0 ? duration : 1);
	return tell(store, 5, words, NULL);
}

bool redis_store_look(struct redis_store *store, const char *budget, long long used[REDIS_SECONDS])
{
	const struct key key = key_of(store, "pace", budget);
	char seconds[16];
	const char *words[] = {NULL, NULL, "1", key.text, seconds};
	redisReply *reply;
	bool good, nothing;

	snprintf(seconds, sizeof(seconds), "%d", REDIS_SECONDS);
	pthread_mutex_lock(&store->lock);
	reply = run(store, SCRIPT_LOOK, 5, words);
	nothing = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 0;
	good = reply && (nothing || holds_numbers(store, reply, REDIS_SECONDS));
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; good && i < REDIS_SECONDS; i++)
		used[i] = nothing ? 0 : bounded(reply->element[i]->integer, REDIS_USED_MAXIMUM);
	if (reply)
		freeReplyObject(reply);
	return good;
}

/* ---- calendars ---- */

/* Hashed: an id may be as long as 1,024 bytes, and whoever may list keys learns no addresses. */
static bool name_calendar(const struct redis_store *store,
			  const struct redis_cancellation *cancellation, struct key *key)
{
	const struct span fields[] = {
		{cancellation->account, strlen(cancellation->account)},
		{cancellation->invite_id, strlen(cancellation->invite_id)},
		{cancellation->recipient, strlen(cancellation->recipient)},
		{cancellation->message_id, strlen(cancellation->message_id)},
	};
	char name[DIGEST_LENGTH + 1];

	if (!digest_of(fields, sizeof(fields) / sizeof(fields[0]), name))
		return false;
	*key = key_of(store, "calendar", name);
	return true;
}

bool redis_store_keep(struct redis_store *store, const struct redis_cancellation *cancellation,
		      const char *calendar, size_t length, long long lifetime)
{
	struct key key;
	char expiry[24];
	const char *words[] = {"SET", key.text, calendar, "PX", expiry};
	size_t lengths[] = {3, 0, length, 2, 0};

	if (!name_calendar(store, cancellation, &key))
		return false;
	lengths[1] = strlen(key.text);
	lengths[4] = (size_t)snprintf(expiry, sizeof(expiry), "%lld", lifetime > 0 ? lifetime : 1);
	return tell(store, 5, words, lengths);
}

bool redis_store_find(struct redis_store *store, const struct redis_cancellation *cancellation,
		      struct buffer *calendar)
{
	struct key key;
	char last[24];
	/* One byte more than fits is enough to know, and all that a stranger can make us read. */
	const char *words[] = {"GETRANGE", key.text, "0", last};
	redisReply *reply;

	if (!name_calendar(store, cancellation, &key))
		return false;
	snprintf(last, sizeof(last), "%zu", calendar->maximum - calendar->length);
	pthread_mutex_lock(&store->lock);
	reply = ask(store, 4, words, NULL);
	pthread_mutex_unlock(&store->lock);
	if (reply && reply->type == REDIS_REPLY_STRING)
		buffer_append(calendar, reply->str, (size_t)reply->len);
	if (reply)
		freeReplyObject(reply);
	return reply != NULL;
}
