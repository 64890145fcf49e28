/* daemon: the filter as a process: the order in which things start. */
#include "daemon.h"

#include "access.h"
#include "clock.h"
#include "config_load.h"
#include "filter.h"
#include "lifecycle.h"
#include "log.h"
#include "metrics_process.h"
#include "outcome.h"
#include "privileges.h"
#include "server.h"
#include "socket.h"
#include "threads.h"

#include <errno.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define LOG_LONGEST 2000 /* ms that the end of the process waits for who reads the log */

/* ---- starting ---- */

static bool open_socket(const struct config *config, struct problem *why)
{
	int result;

	if (!socket_clear_path(config, why))
		return false;
	errno = 0;
	/* By our umask it is closed to all others until its group is right. */
	result = smfi_setconn(config->socket) == MI_SUCCESS ? smfi_opensocket(0) : MI_FAILURE;
	if (result == MI_SUCCESS)
		return socket_open_up(config, why);
	problem_set(why, "socket %s cannot be opened%s%s", config->socket, errno ? ": " : "",
		    errno ? strerror(errno) : "");
	return false;
}

/*
 * What will not work is told, not a reason not to start: without the filter the MTA takes no mail at
 * all, with it at least the mail that needs nothing of it.
 */
static void say_what_will_not_work(const struct config *config)
{
	struct access_findings findings = access_findings_new();

	access_check_work(config, &findings);
	threads_check_limits(config, &findings.warnings);
	log_write_lines(LOG_LEVEL_WARNING, "", &findings.warnings);
	log_write_lines(LOG_LEVEL_ERROR, "", &findings.faults);
	access_findings_free(&findings);
}

/* While we may still take any port. False, and why; -1 if there is no page to be. */
static bool open_page(const struct config *config, int *listening, struct problem *why)
{
	struct problem reason;

	*listening = -1;
	if (!config->metrics_listen[0])
		return true;
	*listening = socket_listen(config->metrics_listen, &reason);
	if (*listening < 0)
		problem_set(why, "[metrics] listen = %s", reason.text);
	return *listening >= 0;
}

/* Another process may have better luck than this one. */
static void end_without_http(void *context)
{
	(void)context;
	log_write(LOG_LEVEL_ERROR,
		  "HTTP calls have failed for good, for lack of memory or random numbers: the "
		  "filter exits, and the service manager restarts it");
	lifecycle_end(false);
}

/* What messages share, and the page that shows it. */
static bool start_services(struct server *server, int page_listening, struct problem *why)
{
	struct message_services *services = &server->services;

	server->began = (long long)time(NULL);
	clock_watch_start(&server->clock, CLOCK_SETTLING, CLOCK_SETTLING_AGAIN);
	services->clock = &server->clock;
	services->active = active_new();
	services->pace = pace_new();
	services->breakers = breakers_new();
	services->metrics = metrics_new(VERSION, outcome_word, OUTCOME_COUNT);
	if (!services->active || !services->pace || !services->breakers || !services->metrics ||
	    !metrics_add_source(services->metrics, active_write_metrics, services->active) ||
	    !metrics_add_source(services->metrics, pace_write_metrics, services->pace) ||
	    !metrics_add_source(services->metrics, breakers_write_metrics, services->breakers) ||
	    !metrics_add_source(services->metrics, threads_write_metrics, NULL) ||
	    !metrics_process_add(services->metrics, &server->began)) {
		problem_set(why, "no memory");
		return false;
	}
	services->http = http_start(why);
	if (!services->http)
		return false;
	http_watch(services->http, end_without_http, NULL);
	if (page_listening >= 0)
		server->page = metrics_page_start(page_listening, services->metrics, why);
	return page_listening < 0 || server->page;
}

static bool start_ledger(struct server *server, const struct config *config, struct problem *why)
{
	const struct ledger_options options = {
		.path = config->ledger_file,
		.mode = LEDGER_STORE_CREATE,
		.keep = config->ledger_keep,
		.retry = LEDGER_RETRY,
		.clock = server->services.clock,
		.address_key = config->ledger_addresses == REDACT_HASH ? config->address_key : NULL,
	};

	if (!config->ledger_file)
		return true;
	server->services.ledger = ledger_start(&options, why);
	return server->services.ledger &&
	       metrics_add_source(server->services.metrics, ledger_write_metrics,
				  server->services.ledger);
}

/* ---- running ---- */

/* libmilter runs on a thread of its own; signals are the main thread's. */
static void *run_libmilter(void *context)
{
	const bool in_order = smfi_main() == MI_SUCCESS;

	(void)context;
	if (!in_order)
		log_write(LOG_LEVEL_ERROR, "libmilter ended with an error");
	lifecycle_end(in_order);
	return NULL;
}

static int serve(struct server *server)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, run_libmilter, NULL);

	if (result != 0) {
		log_write(LOG_LEVEL_ERROR, "no thread for libmilter: %s", strerror(result));
		return EX_OSERR;
	}
	pthread_detach(thread);
	result = lifecycle_lead(server) ? EX_OK : EX_SOFTWARE;
	log_flush(LOG_LONGEST);
	/* libmilter's threads do not wait for each other: the process ends with all of them. */
	_exit(result);
}

/* Takes what only root may take, and becomes the filter's user. Gives an exit code. */
static int take_privileged(struct server *server, struct config *config, int *page_listening,
			   struct problem *why)
{
	if (!filter_register(server)) {
		problem_set(why, "libmilter refused to register the filter");
		return EX_SOFTWARE;
	}
	if (!open_page(config, page_listening, why) || !open_socket(config, why))
		return EX_UNAVAILABLE;
	if (!config_make_stamp_key(config, why) || !config_make_address_key(config, why))
		return EX_CANTCREAT;
	if (!privileges_drop(config, why))
		return EX_NOPERM;
	privileges_forbid_core_files(); /* setuid() allowed them again */
	return EX_OK;
}

/* With the log open: whether Redis is there goes to it. */
static bool share_budgets(struct server *server, const struct config *config, struct problem *why)
{
	const struct redis_store_settings settings = {
		.address = &config->redis_address,
		.password = config->redis_password,
		.prefix = config->redis_prefix,
		.secret = config->redis_secret ? config->redis_secret : config->stamp_key,
	};
	struct redis_store *store;

	if (!config->redis[0])
		return true;
	if (config->redis_address.tls && !redis_store_has_tls()) {
		problem_set(why, REDIS_WITHOUT_TLS);
		return false;
	}
	store = redis_store_new(&settings);
	server->services.store = store;
	if (store)
		return pace_share(server->services.pace, store, why);
	problem_set(why, "no memory");
	return false;
}

static int run(struct config *config)
{
	static struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct problem why = {.text = "no memory"};
	int page_listening, exit_code;

	/* Until we listen, what goes wrong is told on standard error, where the starter looks. */
	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_INFO, (enum log_format)config->log_format);
	privileges_forbid_core_files();
	privileges_raise_file_limit();
	signal(SIGPIPE, SIG_IGN); /* a reader of the log who leaves is no reason to stop */
	signal(SIGXFSZ, SIG_IGN); /* nor is a file that may not grow: that is an error to handle */
	server.config = config;
	server.socket = socket_find(config);
	if (config->socket_path && !(server.socket_path = strdup(config->socket_path)))
		return EX_OSERR;
	exit_code = take_privileged(&server, config, &page_listening, &why);
	lifecycle_block_signals();
	if (exit_code == EX_OK && (!threads_start(filter_is_libmilter) || !log_start() ||
				   !start_services(&server, page_listening, &why) ||
				   !start_ledger(&server, config, &why)))
		exit_code = EX_OSERR;
	if (exit_code != EX_OK) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return exit_code;
	}
	if (config->log == LOG_TO_SYSLOG && !log_syslog_listens())
		log_write(LOG_LEVEL_WARNING,
			  "log = syslog, but no syslog daemon listens at /dev/log: nothing will be "
			  "logged; start one, or set log = stderr");
	server_put_in_force(&server, config);
	if (!share_budgets(&server, config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_OSERR;
	}
	say_what_will_not_work(config);
	log_write(LOG_LEVEL_INFO, "version %s listens on %s", VERSION, config->socket);
	return serve(&server);
}

int daemon_run(struct config *config)
{
	const int exit_code = run(config);

	log_flush(LOG_LONGEST);
	return exit_code;
}
