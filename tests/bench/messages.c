/*
 * messages: tagged messages, each on its whole way through the filter's own code but without an MTA.
 *
 *	messages CONFIG_FILE CONCURRENCY COUNT
 *
 * Each of CONCURRENCY threads sends its share of COUNT, one after another; a few before the time
 * counts. All differ in Message-ID and invite. Prints one JSON object.
 */
#include "message.h"
#include "clock.h"
#include "config_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define CONCURRENCY_MAXIMUM 1000

struct sender {
	pthread_t thread;
	pthread_barrier_t *all_ready;
	const struct message_services *services;
	struct config *config;
	size_t number;
	size_t count;
	double taken; /* s, all of them */
	size_t failures;
};

static double seconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool send_one(struct sender *sender, struct message *message, size_t number)
{
	static const char body[] = "The board meeting is off.\r\n";
	static const struct transaction_origin origin = {
		.daemon = "",
		.host = "",
		.login = "",
		.sender = "robot@acme.example",
		.parsed_sender = "robot@acme.example",
		.by_administrator = true,
	};
	char id[96], message_id[128];

	snprintf(id, sizeof(id), " invite-%d-%zu-%zu", (int)getpid(), sender->number, number);
	snprintf(message_id, sizeof(message_id), " <%s@acme.example>", id + 1);
	message_begin(message, sender->config, &origin);
	message_add_recipient(message, "ann@example.com", NULL);
	message_add_header(message, "From", " robot@acme.example", false);
	message_add_header(message, "Message-ID", message_id, false);
	message_add_header(message, sender->config->header, id, false);
	if (message_end_headers(message, "bench") != MESSAGE_WANTS_BODY)
		return false;
	message_add_body(message, body, sizeof(body) - 1);
	message_finish(message, NULL, NULL);
	message_report(message, true);
	return message_action(message) == ACTION_ACCEPT && message_has_new_body(message);
}

static void *run(void *context)
{
	struct sender *sender = context;
	struct message *message = message_new(sender->services);

	if (!message)
		exit(EX_OSERR);
	for (size_t i = 0; i < 3; i++)
		sender->failures += !send_one(sender, message, sender->count + i);
	pthread_barrier_wait(sender->all_ready);
	for (size_t i = 0; i < sender->count; i++) {
		const double begun = seconds(CLOCK_MONOTONIC);

		sender->failures += !send_one(sender, message, i);
		sender->taken += seconds(CLOCK_MONOTONIC) - begun;
	}
	message_free(message);
	return NULL;
}

static bool start_services(struct message_services *services, const struct config *config)
{
	const struct ledger_options options = {
		.path = config->ledger_file,
		.mode = LEDGER_STORE_CREATE,
		.keep = config->ledger_keep,
		.retry = LEDGER_RETRY,
	};
	struct problem why;

	services->http = http_start(&why);
	services->active = active_new();
	if (config->ledger_file)
		services->ledger = ledger_start(&options, &why);
	return services->http && services->active && (services->ledger || !config->ledger_file);
}

int main(int count, char **arguments)
{
	const size_t concurrency = count == 4 ? strtoul(arguments[2], NULL, 10) : 0;
	const size_t messages = count == 4 ? strtoul(arguments[3], NULL, 10) : 0;
	static struct sender senders[CONCURRENCY_MAXIMUM];
	struct buffer faults = buffer_with_maximum(10000);
	struct message_services services = {0};
	pthread_barrier_t all_ready;
	double begun, cpu, taken = 0;
	struct config *config;
	size_t failures = 0;

	if (concurrency == 0 || concurrency > CONCURRENCY_MAXIMUM || messages < concurrency) {
		fputs("usage: messages CONFIG_FILE CONCURRENCY COUNT\n", stderr);
		return EX_USAGE;
	}
	config = config_load(arguments[1], &faults);
	if (!config || !start_services(&services, config)) {
		fputs(faults.data ? faults.data : "messages: cannot start\n", stderr);
		return EX_CONFIG;
	}
	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_WARNING, LOG_FORMAT_TEXT);
	pthread_barrier_init(&all_ready, NULL, (unsigned int)concurrency + 1);
	for (size_t i = 0; i < concurrency; i++) {
		senders[i] = (struct sender){
			.all_ready = &all_ready,
			.services = &services,
			.config = config,
			.number = i,
			.count = messages / concurrency + (i < messages % concurrency),
		};
		if (pthread_create(&senders[i].thread, NULL, run, &senders[i]) != 0)
			return EX_OSERR;
	}
	pthread_barrier_wait(&all_ready);
	begun = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t i = 0; i < concurrency; i++) {
		pthread_join(senders[i].thread, NULL);
		taken += senders[i].taken;
		failures += senders[i].failures;
	}
	begun = seconds(CLOCK_MONOTONIC) - begun;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	ledger_free(services.ledger);
	http_stop(services.http);
	active_free(services.active);
	config_release(config);
	printf("{\"seconds\": %.6f, \"each\": %.6f, \"cpu\": %.6f, \"failures\": %zu}\n", begun,
	       taken / (double)messages, cpu / (double)messages, failures);
	return EX_OK;
}
