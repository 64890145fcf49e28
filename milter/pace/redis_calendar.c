/*
 * The calendars that are shared: "1 ", the MAC and a line end, then the calendar. Whoever may write to
 * Redis cannot put a calendar of his own into a mail, nor one message's into another's.
 */
#include "redis_state.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

#define HEAD (2 + DIGEST_LENGTH + 1) /* bytes before the calendar */

/* Hashed: an id may be as long as 1,024 bytes, and whoever may list keys learns no addresses. */
static bool name_calendar(const struct redis_store *store,
			  const struct redis_cancellation *cancellation, struct redis_key *key)
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
	*key = redis_key_of(store, "calendar", name);
	return true;
}

/* What stands before the calendar of this name. */
static bool make_head(const struct redis_store *store, const struct redis_key *key,
		      struct span calendar, char head[HEAD + 1])
{
	char text[DIGEST_LENGTH + 1], mac[DIGEST_LENGTH + 1];
	const struct span fields[] = {{key->text, strlen(key->text)}, {text, DIGEST_LENGTH}};

	if (!digest_of_text(calendar, text) || !digest_with_key(store->mac_key, fields, 2, mac))
		return false;
	snprintf(head, HEAD + 1, "1 %s\n", mac);
	return true;
}

bool redis_store_keep(struct redis_store *store, const struct redis_cancellation *cancellation,
		      const char *calendar, size_t length, long long lifetime)
{
	struct buffer value = buffer_with_maximum(HEAD + length);
	char head[HEAD + 1], expiry[24];
	struct redis_key key;
	const char *words[] = {"SET", key.text, NULL, "PX", expiry};
	size_t lengths[] = {3, 0, 0, 2, 0};
	redisReply *reply = NULL;

	if (store->mac_key[0] && name_calendar(store, cancellation, &key) &&
	    make_head(store, &key, (struct span){calendar, length}, head)) {
		buffer_append(&value, head, HEAD);
		buffer_append(&value, calendar, length);
	}
	if (value.length == HEAD + length) {
		words[2] = value.data;
		lengths[1] = strlen(key.text);
		lengths[2] = value.length;
		lengths[4] = (size_t)snprintf(expiry, sizeof(expiry), "%lld",
					      lifetime > 0 ? lifetime : 1);
		pthread_mutex_lock(&store->lock);
		reply = redis_ask(store, 5, words, lengths, 1024, clock_now() + REDIS_TIMEOUT);
		pthread_mutex_unlock(&store->lock);
	}
	buffer_free(&value);
	if (reply)
		freeReplyObject(reply);
	return reply != NULL;
}

/* Takes the calendar out of what Redis gave, if it is one of ours. */
static enum redis_found unpack(const struct redis_store *store, const struct redis_key *key,
			       const redisReply *reply, struct buffer *calendar)
{
	const size_t length = reply->type == REDIS_REPLY_STRING ? (size_t)reply->len : 0;
	char head[HEAD + 1];
	struct span text;

	if (length == 0)
		return REDIS_NOTHING;
	if (length < HEAD || length - HEAD > calendar->maximum - calendar->length)
		return REDIS_FORGED;
	text = (struct span){reply->str + HEAD, length - HEAD};
	if (!make_head(store, key, text, head))
		return REDIS_UNKNOWN;
	if (memcmp(head, reply->str, 2) != 0 || !digest_is(head + 2, reply->str + 2))
		return REDIS_FORGED;
	buffer_append(calendar, text.at, text.length);
	return calendar->failed ? REDIS_UNKNOWN : REDIS_FOUND;
}

enum redis_found redis_store_find(struct redis_store *store,
				  const struct redis_cancellation *cancellation,
				  struct buffer *calendar)
{
	const size_t most = HEAD + calendar->maximum - calendar->length;
	enum redis_found found = REDIS_UNKNOWN;
	struct redis_key key;
	char last[24];
	/* One byte more than fits is enough to know, and all that a stranger can make us read. */
	const char *words[] = {"GETRANGE", key.text, "0", last};
	redisReply *reply;

	if (!store->mac_key[0] || !name_calendar(store, cancellation, &key))
		return REDIS_UNKNOWN;
	snprintf(last, sizeof(last), "%zu", most);
	pthread_mutex_lock(&store->lock);
	reply = redis_ask(store, 4, words, NULL, most + 1024, clock_now() + REDIS_TIMEOUT);
	pthread_mutex_unlock(&store->lock);
	if (!reply)
		return REDIS_UNKNOWN;
	found = unpack(store, &key, reply, calendar);
	freeReplyObject(reply);
	return found;
}
