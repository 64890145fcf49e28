/* cancellation_ledger: the calendars of a cancellation in this host's ledger, and in the shared one. */
#include "cancellation.h"

#include "clock.h"

#include <poll.h>
#include <string.h>

#define TAKEN_PAUSE  200  /* ms between two looks at whether the other try is done */
#define LEASE_MARGIN 5000 /* ms that a call may take beyond its deadline, with its calendar kept */

/* A Message-ID that was cut could be another message's. */
static const char *whole_message_id(const struct cancellation *cancellation)
{
	const struct headers *headers = &cancellation->transaction->headers;
	const bool whole = strlen(headers->message_id) + 1 < sizeof(headers->message_id);

	return whole ? headers->message_id : "";
}

static struct ledger_key key_of(const struct cancellation *cancellation)
{
	return (struct ledger_key){
		.account = cancellation->request->account->name,
		.invite_id = cancellation->request->tag.id,
		.recipient = cancellation->request->recipient,
		.message_id = whole_message_id(cancellation),
	};
}

static void renew(struct buffer *calendar)
{
	buffer_free(calendar);
	*calendar = buffer_with_maximum(HTTP_REPLY_MAXIMUM);
}

typedef enum ledger_found finder(struct ledger *ledger, const struct ledger_key *key,
				 struct buffer *calendar);

static enum ledger_found find(struct cancellation *cancellation, finder *find_in)
{
	struct ledger *ledger = cancellation->services->ledger;
	struct buffer *calendar = &cancellation->result.calendar;
	const struct ledger_key key = key_of(cancellation);
	enum ledger_found found;

	if (!ledger)
		return LEDGER_NOTHING;
	renew(calendar);
	found = find_in(ledger, &key, calendar);
	if (found != LEDGER_FOUND)
		buffer_free(calendar);
	cancellation->in_doubt |= found == LEDGER_DAMAGED; /* there was one: it is cancelled */
	return found;
}

/* ---- what another host may have obtained ---- */

static bool is_shared(const struct cancellation *cancellation)
{
	return cancellation->transaction->config->ledger_shared && cancellation->services->store &&
	       whole_message_id(cancellation)[0];
}

static struct redis_cancellation shared_key_of(const struct cancellation *cancellation)
{
	return (struct redis_cancellation){
		.account = cancellation->request->account->name,
		.invite_id = cancellation->request->tag.id,
		.recipient = cancellation->request->recipient,
		.message_id = cancellation->transaction->headers.message_id,
	};
}

static bool find_shared(struct cancellation *cancellation)
{
	const struct redis_cancellation key = shared_key_of(cancellation);
	struct buffer *calendar = &cancellation->result.calendar;
	enum redis_found found;

	if (!is_shared(cancellation))
		return false;
	renew(calendar);
	found = redis_store_find(cancellation->services->store, &key, calendar);
	if (found == REDIS_FOUND)
		return true;
	if (found == REDIS_FORGED)
		log_write(LOG_LEVEL_ERROR,
			  "ledger: the calendar in Redis for invite %.100s has no valid signature "
			  "and is not used: somebody else wrote it to Redis, or the filters do not "
			  "have the same secret",
			  key.invite_id);
	buffer_free(calendar);
	return false;
}

/* That Redis is away is the pace's to say; the ledger has it in any case. */
static void keep_shared(const struct cancellation *cancellation)
{
	const struct redis_cancellation key = shared_key_of(cancellation);
	const struct buffer *text = &cancellation->result.calendar;

	if (is_shared(cancellation))
		redis_store_keep(cancellation->services->store, &key, text->data, text->length,
				 cancellation->transaction->config->ledger_keep);
}

/* ---- the call ---- */

static enum cancellation_step refuse_without_ledger(struct verdict *why)
{
	verdict_refuse(why, OUTCOME_NO_LEDGER,
		       "the ledger cannot be used, so nothing was cancelled; try again later");
	return CANCELLATION_REFUSED;
}

static enum cancellation_step find_same(struct cancellation *cancellation, struct verdict *why)
{
	const enum ledger_found found = find(cancellation, ledger_find_same);

	if (found == LEDGER_FOUND || find_shared(cancellation))
		return CANCELLATION_KEPT;
	if (found == LEDGER_FAILED && cancellation->transaction->config->ledger_required)
		return refuse_without_ledger(why);
	return CANCELLATION_CALL;
}

/* False if the MTA is gone. */
static bool sleep_a_while(const struct cancel_request *ask, long long *next_progress)
{
	poll(NULL, 0, TAKEN_PAUSE);
	if (clock_now() < *next_progress)
		return true;
	*next_progress = clock_now() + CANCEL_PROGRESS_INTERVAL;
	return !ask->progress || ask->progress(ask->context);
}

static enum ledger_begun begin_call(struct cancellation *cancellation, long long longest)
{
	const struct ledger_key key = key_of(cancellation);
	const enum ledger_begun begun = ledger_begin_call(cancellation->services->ledger, &key,
							  longest, &cancellation->call);

	cancellation->in_doubt |= cancellation->call.in_doubt;
	return begun;
}

/* Another try of the message may be in its call: waits for that, as long as there is time. */
static enum cancellation_step begin(struct cancellation *cancellation, struct verdict *why)
{
	const struct cancel_request *ask = &cancellation->ask;
	long long next_progress = clock_now() + CANCEL_PROGRESS_INTERVAL, left;
	enum cancellation_step step = CANCELLATION_CALL;

	while (step == CANCELLATION_CALL && (left = ask->deadline - clock_now()) > 0) {
		switch (begin_call(cancellation, left + LEASE_MARGIN)) {
		case LEDGER_BEGUN:
			return CANCELLATION_CALL;
		case LEDGER_NOT_BEGUN:
			return cancellation->transaction->config->ledger_required
				       ? refuse_without_ledger(why)
				       : CANCELLATION_CALL;
		case LEDGER_TAKEN:
			break;
		}
		if (!sleep_a_while(ask, &next_progress))
			break;
		step = find_same(cancellation, why);
	}
	if (step != CANCELLATION_CALL)
		return step;
	verdict_refuse(why, OUTCOME_IN_PROGRESS,
		       "another delivery attempt of this message is calling Cronofy; try again "
		       "later");
	return CANCELLATION_REFUSED;
}

enum cancellation_step cancellation_begin(struct cancellation *cancellation, struct verdict *why)
{
	const enum cancellation_step step = find_same(cancellation, why);

	return step == CANCELLATION_CALL && cancellation->services->ledger
		       ? begin(cancellation, why)
		       : step;
}

void cancellation_end(struct cancellation *cancellation)
{
	const struct ledger_key key = key_of(cancellation);
	const bool in_doubt = cancellation->result.in_doubt;

	if (cancellation->services->ledger)
		ledger_end_call(cancellation->services->ledger, &key, &cancellation->call,
				!in_doubt);
	cancellation->in_doubt |= in_doubt;
}

/* ---- the calendar ---- */

enum ledger_found cancellation_find_latest(struct cancellation *cancellation)
{
	return find(cancellation, ledger_find_latest);
}

bool cancellation_keep(struct cancellation *cancellation, struct verdict *why)
{
	struct ledger *ledger = cancellation->services->ledger;
	const struct ledger_key key = key_of(cancellation);
	struct problem problem;

	keep_shared(cancellation);
	if (!ledger ||
	    ledger_keep(ledger, &key, buffer_span(&cancellation->result.calendar), &problem))
		return true;
	cancellation->result.in_doubt = true; /* for the next try: cancelled, and nothing kept */
	cancellation_end(cancellation);
	return !cancellation->transaction->config->ledger_required ||
	       verdict_refuse(why, OUTCOME_NO_LEDGER,
			      "the calendar could not be kept: %s; try again later", problem.text);
}

long long cancellation_count_bad_calendars(const struct cancellation *cancellation)
{
	const struct ledger_key key = key_of(cancellation);

	if (!cancellation->services->ledger)
		return 0;
	return ledger_count_same(cancellation->services->ledger, &key,
				 outcome_word(OUTCOME_BAD_CALENDAR));
}
