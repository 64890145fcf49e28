/* lifecycle: the running filter's signals: reload, drain and stop. */
#include "lifecycle.h"

#include "access.h"
#include "config_load.h"
#include "config_show.h"
#include "clock.h"
#include "log.h"
#include "reload_request.h"
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIBMILTER_FAILED SIGUSR2
#define STATUS_INTERVAL  5000 /* ms */
#define MOMENT           50   /* ms: how soon a second signal is heard */
#define LAST_WORDS       250  /* ms: a message is no longer active before its answer is written */
#define STOP_MARGIN      5000 /* ms on top of drain_timeout until the service manager may kill */

/* What is asked of us, and what we told about ourselves. */
struct life {
	struct server *server;
	sigset_t signals;
	long long interval; /* ms, between signs of life; 0: nobody waits for any */
	long long reported; /* active messages, as last reported; -1: another status was reported */
	bool refused;       /* the last reload was refused */
};

static void fill_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, LIBMILTER_FAILED);
}

void lifecycle_block_signals(void)
{
	sigset_t signals;

	fill_signals(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

void lifecycle_end(bool in_order)
{
	kill(getpid(), in_order ? SIGTERM : LIBMILTER_FAILED);
}

static bool is_end(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGHUP;
}

/* ---- reloading ---- */

static void say_what_needs_a_restart(const struct config *old, const struct config *new)
{
	struct buffer keys = buffer_with_maximum(1024);

	config_show_restart(old, new, &keys);
	if (keys.length > 0)
		log_write(LOG_LEVEL_WARNING, "reload: a restart is needed for %s", keys.data);
	buffer_free(&keys);
}

/*
 * Mail is queued with stamps of the old key, and with another one it would bounce. A key is made only
 * where queued mode is new, or where the old one is read still, as the previous.
 */
static bool has_stamp_key(struct config *new, const struct config *old, struct problem *why)
{
	if (!old->stamp_key)
		return config_make_stamp_key(new, why);
	if (new->stamp_key && strcmp(new->stamp_key, old->stamp_key) == 0)
		return true;
	if (new->stamp_key_previous && strcmp(new->stamp_key_previous, old->stamp_key) == 0)
		return config_make_stamp_key(new, why);
	if (new->stamp_key)
		problem_set(why,
			    "stamp_key_file: %s held another key, and queued mail is stamped with "
			    "that; put it back, or name it in stamp_key_previous_file",
			    old->stamp_key_file);
	else
		problem_set(why,
			    "stamp_key_file: %s is gone, and queued mail is stamped with its "
			    "key; put it back",
			    new->stamp_key_file);
	return false;
}

/* With a running filter nothing is lost by refusing what will not work; -n calls it a fault, too. */
static bool can_work_with(const struct config *new, struct buffer *faults)
{
	struct access_findings findings = access_findings_new();
	bool good;

	access_check_work(new, &findings);
	log_write_lines(LOG_LEVEL_WARNING, "reload: ", &findings.warnings);
	good = findings.faults.length == 0 && !findings.faults.failed;
	if (!good)
		buffer_append(faults, findings.faults.data, findings.faults.length);
	access_findings_free(&findings);
	return good;
}

static struct config *load_again(const struct config *old, struct buffer *faults)
{
	struct config *new = config_load(old->file, faults);
	struct problem why;

	if (!new)
		return NULL;
	if (!has_stamp_key(new, old, &why) || !config_make_address_key(new, &why))
		buffer_printf(faults, "%s: %s\n", new->file, why.text);
	else if (can_work_with(new, faults))
		return new;
	config_release(new);
	return NULL;
}

/* False if the old configuration stays in force. */
static bool reload(struct life *life)
{
	struct server *server = life->server;
	struct buffer faults = buffer_with_maximum((size_t)64 * 1024);
	struct config *old = server_config(server);
	struct config *new;

	service_reloading();
	new = load_again(old, &faults);
	metrics_count_reload(server->services.metrics, new != NULL);
	if (new) {
		say_what_needs_a_restart(old, new);
		server_put_in_force(server, new);
		log_write(LOG_LEVEL_INFO, "reload: %s is in force", new->file);
	} else {
		log_write_lines(LOG_LEVEL_ERROR, "reload: ", &faults);
		log_write(LOG_LEVEL_ERROR, "reload: the old configuration stays in force");
	}
	service_ready(new ? "ready; the new configuration is in force"
			  : "ready; the new configuration is faulty, the old one stays in force");
	life->reported = -1;
	life->refused = new == NULL;
	config_release(old);
	buffer_free(&faults);
	return new != NULL;
}

/* ---- running ---- */

/* While nothing changes a sign of life is enough; the status after a reload stays until then. */
static void show_life(struct life *life)
{
	const long long active = (long long)active_taken(life->server->services.active);
	char status[128];

	if (active != life->reported && (active > 0 || life->reported > 0)) {
		snprintf(status, sizeof(status), "ready; %lld %s active%s", active,
			 active == 1 ? "message" : "messages",
			 life->refused
				 ? "; the new configuration is faulty, the old one stays in force"
				 : "");
		service_status(status);
		life->reported = active;
	}
	service_alive();
}

/* The signal that came, and who sent it; 0 if none did within so many ms. */
static int wait_for_signal(const struct life *life, long long longest, siginfo_t *info)
{
	const struct timespec timeout = {
		.tv_sec = (time_t)(longest / 1000),
		.tv_nsec = (long)(longest % 1000) * 1000000,
	};
	int number = sigtimedwait(&life->signals, info, &timeout);

	return number > 0 ? number : 0;
}

/* Reloads until it is to stop. False if nobody ordered it: libmilter failed. */
static bool wait_for_stop(struct life *life)
{
	siginfo_t info;
	int number = 0;

	while (!is_end(number) && number != LIBMILTER_FAILED) {
		if (number == SIGUSR1)
			reload_reply(&info, reload(life));
		if (life->interval == 0) {
			number = sigwaitinfo(&life->signals, &info);
			continue;
		}
		show_life(life);
		number = wait_for_signal(life, life->interval, &info);
	}
	return number != LIBMILTER_FAILED;
}

/* ---- the end ---- */

/* Why we stop while messages are active; NULL if there is no reason to. */
static const char *find_impatience(const struct life *life, long long until)
{
	/* To wait for a signal is also to wait: libmilter waits for the same ones, and takes those
	 * that nobody else waits for. */
	if (is_end(wait_for_signal(life, MOMENT, NULL)))
		return "a second signal: stopping at once";
	return clock_now() >= until ? "drain_timeout is over: stopping" : NULL;
}

/* Waits until the last message is done. False if there is no time left for it, or no patience. */
static bool wait_for_messages(const struct life *life, long long until)
{
	const char *impatience = NULL;
	size_t active;

	while ((active = active_taken(life->server->services.active)) > 0 && !impatience) {
		impatience = find_impatience(life, until);
		service_alive();
	}
	if (active > 0)
		log_write(LOG_LEVEL_WARNING, "%s with %zu messages active: the MTA will retry them",
			  impatience, active);
	return active == 0;
}

/* No new messages are accepted; active ones may end. */
static void drain(struct life *life)
{
	const struct timespec last_words = {.tv_nsec = LAST_WORDS * 1000000L};
	struct server *server = life->server;
	struct config *config = server_config(server);

	service_stopping(config->drain_timeout + STOP_MARGIN);
	/* smfi_stop() would take up to five seconds. This is as good: no tagged message is begun any
	 * more, and while we still listen nobody can have put another socket at our path. */
	active_close(server->services.active);
	metrics_page_say_stopping(server->page);
	if (server->socket_path)
		unlink(server->socket_path);
	if (wait_for_messages(life, clock_now() + config->drain_timeout))
		nanosleep(&last_words, NULL);
	ledger_stop(server->services.ledger);
	config_release(config);
}

/* How often we have to show that we live, if anybody looks. */
static long long find_interval(void)
{
	const long long watchdog = service_watchdog();

	if (!service_listens())
		return 0;
	return watchdog > 0 && watchdog / 2 < STATUS_INTERVAL ? watchdog / 2 : STATUS_INTERVAL;
}

bool lifecycle_lead(struct server *server)
{
	struct life life = {.server = server, .interval = find_interval()};
	bool ordered;

	fill_signals(&life.signals);
	service_ready("ready; 0 messages active");
	ordered = wait_for_stop(&life);
	log_write(LOG_LEVEL_INFO, "stopping");
	drain(&life);
	log_write(LOG_LEVEL_INFO, "stopped");
	return ordered;
}
