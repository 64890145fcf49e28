/* main: options, the order in which things start, privileges. */
#include "access.h"
#include "command.h"
#include "config.h"
#include "filter.h"
#include "life.h"
#include "log.h"
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
		 (enum log_level)config->log_level);
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
static bool drop_privileges(const struct config *config)
{
	if (!config->user[0] || (geteuid() != 0 && geteuid() == config->uid))
		return true;
	if (initgroups(config->user, config->gid) == 0 && setgid(config->gid) == 0 &&
	    setuid(config->uid) == 0 && (config->uid == 0 || setuid(0) != 0))
		return true;
	log_write(LOG_LEVEL_ERROR, "cannot become user %s: %s", config->user, strerror(errno));
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

/* ---- running ---- */

/* libmilter runs on a thread of its own; signals are the main thread's. */
static void *run_libmilter(void *context)
{
	const bool in_order = smfi_main() == MI_SUCCESS;

	(void)context;
	if (!in_order)
		log_write(LOG_LEVEL_ERROR, "libmilter ended with an error");
	life_end(in_order);
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
	_exit(life_lead(server) ? EX_OK : EX_SOFTWARE);
}

static int run(struct config *config)
{
	static struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct problem why = {.text = "no memory"};

	/* Until we listen, what goes wrong is told on standard error, where the starter looks. */
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
	if (!open_socket(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_UNAVAILABLE;
	}
	if (!drop_privileges(config))
		return EX_NOPERM;
	prctl(PR_SET_DUMPABLE, 0); /* setuid() sets it anew */
	life_block_signals();
	server.services.places = places_new();
	server.services.http = server.services.places ? http_start(&why) : NULL;
	if (!server.services.http) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return EX_OSERR;
	}
	use_log(config);
	say_what_will_not_work(config);
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

/* -n, for a configuration that can be read: can the filter work with it? Ends as its user. */
static int check(const struct config *config)
{
	struct access_findings findings = access_findings_new();
	int exit_code = EX_CONFIG;

	access_check_start(config, &findings);
	if (geteuid() == 0 && !drop_privileges(config)) {
		access_findings_free(&findings);
		return EX_NOPERM;
	}
	access_check_work(config, &findings);
	log_write_lines(LOG_LEVEL_WARNING, "", &findings.warnings);
	if (findings.faults.data) {
		fputs(findings.faults.data, stderr);
	} else {
		printf("%s: ", config->file);
		exit_code = print("no faults\n");
	}
	access_findings_free(&findings);
	return exit_code;
}

int main(int count, char **arguments)
{
	struct options options = {.config_file = CONFIG_FILE};
	struct config *config;
	const char *fault;
	int exit_code = EX_OK;

	if (!open_standard_files())
		return EX_OSERR;
	umask(0077); /* what we make is ours alone; the socket is opened up later */
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
		exit_code = check(config);
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
