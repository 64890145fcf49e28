/*
 * cancels: many cancel calls, made as the filter makes them but without mail.
 *
 *	cancels ENDPOINT CA_FILE KEY CONCURRENCY COUNT WARM
 *
 * WARM calls, one after another, are made before the time counts; then each of CONCURRENCY threads
 * makes its share of COUNT. Prints one JSON object; connections are those of the warm calls too.
 */
#include "cancel.h"
#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#define CONCURRENCY_MAXIMUM 1000
#define CALL_TIMEOUT 20000 /* ms */

struct tally {
	long connections;
	size_t http2;
	size_t http1;
	size_t failures;
	double slowest; /* s */
	struct problem failure; /* one of them */
};

struct caller {
	pthread_t thread;
	struct http *http;
	const struct account *account;
	pthread_barrier_t *all_ready;
	size_t number;
	size_t calls;
	struct tally tally;
};

static double seconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void cancel_one(struct caller *caller, const char *invite_id)
{
	const struct cancel_request request = {
		.account = caller->account,
		.invite_id = invite_id,
		.recipient = "ann@example.com",
		.deadline = clock_now() + CALL_TIMEOUT,
	};
	struct tally *tally = &caller->tally;
	const double begun = seconds(CLOCK_MONOTONIC);
	struct cancel_result result;
	double taken;

	cancel_invite(caller->http, &request, &result);
	taken = seconds(CLOCK_MONOTONIC) - begun;
	if (taken > tally->slowest)
		tally->slowest = taken;
	tally->connections += result.new_connections;
	tally->http2 += result.http_version == 20;
	tally->http1 += result.http_version == 11;
	if (result.outcome != CANCEL_DONE) {
		tally->failures++;
		tally->failure = result.why;
	}
	buffer_free(&result.calendar);
}

static void *run(void *context)
{
	struct caller *caller = context;

	pthread_barrier_wait(caller->all_ready);
	for (size_t i = 0; i < caller->calls; i++) {
		char invite_id[64];

		snprintf(invite_id, sizeof(invite_id), "invite-%zu-%zu", caller->number, i);
		cancel_one(caller, invite_id);
	}
	return NULL;
}

static void add(struct tally *sum, const struct tally *tally)
{
	sum->connections += tally->connections;
	sum->http2 += tally->http2;
	sum->http1 += tally->http1;
	if (tally->failures > 0)
		sum->failure = tally->failure;
	sum->failures += tally->failures;
	if (tally->slowest > sum->slowest)
		sum->slowest = tally->slowest;
}

/* Gives how long the calls took, the warm ones not counted; `cpu`, how much of a processor. */
static double call_all(struct caller *callers, size_t concurrency, size_t warm, double *cpu)
{
	double begun, cpu_begun;

	for (size_t i = 0; i < warm; i++)
		cancel_one(&callers[0], "invite-warm");
	callers[0].tally.slowest = 0;
	for (size_t i = 0; i < concurrency; i++)
		if (pthread_create(&callers[i].thread, NULL, run, &callers[i]) != 0)
			exit(EX_OSERR);
	cpu_begun = seconds(CLOCK_PROCESS_CPUTIME_ID);
	begun = seconds(CLOCK_MONOTONIC);
	pthread_barrier_wait(callers[0].all_ready);
	for (size_t i = 0; i < concurrency; i++)
		pthread_join(callers[i].thread, NULL);
	*cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begun;
	return seconds(CLOCK_MONOTONIC) - begun;
}

int main(int count, char **arguments)
{
	const size_t concurrency = count == 7 ? strtoul(arguments[4], NULL, 10) : 0;
	const size_t calls = count == 7 ? strtoul(arguments[5], NULL, 10) : 0;
	struct account account = {
		.endpoint = arguments[1],
		.ca_file = count == 7 ? arguments[2] : NULL,
		.api_key = count == 7 ? arguments[3] : NULL,
		.proxy = (char[]){""},
		.organizer = (char[]){""},
		.timeout = CALL_TIMEOUT,
		.deadline = CALL_TIMEOUT,
		.attempts = 1,
	};
	struct tally sum = {.failure = {.text = ""}};
	pthread_barrier_t all_ready;
	struct caller *callers;
	struct problem why;
	struct http *http;
	double taken, cpu;

	if (concurrency == 0 || concurrency > CONCURRENCY_MAXIMUM || calls < concurrency) {
		fputs("usage: cancels ENDPOINT CA_FILE KEY CONCURRENCY COUNT WARM\n", stderr);
		return EX_USAGE;
	}
	callers = calloc(concurrency, sizeof(*callers));
	http = http_start(&why);
	if (!callers || !http)
		return EX_OSERR;
	pthread_barrier_init(&all_ready, NULL, (unsigned int)concurrency + 1);
	for (size_t i = 0; i < concurrency; i++)
		callers[i] = (struct caller){
			.http = http,
			.account = &account,
			.all_ready = &all_ready,
			.number = i,
			.calls = calls / concurrency + (i < calls % concurrency),
		};
	taken = call_all(callers, concurrency, strtoul(arguments[6], NULL, 10), &cpu);
	for (size_t i = 0; i < concurrency; i++)
		add(&sum, &callers[i].tally);
	http_stop(http);
	free(callers);
	printf("{\"seconds\": %.6f, \"slowest\": %.6f, \"cpu\": %.6f, \"connections\": %ld, "
	       "\"http2\": %zu, \"http1\": %zu, \"failures\": %zu}\n",
	       taken, sum.slowest, cpu, sum.connections, sum.http2, sum.http1, sum.failures);
	if (sum.failures > 0)
		fprintf(stderr, "cancels: %s\n", sum.failure.text);
	return EX_OK;
}
