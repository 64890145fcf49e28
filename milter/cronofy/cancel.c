/* cancel: the tries for one message, and what comes between them. */
#include "cancel.h"

#include "clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_WAIT   500 /* ms, before the second try; doubled for each further one */
#define LONGEST_WAIT 8000
#define SHORTEST_TRY 1000 /* ms */

/* The tries for one message. */
struct tries {
	const struct cancel_request *request;
	struct cancel_result *result;
	struct http *http;
	struct http_request http_request; /* what is said in each of them */
	long long most;                   /* tries */
	long long last_start;             /* the moment after which no try is begun */
	long long wait;                   /* ms, before the next one */
	bool alone;                       /* is the next one to be */
	bool had_free_retry;
	bool unseen_answer; /* a try may have cancelled the invite without our knowing */
	bool unwanted;      /* the waiting party is gone */
};

/* The next moment at which the waiting party wants to hear from us, or the end if sooner. */
static long long next_progress(long long until)
{
	long long next = clock_now() + CANCEL_PROGRESS_INTERVAL;

	return next < until ? next : until;
}

static bool still_wanted(const struct cancel_request *request)
{
	return !request->progress || request->progress(request->context);
}

/* Between half of it and one and a half: clients that failed together do not come back together. */
static long long jittered(long long wait)
{
	unsigned int random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		return wait;
	return wait / 2 + (long long)random % (wait + 1);
}

/* Waits until the moment `until`, or until it is known that a further try is of no use. */
static bool sleep_until(const struct cancel_request *request, long long until)
{
	long long now;

	while ((now = clock_now()) < until) {
		const long long next = next_progress(until);

		if (!request->breakers)
			poll(NULL, 0, (int)(next - now));
		else if (breaker_sleep(request->breakers, request->account, next))
			return true;
		if (!still_wanted(request))
			return false;
	}
	return true;
}

/*
 * The least time that a try is begun with. An answer that comes when nobody waits for it any more
 * would be an invite that was cancelled for nothing.
 */
static long long least_time(const struct account *account)
{
	long long least = account->deadline / 4;

	if (account->timeout < least)
		least = account->timeout;
	return least < SHORTEST_TRY ? least : SHORTEST_TRY;
}

/*
 * Afterwards there is a reply, or a reason why there is none. A call continues when the MTA is gone: it
 * may have cancelled the invite already, and without its answer there would be no calendar for the
 * next try of the same message.
 */
static void call_once(struct tries *tries, struct http_reply *reply)
{
	const struct cancel_request *request = tries->request;
	const struct account *account = request->account;
	const long long now = clock_now(), left = request->deadline - now;
	const long long timeout = account->timeout < left ? account->timeout : left;
	struct http_call *call;

	tries->http_request.timeout = timeout;
	tries->http_request.alone = tries->alone;
	call = http_begin(tries->http, &tries->http_request);
	*reply = (struct http_reply){.ended = now, .retry_after = -1};
	if (!call) {
		reply->failed_here = true;
		problem_set(&reply->failure, "no memory");
		return;
	}
	/* curl keeps the time; this end is for a thread that does not. */
	while (!http_wait(call, next_progress(now + timeout + 1000))) {
		tries->unwanted = tries->unwanted || !still_wanted(request);
		if (clock_now() >= now + timeout + 1000) {
			http_end(call, NULL);
			reply->ended = clock_now();
			reply->timed_out = true;
			problem_set(&reply->failure, "no answer in time");
			return;
		}
	}
	http_end(call, reply);
}

/* The answer of a reply that is whole, or why there is none. */
static enum cronofy_answer read_answer(const struct cancel_request *request,
				       struct cancel_result *result, const struct http_reply *reply,
				       struct problem *why)
{
	enum cronofy_answer answer = CRONOFY_NO_ANSWER;

	if (reply->arrived)
		return cronofy_read_reply(
			reply->status,
			(struct span){reply->body.data ? reply->body.data : "", reply->body.length},
			request->invite_id, &result->calendar, why);
	if (reply->failed_here)
		answer = CRONOFY_NOT_READ;
	else if (reply->misconfigured)
		answer = CRONOFY_MISCONFIGURED;
	else if (reply->too_large)
		answer = CRONOFY_NO_CALENDAR; /* and cancelled, most likely */
	problem_set(why, "%s: %s", cronofy_meaning(answer)->text, reply->failure.text);
	return answer;
}

static void read_reply(const struct cancel_request *request, struct cancel_result *result,
		       const struct http_reply *reply)
{
	struct problem why = {.text = ""};

	result->new_connections += reply->new_connections;
	result->status = reply->arrived ? reply->status : 0;
	if (reply->arrived)
		result->http_version = reply->version;
	result->answer = read_answer(request, result, reply, &why);
	result->outcome = cronofy_meaning(result->answer)->outcome;
	if (result->outcome != CANCEL_DONE)
		problem_set(&result->why, "%s%s",
			    result->outcome == CANCEL_FAILED ? "" : "Cronofy: ", why.text);
}

/*
 * A refusal after a try whose answer we never saw may be about an invite that this very try
 * cancelled; the sender should know.
 */
static void mention_earlier_try(struct cancel_result *result, bool unseen_answer)
{
	struct problem first = result->why;

	if (result->outcome == CANCEL_REFUSED && unseen_answer)
		problem_set(&result->why,
			    "%.600s (an earlier try got no answer and may have cancelled it)",
			    first.text);
}

/*
 * A connection that died while it was idle says nothing about Cronofy, and the call need not wait.
 * Once a message: what dies again and again is an outage like any other.
 */
static bool retry_is_free(const struct tries *tries, const struct http_reply *reply)
{
	return reply->connection_died && !tries->had_free_retry;
}

/* What the call says about the data center. */
static enum breaker_sign sign_of(const struct tries *tries, const struct http_reply *reply)
{
	return retry_is_free(tries, reply) ? BREAKER_UNKNOWN
					   : cronofy_meaning(tries->result->answer)->sign;
}

static bool interrupted(struct cancel_result *result, const char *when)
{
	result->outcome = CANCEL_INTERRUPTED;
	problem_set(&result->why, "the MTA closed the connection while %s", when);
	return false;
}

/* One who waits for a turn: does it still want to? */
static bool go_on(void *context)
{
	const struct cancel_request *request = context;
	struct problem why;

	return !(request->breakers && breaker_is_open(request->breakers, request->account, &why)) &&
	       still_wanted(request);
}

/* The data center is left alone for a while. */
static bool is_left_alone(const struct tries *tries)
{
	const struct cancel_request *request = tries->request;
	struct cancel_result *result = tries->result;

	if (!request->breakers ||
	    !breaker_is_open(request->breakers, request->account, &result->why))
		return false;
	result->outcome = CANCEL_UNAVAILABLE;
	return true;
}

/* Waits for a turn and leave to call. False if there is none, and the result says why. */
static bool may_call(struct tries *tries, struct pace_turn *turn, enum breaker_answer *leave)
{
	const struct cancel_request *request = tries->request;
	const struct pace_wait wait = {tries->last_start, CANCEL_PROGRESS_INTERVAL, go_on,
				       (void *)request};
	struct cancel_result *result = tries->result;
	enum pace_answer answer = PACE_GO;
	struct problem why = {.text = ""};

	if (is_left_alone(tries))
		return false;
	if (request->pace) {
		answer = pace_take(request->pace, request->account, &wait, turn, &why);
		result->waited += turn->waited;
	}
	if (answer == PACE_TOO_LATE && result->attempts == 0) {
		result->outcome = CANCEL_NO_TURN;
		result->why = why;
	}
	if (answer == PACE_GIVEN_UP && !is_left_alone(tries))
		interrupted(result, "waiting for a turn to call Cronofy");
	if (answer != PACE_GO)
		return false;
	*leave = BREAKER_CALL;
	if (request->breakers)
		*leave = breaker_ask(request->breakers, request->account, &why);
	if (*leave != BREAKER_OPEN)
		return true;
	if (request->pace)
		pace_return(turn);
	result->outcome = CANCEL_UNAVAILABLE;
	result->why = why;
	return false;
}

/* Tells those who keep the books what became of a call. */
static void report(const struct tries *tries, struct pace_turn *turn, enum breaker_answer leave,
		   enum breaker_sign sign, const struct http_reply *reply, long long ms)
{
	const struct cancel_request *request = tries->request;

	metrics_count_call(request->metrics, request->account->name,
			   reply->arrived ? reply->status : 0, reply->new_connections, ms);
	if (request->pace)
		pace_done(turn, reply->ended, tries->result->answer == CRONOFY_LIMIT,
			  reply->retry_after);
	if (request->breakers && breaker_report(request->breakers, request->account, leave, sign) &&
	    request->pace)
		pace_wake(request->pace);
}

/* One try. False if it was the last; else `until` is when the next one should be. */
static bool make_try(struct tries *tries, long long *until)
{
	const struct cancel_request *request = tries->request;
	struct cancel_result *result = tries->result;
	struct pace_turn turn = {0};
	enum breaker_answer leave;
	struct http_reply reply;
	long long begun, took;
	bool again;

	if (!may_call(tries, &turn, &leave))
		return false;
	result->attempts++;
	begun = clock_now();
	call_once(tries, &reply);
	took = clock_now() - begun;
	read_reply(request, result, &reply);
	report(tries, &turn, leave, sign_of(tries, &reply), &reply, took);
	mention_earlier_try(result, tries->unseen_answer);
	tries->unseen_answer |= !reply.arrived;
	result->in_doubt |= cronofy_meaning(result->answer)->may_have_cancelled && !reply.unsent &&
			    !reply.failed_here;
	*until = clock_now() + (reply.retry_after >= 0 ? reply.retry_after : jittered(tries->wait));
	tries->alone = retry_is_free(tries, &reply);
	if (tries->alone) {
		tries->had_free_retry = true;
		tries->most++;
		*until = clock_now();
	}
	again = cronofy_meaning(result->answer)->try_again &&
		(long long)result->attempts < tries->most && *until <= tries->last_start;
	buffer_free(&reply.body);
	if (again && tries->unwanted)
		return interrupted(result, "waiting for Cronofy");
	return again;
}

static void make_tries(struct tries *tries)
{
	struct cancel_result *result = tries->result;
	long long until;

	problem_set(&result->why, "no time was left to call Cronofy");
	while (clock_now() <= tries->last_start && make_try(tries, &until)) {
		if (!sleep_until(tries->request, until)) {
			interrupted(result, "waiting for the next try");
			return;
		}
		if (tries->wait < LONGEST_WAIT)
			tries->wait *= 2;
	}
}

static struct tries tries_new(struct http *http, const struct cancel_request *request,
			      struct cancel_result *result)
{
	const struct account *account = request->account;

	*result = (struct cancel_result){
		.outcome = CANCEL_UNAVAILABLE,
		.calendar = buffer_with_maximum(HTTP_REPLY_MAXIMUM),
	};
	return (struct tries){
		.request = request,
		.result = result,
		.http = http,
		.http_request =
			{
				.url = account->endpoint,
				.bearer = account->api_key,
				.ca_file = account->ca_file,
				.proxy = account->proxy,
			},
		.most = account->attempts,
		.last_start = request->deadline - least_time(account),
		.wait = FIRST_WAIT,
	};
}

void cancel_invite(struct http *http, const struct cancel_request *request,
		   struct cancel_result *result)
{
	struct tries tries = tries_new(http, request, result);
	struct buffer json = buffer_with_maximum(16384);

	if (cronofy_write_request(&json, request->invite_id, request->recipient)) {
		tries.http_request.body = json.data;
		tries.http_request.body_length = json.length;
		make_tries(&tries);
	} else {
		result->answer = CRONOFY_NOT_READ;
		result->outcome = CANCEL_FAILED;
		problem_set(&result->why, "no memory for the request");
	}
	buffer_free(&json);
}

void cancel_ask_status(struct http *http, const struct cancel_request *request,
		       struct cancel_result *result)
{
	struct tries tries = tries_new(http, request, result);
	const struct http_parameter query[] = {
		{"recipient_email", request->recipient},
		{"smart_invite_id", request->invite_id},
		{"include_ics", "true"},
		{NULL, NULL},
	};

	tries.http_request.query = query;
	tries.most = 1;
	tries.had_free_retry = true;
	make_tries(&tries);
}
