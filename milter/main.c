/* main: the command line, the order in which things start, privileges. */
#include "access.h"
#include "audit.h"
#include "clock.h"
#include "command.h"
#include "config.h"
#include "config_load.h"
#include "config_value.h"
#include "digest.h"
#include "filter.h"
#include "lifecycle.h"
#include "log.h"
#include "metrics_process.h"
#include "options.h"
#include "outcome.h"
#include "postfix_check.h"
#include "server.h"
#include "show_config.h"
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "development"
#endif

/* ---- starting ---- */

/* A descriptor 0, 1 or 2 that is closed would become a socket, and log lines would go there. */
static bool open_standard_files(void)
{
	int file;

	do {
		file = open("/dev/null", O_RDWR);
	} while (file >= 0 && file <= STDERR_FILENO);
	if (file >= 0)
		close(file);
	return file >= 0;
}

static struct config *load_config(const char *path)
{
	struct buffer faults = buffer_with_maximum((size_t)64 * 1024);
	struct config *config = config_load(path, &faults);

	if (!config)
		fputs(faults.data ? faults.data : "no memory\n", stderr);
	buffer_free(&faults);
	return config;
}

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

/* Each message at work takes up to three descriptors. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* For good, and with every group of the old user gone. */
static bool drop_privileges(const struct config *config, struct problem *why)
{
	if (!config->user[0] || (geteuid() != 0 && geteuid() == config->uid))
		return true;
	if (initgroups(config->user, config->gid) == 0 && setgid(config->gid) == 0 &&
	    setuid(config->uid) == 0 && (config->uid == 0 || setuid(0) != 0))
		return true;
	problem_set(why, "cannot become user %s: %s", config->user, strerror(errno));
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

/* What messages share, and the page that shows it. */
static bool start_services(struct server *server, int page_listening, struct problem *why)
{
	struct message_services *services = &server->services;

	problem_set(why, "no memory");
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
	    !metrics_process_add(services->metrics, &server->began))
		return false;
	services->http = http_start(why);
	if (!services->http)
		return false;
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
	/* libmilter's threads do not wait for each other: the process ends with all of them. */
	_exit(lifecycle_lead(server) ? EX_OK : EX_SOFTWARE);
}

/* Takes what only root may take, and becomes the filter's user. Gives an exit code. */
static int take_privileged(struct server *server, struct config *config, int *page_listening,
			   struct problem *why)
{
	if (!filter_register(server)) {
		problem_set(why, "libmilter does not take the filter");
		return EX_SOFTWARE;
	}
	if (!open_page(config, page_listening, why) || !open_socket(config, why))
		return EX_UNAVAILABLE;
	if (!config_make_stamp_key(config, why))
		return EX_CANTCREAT;
	if (!drop_privileges(config, why))
		return EX_NOPERM;
	prctl(PR_SET_DUMPABLE, 0); /* setuid() sets it anew */
	return EX_OK;
}

/* With the log open: whether Redis is there goes to it. */
static bool share_budgets(struct server *server, const struct config *config, struct problem *why)
{
	const struct redis_store_settings settings = {
		.address = &config->redis_address,
		.password = config->redis_password,
		.prefix = config->redis_prefix,
		.secret = config->stamp_key,
	};
	struct redis_store *store;

	if (!config->redis[0])
		return true;
	problem_set(why, "no memory");
	store = redis_store_new(&settings);
	server->services.store = store;
	return store && pace_share(server->services.pace, store, why);
}

static int run(struct config *config)
{
	static struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct problem why = {.text = "no memory"};
	int page_listening, exit_code;

	/* Until we listen, what goes wrong is told on standard error, where the starter looks. */
	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_INFO, (enum log_format)config->log_format);
	prctl(PR_SET_DUMPABLE, 0); /* no core file with keys in it */
	raise_descriptor_limit();
	signal(SIGPIPE, SIG_IGN); /* a reader of the log who leaves is no reason to stop */
	signal(SIGXFSZ, SIG_IGN); /* nor is a file that may not grow: that is an error to handle */
	server.config = config;
	server.socket = socket_find(config);
	if (config->socket_path && !(server.socket_path = strdup(config->socket_path)))
		return EX_OSERR;
	exit_code = take_privileged(&server, config, &page_listening, &why);
	lifecycle_block_signals();
	if (exit_code == EX_OK && (!start_services(&server, page_listening, &why) ||
				   !start_ledger(&server, config, &why)))
		exit_code = EX_OSERR;
	if (exit_code != EX_OK) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return exit_code;
	}
	server_put_in_force(&server, config);
	if (!share_budgets(&server, config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_OSERR;
	}
	say_what_will_not_work(config);
	log_write(LOG_LEVEL_INFO, "version %s listens on %s", VERSION, config->socket);
	return serve(&server);
}

/* ---- commands ---- */

static int print(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* --outcomes: what result= can be, for people and for programs that watch it. */
static int print_outcomes(void)
{
	struct buffer table = buffer_with_maximum((size_t)64 * 1024);
	int exit_code = EX_OSERR;

	outcome_write_table(&table);
	if (!table.failed)
		exit_code = print(table.data);
	buffer_free(&table);
	return exit_code;
}

/* They are the mail server's, not ours: what is wrong there is a warning. */
static void warn_about_postfix(const struct config *config)
{
	const char *folder = getenv("MAIL_CONFIG"); /* where Postfix's own commands look, too */
	struct buffer warnings = buffer_with_maximum((size_t)64 * 1024);
	char prefix[256];

	folder = folder ? folder : "/etc/postfix";
	snprintf(prefix, sizeof(prefix), "%s: ", folder);
	postfix_check_folder(folder, config, &warnings);
	log_write_lines(LOG_LEVEL_WARNING, prefix, &warnings);
	buffer_free(&warnings);
}

/* -n, for a configuration that can be read: can the filter work with it? Ends as its user. */
static int check(const struct config *config)
{
	struct access_findings findings = access_findings_new();
	struct problem why;
	int exit_code = EX_CONFIG;

	access_check_start(config, &findings);
	if (geteuid() == 0 && !drop_privileges(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		access_findings_free(&findings);
		return EX_NOPERM;
	}
	access_check_work(config, &findings);
	log_write_lines(LOG_LEVEL_WARNING, "", &findings.warnings);
	warn_about_postfix(config);
	if (findings.faults.data) {
		fputs(findings.faults.data, stderr);
	} else {
		printf("%s: ", config->file);
		exit_code = print("no faults\n");
	}
	access_findings_free(&findings);
	return exit_code;
}

/* Of the ledger's commands, the one that is given. */
static int audit(const struct config *config, const struct options *options)
{
	const long long since = options->since ? config_value_duration(options->since) : -1;

	if (options->log_of)
		return audit_log_of(config, options->log_of, options->json);
	if (options->report)
		return audit_report(config, since, options->json);
	return audit_export(config, since);
}

/* Everything but running and what needs no configuration. Gives an exit code. */
static int command(struct config *config, const struct options *options, char **arguments,
		   int count)
{
	if (options->check)
		return check(config);
	if (options->try_message)
		return command_try(config, options->try_message,
				   options->sender ? options->sender : "", arguments, count);
	if (options->cancel_id)
		return command_cancel(config, options->cancel_id, arguments[0], options->account);
	if (options->check_key)
		return command_check_key(config, options->account);
	return audit(config, options);
}

static bool is_to_run(const struct options *options)
{
	return !options->check && !options->check_key && !options->try_message &&
	       !options->cancel_id && !options->log_of && !options->report && !options->export;
}

int main(int count, char **arguments)
{
	struct options options = {.config_file = CONFIG_FILE};
	struct config *config;
	const char *fault;
	int exit_code;

	struct problem why;

	if (!open_standard_files())
		return EX_OSERR;
	if (!digest_start(&why)) {
		fprintf(stderr, "cancel-invite-milter: %s\n", why.text);
		return EX_OSERR;
	}
	umask(0077); /* what we make is ours alone; the socket is opened up later */
	if (!options_parse(count, arguments, &options)) {
		fputs(options_usage, stderr);
		return EX_USAGE;
	}
	fault = options_fault(&options, count - optind);
	if (fault) {
		fprintf(stderr, "cancel-invite-milter: %s; see --help\n", fault);
		return EX_USAGE;
	}
	if (options.help)
		return print(options_usage);
	if (options.version)
		return print("cancel-invite-milter " VERSION "\n");
	if (options.outcomes)
		return print_outcomes();
	if (options.keys)
		return show_keys();
	if (options.show_config)
		return show_config(options.config_file);
	if (options.rewrite_message)
		return command_rewrite(options.rewrite_message, options.calendar);
	if (options.reload)
		return command_reload(options.reload);
	config = load_config(options.config_file);
	if (!config)
		return EX_CONFIG;
	if (is_to_run(&options))
		return run(config);
	exit_code = command(config, &options, arguments + optind, count - optind);
	config_release(config);
	return exit_code;
}
