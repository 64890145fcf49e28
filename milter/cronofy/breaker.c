/* breaker: one for each account, endpoint and proxy that was asked. */
#include "breaker.h"

#include "log.h"
#include "clock.h"
#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BREAKERS_SHOWN 256

/* One account's way to its data center. They are as few as the configuration's, and stay. */
struct breaker {
	struct breaker *next;
	char *account;
	char *endpoint;
	char *proxy; /* a dead one is no fault of the endpoint's other ways */
	char host[256];
	long long failures; /* in a row */
	bool open;
	long long asked_again; /* the moment from which on a probe may go */
	bool probing;
};

struct breakers {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	struct breaker *first;
};

struct breakers *breakers_new(void)
{
	struct breakers *breakers = calloc(1, sizeof(*breakers));

	if (!breakers)
		return NULL;
	pthread_mutex_init(&breakers->lock, NULL);
	clock_condition_init(&breakers->opened);
	return breakers;
}

static void free_breaker(struct breaker *breaker)
{
	free(breaker->account);
	free(breaker->endpoint);
	free(breaker->proxy);
	free(breaker);
}

void breakers_free(struct breakers *breakers)
{
	struct breaker *next;

	if (!breakers)
		return;
	for (struct breaker *breaker = breakers->first; breaker; breaker = next) {
		next = breaker->next;
		free_breaker(breaker);
	}
	pthread_cond_destroy(&breakers->opened);
	pthread_mutex_destroy(&breakers->lock);
	free(breakers);
}

static struct breaker *new_breaker(const struct account *account)
{
	struct breaker *breaker = calloc(1, sizeof(*breaker));
	const char *host = strstr(account->endpoint, "://");

	if (!breaker)
		return NULL;
	breaker->account = strdup(account->name);
	breaker->endpoint = strdup(account->endpoint);
	breaker->proxy = strdup(account->proxy);
	if (!breaker->account || !breaker->endpoint || !breaker->proxy) {
		free_breaker(breaker);
		return NULL;
	}
	host = host ? host + 3 : account->endpoint;
	snprintf(breaker->host, sizeof(breaker->host), "%.*s", (int)strcspn(host, "/"), host);
	return breaker;
}

/* NULL if there is no memory: such a one is never open. With the lock held. */
static struct breaker *find(struct breakers *breakers, const struct account *account)
{
	struct breaker *breaker = breakers->first;

	while (breaker && (strcmp(breaker->account, account->name) != 0 ||
			   strcmp(breaker->endpoint, account->endpoint) != 0 ||
			   strcmp(breaker->proxy, account->proxy) != 0))
		breaker = breaker->next;
	if (breaker)
		return breaker;
	breaker = new_breaker(account);
	if (breaker) {
		breaker->next = breakers->first;
		breakers->first = breaker;
	}
	return breaker;
}

/* With the lock held. */
static bool refuses(const struct breaker *breaker, struct problem *why)
{
	char time[CLOCK_SHOWN];

	if (!breaker || !breaker->open ||
	    (!breaker->probing && clock_now() >= breaker->asked_again))
		return false;
	if (breaker->probing)
		problem_set(why, "Cronofy (%s) has not answered %lld times; a call is in progress",
			    breaker->host, breaker->failures);
	else
		problem_set(why, "Cronofy (%s) has not answered %lld times; the next call is at %s",
			    breaker->host, breaker->failures,
			    clock_show(breaker->asked_again, time));
	return true;
}

enum breaker_answer breaker_ask(struct breakers *breakers, const struct account *account,
				struct problem *why)
{
	enum breaker_answer answer = BREAKER_CALL;
	struct breaker *breaker;

	pthread_mutex_lock(&breakers->lock);
	breaker = find(breakers, account);
	if (refuses(breaker, why)) {
		answer = BREAKER_OPEN;
	} else if (breaker && breaker->open) {
		breaker->probing = true;
		answer = BREAKER_PROBE;
	}
	pthread_mutex_unlock(&breakers->lock);
	return answer;
}

/* One failure more. True if that opens it. With the lock held. */
static bool count_failure(struct breaker *breaker, const struct account *account, bool probe)
{
	const bool opens = !breaker->open && ++breaker->failures >= account->breaker_failures;
	char time[CLOCK_SHOWN];

	/* Calls that were under way when it opened tell nothing new. */
	if (breaker->open && probe)
		breaker->failures++;
	if (opens || (breaker->open && probe))
		breaker->asked_again = clock_now() + account->breaker_pause;
	if (opens) {
		breaker->open = true;
		log_write(LOG_LEVEL_WARNING,
			  "breaker: account %s: %s has not answered %lld times in a row: messages "
			  "are deferred (451) until it does; the next call is at %s",
			  breaker->account, breaker->host, breaker->failures,
			  clock_show(breaker->asked_again, time));
	}
	return opens;
}

bool breaker_report(struct breakers *breakers, const struct account *account,
		    enum breaker_answer answer, enum breaker_sign sign)
{
	struct breaker *breaker;
	bool opened = false;

	pthread_mutex_lock(&breakers->lock);
	breaker = find(breakers, account);
	if (breaker && answer == BREAKER_PROBE)
		breaker->probing = false;
	if (breaker && sign == BREAKER_AWAY) {
		opened = count_failure(breaker, account, answer == BREAKER_PROBE);
	} else if (breaker && sign == BREAKER_ALIVE) {
		if (breaker->open)
			log_write(LOG_LEVEL_INFO, "breaker: account %s: %s answers again",
				  breaker->account, breaker->host);
		breaker->open = false;
		breaker->failures = 0;
	}
	if (opened)
		pthread_cond_broadcast(&breakers->opened);
	pthread_mutex_unlock(&breakers->lock);
	return opened;
}

bool breaker_is_open(struct breakers *breakers, const struct account *account, struct problem *why)
{
	bool open;

	pthread_mutex_lock(&breakers->lock);
	open = refuses(find(breakers, account), why);
	pthread_mutex_unlock(&breakers->lock);
	return open;
}

bool breaker_sleep(struct breakers *breakers, const struct account *account, long long until)
{
	struct problem why;
	bool open;

	pthread_mutex_lock(&breakers->lock);
	while (!(open = refuses(find(breakers, account), &why)) && clock_now() < until)
		clock_wait(&breakers->opened, &breakers->lock, until);
	pthread_mutex_unlock(&breakers->lock);
	return open;
}

size_t breakers_look(struct breakers *breakers, struct breaker_view *views, size_t most)
{
	size_t count = 0;

	pthread_mutex_lock(&breakers->lock);
	for (struct breaker *breaker = breakers->first; breaker; breaker = breaker->next, count++)
		if (count < most)
			views[count] = (struct breaker_view){breaker->account, breaker->endpoint,
							     breaker->open, breaker->failures,
							     breaker->asked_again};
	pthread_mutex_unlock(&breakers->lock);
	return count;
}

void breakers_write_metrics(void *breakers, struct buffer *page)
{
	static const char name[] = "cancel_invite_breaker_open";
	struct breaker_view views[BREAKERS_SHOWN];
	size_t count = breakers_look(breakers, views, BREAKERS_SHOWN);

	metrics_write_head(page, name, METRICS_GAUGE,
			   "1 while a data center is not called because it did not answer.");
	for (size_t i = 0; i < count && i < BREAKERS_SHOWN; i++) {
		const struct metrics_label labels[] = {{"account", views[i].account},
						       {"endpoint", views[i].endpoint}};

		metrics_write_sample(page, name, labels, 2, views[i].open);
	}
}
