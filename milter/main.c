/* main: options, the order in which things start and stop, privileges, signals. */
#include "command.h"
#include "config.h"
#include "filter.h"
#include "log.h"
#include "metrics_process.h"
#include "monotonic.h"
#include "server.h"
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

static const char usage[] =
	"usage: cancel-invite-milter [-c FILE]                run, in the foreground\n"
	"       cancel-invite-milter -n [-c FILE]             check the configuration\n"
	"       cancel-invite-milter --try MESSAGE [-c FILE] [-f SENDER] RECIPIENT...\n"
	"                                                     the whole way of one message\n"
	"       cancel-invite-milter --rewrite MESSAGE --calendar FILE\n"
	"                                                     only attach a calendar\n"
	"       cancel-invite-milter --cancel ID RECIPIENT [-c FILE] [--account NAME]\n"
	"                                                     only call Cronofy\n"
	"       cancel-invite-milter -V | --help\n"
	"\n"
	"The configuration is in " CONFIG_FILE ".\n";

struct options {
	bool help, version;
	const char *config_file;
	bool check;
	const char *try_message;
	const char *rewrite_message;
	const char *calendar;
	const char *cancel_id;
	const char *account;
	const char *sender;
};

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

static void use_log(const struct config *config)
{
	log_open((enum log_target)config->log, config_log_facility(config),
		 (enum log_level)config->log_level, (enum log_format)config->log_format);
}

static bool open_socket(const struct config *config, struct problem *why)
{
	mode_t before;
	int result;

	if (!socket_clear_path(config, why))
		return false;
	before = umask(0177); /* closed to all others until its group is right */
	errno = 0;
	result = smfi_setconn(config->socket) == MI_SUCCESS ? smfi_opensocket(0) : MI_FAILURE;
	umask(before);
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
static bool drop_privileges(const struct config *config)
{
	if (!config->user[0])
		return true;
	if (initgroups(config->user, config->gid) == 0 && setgid(config->gid) == 0 &&
	    setuid(config->uid) == 0 && (config->uid == 0 || setuid(0) != 0))
		return true;
	log_write(LOG_LEVEL_ERROR, "cannot become user %s: %s", config->user, strerror(errno));
	return false;
}

/* ---- reloading ---- */

static bool same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void say_what_needs_a_restart(const struct config *old, const struct config *new)
{
	if (!same_text(old->socket, new->socket) || old->socket_mode != new->socket_mode ||
	    !same_text(old->socket_group, new->socket_group) || !same_text(old->user, new->user))
		log_write(LOG_LEVEL_WARNING, "reload: socket, socket_mode, socket_group and user "
					     "change only with a restart");
	if (!same_text(old->metrics_listen, new->metrics_listen))
		log_write(LOG_LEVEL_WARNING,
			  "reload: listen of [metrics] changes only with a restart");
}

static void show_config(struct metrics *metrics, const struct config *config)
{
	for (size_t i = 0; i < config->account_count; i++)
		metrics_add_account(metrics, config->accounts[i].name);
	metrics_set_config_loaded(metrics, (long long)time(NULL));
}

/* Without the key that its stamps were made with, queued mail would bounce: none is made anew then. */
static struct config *load_again(const struct config *old, struct buffer *faults)
{
	struct config *new = config_load(old->file, faults);
	struct problem why;

	if (!new)
		return NULL;
	if (new->mode != MODE_QUEUED || new->stamp_key || !old->stamp_key) {
		if (config_make_stamp_key(new, &why))
			return new;
	} else {
		problem_set(&why, "stamp_key_file: %s is gone; mail is queued with its stamps",
			    new->stamp_key_file);
	}
	buffer_printf(faults, "%s: %s\n", new->file, why.text);
	config_release(new);
	return NULL;
}

static void reload(struct server *server)
{
	struct buffer faults = buffer_with_maximum((size_t)64 * 1024);
	struct config *old = server_config(server);
	struct config *new = load_again(old, &faults);

	metrics_count_reload(server->services.metrics, new != NULL);
	if (new) {
		say_what_needs_a_restart(old, new);
		pthread_mutex_lock(&server->lock);
		server->config = new;
		pthread_mutex_unlock(&server->lock);
		use_log(new);
		show_config(server->services.metrics, new);
		log_write(LOG_LEVEL_INFO, "reload: %s is in force", new->file);
		config_release(old); /* the server's reference; ours goes below */
	} else {
		char *rest = faults.data;

		for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;)
			if (line[0])
				log_write(LOG_LEVEL_ERROR, "reload: %s", line);
		log_write(LOG_LEVEL_ERROR, "reload: the old configuration stays in force");
	}
	config_release(old);
	buffer_free(&faults);
}

/* ---- running ---- */

/* libmilter runs on a thread of its own; signals are the main thread's. */
static void *run_libmilter(void *context)
{
	const pthread_t *main_thread = context;

	if (smfi_main() != MI_SUCCESS)
		log_write(LOG_LEVEL_ERROR, "libmilter ended with an error");
	pthread_kill(*main_thread, SIGUSR2);
	return NULL;
}

/* What libmilter takes for itself, and ours: SIGUSR1 reloads, SIGUSR2 says that libmilter ended. */
static void fill_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGUSR2);
}

/* Reloads until it is to stop. False if nobody ordered it: libmilter ended by itself. */
static bool wait_for_stop(struct server *server, const sigset_t *signals)
{
	int number = 0;

	do {
		if (sigwait(signals, &number) == 0 && number == SIGUSR1)
			reload(server);
	} while (number == SIGUSR1);
	return number != SIGUSR2;
}

/* Nobody new comes in; what is at work may end. A second signal ends it at once. */
static void drain(struct server *server)
{
	const struct timespec moment = {.tv_nsec = 250000000};
	struct config *config = server_config(server);
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	/* smfi_stop() would take up to five seconds. This is as good: no tagged message is begun any
	 * more, and while we still listen nobody can have put another socket at our path. */
	places_close(server->services.places);
	metrics_page_say_stopping(server->page);
	if (server->socket_path)
		unlink(server->socket_path);
	if (!places_wait_empty(server->services.places, monotonic_now() + config->drain_timeout))
		log_write(LOG_LEVEL_WARNING, "stopping with messages still at work: the MTA will "
					     "try them again");
	/* A place is given back before the answer is written. */
	nanosleep(&moment, NULL);
	config_release(config);
}

static int serve(struct server *server)
{
	const pthread_t self = pthread_self();
	pthread_t thread;
	sigset_t signals;
	bool ordered;
	int result;

	fill_signals(&signals);
	result = pthread_create(&thread, NULL, run_libmilter, (void *)&self);
	if (result != 0) {
		log_write(LOG_LEVEL_ERROR, "no thread for libmilter: %s", strerror(result));
		return EX_OSERR;
	}
	pthread_detach(thread);
	ordered = wait_for_stop(server, &signals);
	log_write(LOG_LEVEL_INFO, "stopping");
	drain(server);
	log_write(LOG_LEVEL_INFO, "stopped");
	/* libmilter's threads do not wait for each other: the process ends with all of them. */
	_exit(ordered ? EX_OK : EX_SOFTWARE);
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
static bool start_services(struct server *server, const struct config *config, int page_listening,
			   struct problem *why)
{
	struct message_services *services = &server->services;

	problem_set(why, "no memory");
	server->began = (long long)time(NULL);
	services->places = places_new();
	services->metrics = metrics_new(VERSION);
	if (!services->places || !services->metrics ||
	    !metrics_add_source(services->metrics, places_write_metrics, services->places) ||
	    !metrics_process_add(services->metrics, &server->began))
		return false;
	services->http = http_start(why);
	if (!services->http)
		return false;
	show_config(services->metrics, config);
	if (page_listening >= 0)
		server->page = metrics_page_start(page_listening, services->metrics, why);
	return page_listening < 0 || server->page;
}

static int run(struct config *config)
{
	static struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct problem why = {.text = "no memory"};
	int page_listening;
	sigset_t signals;

	/* Until we listen, what goes wrong is told on standard error, where the starter looks. */
	log_open(LOG_TO_STDERR, 0, LOG_LEVEL_INFO, (enum log_format)config->log_format);
	prctl(PR_SET_DUMPABLE, 0); /* no core file with keys in it */
	raise_descriptor_limit();
	signal(SIGPIPE, SIG_IGN); /* a reader of the log who leaves is no reason to stop */
	server.config = config;
	server.socket = socket_find(config);
	if (config->socket_path && !(server.socket_path = strdup(config->socket_path)))
		return EX_OSERR;
	if (!filter_register(&server)) {
		log_write(LOG_LEVEL_ERROR, "libmilter does not take the filter");
		return EX_SOFTWARE;
	}
	if (!open_page(config, &page_listening, &why) || !open_socket(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_UNAVAILABLE;
	}
	if (!config_make_stamp_key(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_CANTCREAT;
	}
	if (!drop_privileges(config))
		return EX_NOPERM;
	prctl(PR_SET_DUMPABLE, 0); /* setuid() sets it anew */
	fill_signals(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (!start_services(&server, config, page_listening, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_OSERR;
	}
	use_log(config);
	log_write(LOG_LEVEL_INFO, "version %s listens on %s", VERSION, config->socket);
	return serve(&server);
}

/* ---- options ---- */

static bool parse_options(int count, char **arguments, struct options *options)
{
	enum { TRY = 256, REWRITE, CALENDAR, CANCEL, ACCOUNT, HELP };
	static const struct option names[] = {
		{"try", required_argument, NULL, TRY},
		{"rewrite", required_argument, NULL, REWRITE},
		{"calendar", required_argument, NULL, CALENDAR},
		{"cancel", required_argument, NULL, CANCEL},
		{"account", required_argument, NULL, ACCOUNT},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, HELP},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, arguments, "c:f:nVh", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_file = optarg;
			break;
		case 'f':
			options->sender = optarg;
			break;
		case 'n':
			options->check = true;
			break;
		case TRY:
			options->try_message = optarg;
			break;
		case REWRITE:
			options->rewrite_message = optarg;
			break;
		case CALENDAR:
			options->calendar = optarg;
			break;
		case CANCEL:
			options->cancel_id = optarg;
			break;
		case ACCOUNT:
			options->account = optarg;
			break;
		case 'V':
			options->version = true;
			break;
		case 'h':
		case HELP:
			options->help = true;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* What is wrong with the combination; NULL if nothing is. */
static const char *find_usage_fault(const struct options *options, int arguments_left)
{
	const int commands = options->help + options->version + options->check +
			     !!options->try_message + !!options->rewrite_message +
			     !!options->cancel_id;

	if (commands > 1)
		return "one command at a time";
	if (options->rewrite_message && !options->calendar)
		return "--rewrite needs --calendar FILE";
	if (options->calendar && !options->rewrite_message)
		return "--calendar goes with --rewrite";
	if (options->account && !options->cancel_id)
		return "--account goes with --cancel";
	if (options->sender && !options->try_message)
		return "-f goes with --try";
	if (options->try_message)
		return arguments_left == 0 ? "--try needs a recipient" : NULL;
	if (options->cancel_id)
		return arguments_left != 1 ? "--cancel needs an id and one recipient" : NULL;
	return arguments_left > 0 ? "an argument too many" : NULL;
}

static int print(const char *text)
{
	fputs(text, stdout);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int print_no_faults(const struct config *config)
{
	printf("%s: ", config->file);
	return print("no faults\n");
}

int main(int count, char **arguments)
{
	struct options options = {.config_file = CONFIG_FILE};
	struct config *config;
	const char *fault;
	int exit_code = EX_OK;

	if (!open_standard_files())
		return EX_OSERR;
	if (!parse_options(count, arguments, &options)) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	fault = find_usage_fault(&options, count - optind);
	if (fault) {
		fprintf(stderr, "cancel-invite-milter: %s; see --help\n", fault);
		return EX_USAGE;
	}
	if (options.help)
		return print(usage);
	if (options.version)
		return print("cancel-invite-milter " VERSION "\n");
	if (options.rewrite_message)
		return command_rewrite(options.rewrite_message, options.calendar);
	config = load_config(options.config_file);
	if (!config)
		return EX_CONFIG;
	if (options.check)
		exit_code = print_no_faults(config);
	else if (options.try_message)
		exit_code = command_try(config, options.try_message,
					options.sender ? options.sender : "", arguments + optind,
					count - optind);
	else if (options.cancel_id)
		exit_code = command_cancel(config, options.cancel_id, arguments[optind],
					   options.account);
	else
		return run(config);
	config_release(config);
	return exit_code;
}
