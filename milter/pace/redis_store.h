/*
 * redis_store: what several filters know in common, in Redis or Valkey.
 *
 * Budgets: who called Cronofy when, so that all of them together keep its limits; by the clock of
 * the server, so that theirs need not agree. And calendars that were obtained, so that a message
 * tried again through another host finds them. No key and no password is ever stored: budgets are
 * named by a hash. Everything stored expires.
 *
 * One connection, used by one thread at a time. Every call but redis_store_connect() takes at most
 * about REDIS_TIMEOUT, plus those that wait before it; one that fails ends the connection, and from
 * then on all fail at once until redis_store_connect() was good. Safe to call from several threads.
 *
 * A server that lost what it was told (emptied, restarted behind a proxy, an older copy) or whose
 * clock was set counts as one that does not answer: the filters know what they did, and tell it anew.
 */
#ifndef REDIS_STORE_H
#define REDIS_STORE_H

#include "buffer.h"
#include "problem.h"
#include "redis_address.h"

#include <stdbool.h>
#include <stddef.h>

#define REDIS_TIMEOUT         250  /* ms, of one call */
#define REDIS_CONNECT_TIMEOUT 1000 /* ms, of connecting, TLS and login included */
#define REDIS_SECONDS         61 /* a minute, in which the limits are counted, and what is just beginning */
#define REDIS_PREFIX          "cancel-invite-milter:"

struct redis_store;

/* Can this build speak TLS with a Redis (rediss://)? */
bool redis_store_has_tls(void);

/* What to say if it is to and cannot. */
#define REDIS_WITHOUT_TLS                                                                            \
	"[redis] url: rediss:// needs a build with hiredis 1.0 or later and its hiredis_ssl, which " \
	"this is not (Debian 13 has it)"

/* Everything is copied. */
struct redis_store_settings {
	const struct redis_address *address;
	const char *password; /* for when the address holds none; NULL or "": none */
	const char *prefix;   /* goes before each key's name */
	const char *secret;   /* that all who share calendars know; NULL or "": none are shared */
};

/* Connects to nothing yet. NULL if there is no memory. */
struct redis_store *redis_store_new(const struct redis_store_settings *settings);
void redis_store_free(struct redis_store *store);

/* Connects if there is no connection. False, and why; a name server may take its time. */
bool redis_store_connect(struct redis_store *store, struct problem *why);

/* Why there is no connection, if there is none. */
void redis_store_reason(struct redis_store *store, struct problem *why);

/* ---- budgets ---- */

/* How many turns one call deals with at most. */
#define REDIS_TURNS_MAXIMUM 64

/*
 * What is in Redis is anybody's who may write there. However wrong it is, nobody waits longer than this
 * (ms) without asking again, and no second counts for more than so many turns.
 */
#define REDIS_WAIT_MAXIMUM 600000
#define REDIS_USED_MAXIMUM 1000000

/* A budget, and what is known of Redis' memory of it: the store's alone, all 0 at first. */
struct redis_budget {
	char name[65];
	long long epoch;          /* Redis' name for an unbroken memory; 0: not heard yet */
	unsigned long connection; /* through which it was heard */
};

/*
 * Takes up to `most` turns from a budget now. They are called `number` and so on, which the caller has
 * not used before; `granted` is how many they are, and if they are fewer, `wait` is after how many ms
 * to ask again. Until it is recorded, a turn counts for half a minute as if it were always just
 * happening. False: Redis did not answer; it may have given turns or, if its clock was set meanwhile,
 * may still give some: record them as unused once it is back. A command that reaches Redis too late
 * for its answer to be in time takes nothing.
 */
bool redis_store_take(struct redis_store *store, struct redis_budget *budget,
		      unsigned long long number, size_t most, long long per_second,
		      long long per_minute, size_t *granted, long long *wait);

/* A turn, taken or not, that was used `age` ms ago; -REDIS_TAKEN: it is being used, as if just taken. */
struct redis_turn {
	unsigned long long number;
	long long age;
};

#define REDIS_TAKEN 30000 /* ms, for which a turn counts until it is recorded */

/* From this `age` on a turn was never used. */
#define REDIS_UNUSED (REDIS_SECONDS * 1000LL)

/* Records when turns were really used, at most REDIS_TURNS_MAXIMUM. */
bool redis_store_record(struct redis_store *store, struct redis_budget *budget,
			const struct redis_turn *turns, size_t count);

/* Nobody gets a turn for this many ms. */
bool redis_store_pause(struct redis_store *store, const struct redis_budget *budget,
		       long long duration);

/* How many turns all filters used in each of the last seconds, the current one first. */
bool redis_store_usage(struct redis_store *store, struct redis_budget *budget,
		       long long used[REDIS_SECONDS]);

/* ---- calendars ---- */

/* A message's cancellation. */
struct redis_cancellation {
	const char *account;
	const char *invite_id;
	const char *recipient;
	const char *message_id;
};

/*
 * Keeps its calendar for `lifetime` ms, with a MAC (HMAC-SHA-256, RFC 2104) under a key made of the
 * secret. False: it was not kept.
 */
bool redis_store_keep(struct redis_store *store, const struct redis_cancellation *cancellation,
		      const char *calendar, size_t length, long long lifetime);

enum redis_found {
	REDIS_FOUND,
	REDIS_NOTHING,
	REDIS_FORGED, /* what is there was not kept by one who knows the secret, for this message */
	REDIS_UNKNOWN, /* no answer, or no memory */
};

/* Appends the calendar that was kept. */
enum redis_found redis_store_find(struct redis_store *store,
				  const struct redis_cancellation *cancellation,
				  struct buffer *calendar);

#endif
