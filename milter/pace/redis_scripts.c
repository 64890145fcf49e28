/*
 * What runs inside Redis, at once or not at all.
 *
 * A budget is a sorted set, KEYS[1]: one member for each turn, scored with the moment (ms, the server's
 * clock) at which the call is at Cronofy at the latest. A turn that was taken and not yet recorded has
 * a score in the future: who cannot yet know when it happens must think of it as happening now. It
 * falls out by itself if its host dies.
 *
 * Beside it stands an epoch, KEYS[2]: the moment at which Redis began to remember this budget. It is
 * another one whenever something that was told is gone: the data, or the clock by which it was kept.
 */
#include "redis_state.h"

#include <stdio.h>
#include <string.h>

#define TAKEN   "30000" /* REDIS_TAKEN: a call that takes longer does not count until it has ended */
#define GARBAGE "31000"   /* ms: no score is so far ahead, but by a clock that was set back */
#define KEPT    "100000"  /* ms */
#define EPOCH   "3600000" /* ms; and then there was nobody to ask for it */
#define ANSWER  8192      /* bytes, at most */
#define NOW                                                                                        \
	"local time = redis.call('TIME')\n"                                                        \
	"local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"

#define REMEMBER                                                                                   \
	"local epoch = redis.call('GET', KEYS[2])\n"                                               \
	"if redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now + " GARBAGE ", '+inf') > 0 or not " \
	"epoch then\n"                                                                             \
	"  epoch = time[1] .. string.format('%06d', time[2])\n"                                    \
	"end\n"                                                                                    \
	"redis.call('SET', KEYS[2], epoch, 'PX', " EPOCH ")\n"

/*
 * ARGV: the members' prefix, the first turn's number, how many, the limits of a second and of a minute,
 * the moment after which nobody waits for the answer, and the epoch that the caller knows or 0.
 */
static const char take_script[] = NOW REMEMBER
	"if (ARGV[7] ~= '0' and ARGV[7] ~= epoch) or (ARGV[6] ~= '0' and now > tonumber(ARGV[6])) "
	"then return {now, tonumber(epoch), 0, 20} end\n"
	"local wait, granted = redis.call('PTTL', KEYS[3]), 0\n"
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
	"  redis.call('PEXPIRE', KEYS[1], " KEPT ")\n"
	"end\n"
	"return {now, tonumber(epoch), granted, math.max(wait, 0)}\n";

/* ARGV: a member and its age, and so on; from 61000 on it was never used. */
static const char record_script[] =
	NOW REMEMBER "for i = 1, #ARGV, 2 do\n"
		     "  if tonumber(ARGV[i + 1]) >= 61000 then\n"
		     "    redis.call('ZREM', KEYS[1], ARGV[i])\n"
		     "  else\n"
		     "    redis.call('ZADD', KEYS[1], now - ARGV[i + 1], ARGV[i])\n"
		     "  end\n"
		     "end\n"
		     "redis.call('PEXPIRE', KEYS[1], " KEPT ")\n"
		     "return {now, tonumber(epoch)}\n";

/* ARGV: how many seconds. Takes no notice of a budget that nobody uses. */
static const char usage_script[] = NOW
	"local epoch = redis.call('GET', KEYS[2])\n"
	"local used = {now, epoch and tonumber(epoch) or 0,\n"
	"              redis.call('ZCOUNT', KEYS[1], '(' .. now - 1000, '+inf')}\n"
	"for i = 1, ARGV[1] - 1 do\n"
	"  used[i + 3] = redis.call('ZCOUNT', KEYS[1], '(' .. now - 1000 * (i + 1), now - 1000 * i)\n"
	"end\n"
	"if epoch then redis.call('PEXPIRE', KEYS[2], " EPOCH ") end\n"
	"return used\n";

static const char *const scripts[REDIS_SCRIPTS] = {
	[REDIS_SCRIPT_TAKE] = take_script,
	[REDIS_SCRIPT_RECORD] = record_script,
	[REDIS_SCRIPT_USAGE] = usage_script,
};

/* Has the server learn the script. */
static bool teach(struct redis_store *store, enum redis_script script, long long deadline)
{
	const char *words[] = {"SCRIPT", "LOAD", scripts[script]};
	redisReply *reply = redis_ask(store, 3, words, NULL, ANSWER, deadline);

	if (!reply)
		return false;
	if (reply->type == REDIS_REPLY_STRING && reply->len == 40)
		snprintf(store->digests[script], sizeof(store->digests[script]), "%s", reply->str);
	else
		redis_hang_up(store, "its answer is not valid");
	freeReplyObject(reply);
	return store->digests[script][0] != '\0';
}

redisReply *redis_run(struct redis_store *store, enum redis_script script, int count,
		      const char **words, long long deadline)
{
	redisReply *reply = NULL;

	for (int i = 0; i < 2; i++) {
		if (!store->digests[script][0] && !teach(store, script, deadline))
			return NULL;
		words[0] = "EVALSHA";
		words[1] = store->digests[script];
		reply = redis_ask(store, count, words, NULL, ANSWER, deadline);
		if (!reply || reply->type != REDIS_REPLY_ERROR)
			return reply;
		freeReplyObject(reply);
		store->digests[script][0] = '\0';
	}
	redis_hang_up(store, "it loses the scripts that are loaded");
	return NULL;
}
