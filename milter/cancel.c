#include "cancel.h"

#include "monotonic.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_WAIT   500 /* ms, before the second try; doubled for each further one */
#define LONGEST_WAIT 8000
#define SHORTEST_TRY 1000 /* ms */

/* The next moment at which the waiting party wants to hear from us, or the end if sooner. */
static long long next_progress(long long until)
{
	long long next = monotonic_now() + CANCEL_PROGRESS_INTERVAL;

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

/* Waits until the moment `until`; false if the waiting party is gone. */
static bool sleep_until(const struct cancel_request *request, long long until)
{
	long long now;

	while ((now = monotonic_now()) < until) {
		poll(NULL, 0, (int)(next_progress(until) - now));
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

/* One call. False if the waiting party is gone. */
static bool call_once(struct http *http, const struct cancel_request *request, const char *json,
		      size_t json_length, bool fresh_connection, struct http_reply *reply)
{
	const struct account *account = request->account;
	const long long now = monotonic_now(), left = request->deadline - now;
	const long long timeout = account->timeout < left ? account->timeout : left;
	struct http_request http_request = {
		.url = account->endpoint,
		.bearer = account->api_key,
		.ca_file = account->ca_file,
		.proxy = account->proxy,
		.body = json,
		.body_length = json_length,
		.timeout = timeout,
		.fresh_connection = fresh_connection,
	};
	struct http_call *call = http_begin(http, &http_request);

	*reply = (struct http_reply){.retry_after = -1};
	if (!call) {
		problem_set(&reply->failure, "no memory for the call");
		return true;
	}
	/* curl keeps the time; this end is for a thread that does not. */
	while (!http_wait(call, next_progress(now + timeout + 1000))) {
		if (!still_wanted(request)) {
			http_end(call, NULL);
			return false;
		}
		if (monotonic_now() >= now + timeout + 1000) {
			http_end(call, NULL);
			reply->timed_out = true;
			problem_set(&reply->failure, "no answer in time");
			return true;
		}
	}
	http_end(call, reply);
	return true;
}

/* The same, and counts it. */
static bool call_and_count(struct http *http, const struct cancel_request *request,
			   const char *json, size_t json_length, bool fresh_connection,
			   struct http_reply *reply)
{
	const long long begun = monotonic_now();
	const bool wanted = call_once(http, request, json, json_length, fresh_connection, reply);

	metrics_count_call(request->metrics, request->account->name,
			   reply->arrived ? reply->status : 0, reply->new_connections,
			   monotonic_now() - begun);
	return wanted;
}

static void read_reply(const struct cancel_request *request, struct cancel_result *result,
		       const struct http_reply *reply)
{
	struct problem why;

	result->answered = reply->arrived;
	result->new_connections += reply->new_connections;
	result->outcome = CANCEL_UNAVAILABLE;
	if (!reply->arrived) {
		result->needs_administrator = reply->misconfigured;
		problem_set(&result->why, "Cronofy cannot be reached: %s", reply->failure.text);
		return;
	}
	result->status = reply->status;
	result->http_version = reply->version;
	result->reply = cronofy_read_reply(
		reply->status,
		(struct span){reply->body.data ? reply->body.data : "", reply->body.length},
		request->invite_id, &result->calendar, &why);
	if (result->reply == CRONOFY_CANCELLED)
		result->outcome = CANCEL_DONE;
	else if (result->reply == CRONOFY_INVALID || result->reply == CRONOFY_UNKNOWN_INVITE)
		result->outcome = CANCEL_REFUSED;
	problem_set(&result->why, "Cronofy: %s", why.text);
	result->needs_administrator =
		result->reply == CRONOFY_BAD_KEY || result->reply == CRONOFY_NOT_ALLOWED ||
		result->reply == CRONOFY_REDIRECT || result->reply == CRONOFY_BAD_REPLY;
}

/* May the same call go better in a moment? */
static bool worth_another_try(const struct cancel_result *result, const struct http_reply *reply)
{
	if (!reply->arrived)
		return !reply->too_large && !reply->misconfigured;
	return result->reply == CRONOFY_LIMIT || result->reply == CRONOFY_OUTAGE;
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

static void make_tries(struct http *http, const struct cancel_request *request, const char *json,
		       size_t json_length, struct cancel_result *result)
{
	const long long last_start = request->deadline - least_time(request->account);
	long long wait = FIRST_WAIT;
	bool fresh_connection = false, unseen_answer = false;

	problem_set(&result->why, "no time was left to ask Cronofy");
	while (monotonic_now() <= last_start) {
		struct http_reply reply;
		long long until;
		bool again;

		result->attempts++;
		if (!call_and_count(http, request, json, json_length, fresh_connection, &reply)) {
			result->outcome = CANCEL_INTERRUPTED;
			problem_set(&result->why, "the MTA went away while Cronofy was asked");
			return;
		}
		read_reply(request, result, &reply);
		mention_earlier_try(result, unseen_answer);
		/* A connection that gave no answer may be dead, and curl would go on using it. */
		fresh_connection = reply.timed_out;
		unseen_answer |= !reply.arrived;
		until = monotonic_now() +
			(reply.retry_after >= 0 ? reply.retry_after : jittered(wait));
		if (reply.connection_died)
			until = monotonic_now();
		again = worth_another_try(result, &reply) &&
			(long long)result->attempts < request->account->attempts &&
			until <= last_start;
		buffer_free(&reply.body);
		if (!again)
			return;
		if (!sleep_until(request, until)) {
			result->outcome = CANCEL_INTERRUPTED;
			problem_set(&result->why, "the MTA went away between two tries");
			return;
		}
		if (wait < LONGEST_WAIT)
			wait *= 2;
	}
}

void cancel_invite(struct http *http, const struct cancel_request *request,
		   struct cancel_result *result)
{
	struct buffer json = buffer_with_maximum(16384);

	*result = (struct cancel_result){
		.outcome = CANCEL_UNAVAILABLE,
		.calendar = buffer_with_maximum(HTTP_REPLY_MAXIMUM),
	};
	if (cronofy_write_request(&json, request->invite_id, request->recipient))
		make_tries(http, request, json.data, json.length, result);
	else
		problem_set(&result->why, "no memory for the request");
	buffer_free(&json);
}
