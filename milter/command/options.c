#include "options.h"

#include "config.h"
#include "config_value.h"

#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

const char options_usage[] =
	"usage: cancel-invite-milter [-c FILE]                run, in the foreground\n"
	"       cancel-invite-milter -n [-c FILE]             check the configuration\n"
	"       cancel-invite-milter --show-config [-c FILE]  each value, and where it comes from\n"
	"       cancel-invite-milter --keys                   each key that the file can have\n"
	"       cancel-invite-milter --try MESSAGE [-c FILE] [-f SENDER] RECIPIENT...\n"
	"                                                     the whole way of one message\n"
	"       cancel-invite-milter --rewrite MESSAGE --calendar FILE\n"
	"                                                     only attach a calendar\n"
	"       cancel-invite-milter --cancel ID RECIPIENT [-c FILE] [--account NAME]\n"
	"                                                     only call Cronofy\n"
	"       cancel-invite-milter --check-key [-c FILE] [--account NAME]\n"
	"                                                     ask Cronofy whether it takes the key\n"
	"       cancel-invite-milter --log-of ID|RECIPIENT|MESSAGE-ID|QUEUE-ID [-c FILE] [--json]\n"
	"                                                     what became of it, from the ledger\n"
	"       cancel-invite-milter --report [--since 1d] [-c FILE] [--json]\n"
	"                                                     how many, by account and result\n"
	"       cancel-invite-milter --export [--since 1d] [-c FILE]\n"
	"                                                     all that is in the ledger, as CSV\n"
	"       cancel-invite-milter --reload PID             have a running filter read its configuration\n"
	"                                                     anew, and say whether it did\n"
	"       cancel-invite-milter --outcomes               what result= can be\n"
	"       cancel-invite-milter -V | --help\n"
	"\n"
	"The configuration is in " CONFIG_FILE ".\n";

/* Never 0 or another negative number: to kill(2) those are many processes. */
static pid_t read_process(const char *text)
{
	char *end;
	const long number = strtol(text, &end, 10);

	return *end == '\0' && number > 0 && number <= INT_MAX ? (pid_t)number : -1;
}

bool options_parse(int count, char **arguments, struct options *options)
{
	enum {
		TRY = 256,
		REWRITE,
		CALENDAR,
		CANCEL,
		CHECK_KEY,
		ACCOUNT,
		LOG_OF,
		REPORT,
		EXPORT,
		RELOAD,
		SINCE,
		JSON,
		OUTCOMES,
		SHOW_CONFIG,
		KEYS,
		HELP
	};
	static const struct option names[] = {
		{"try", required_argument, NULL, TRY},
		{"rewrite", required_argument, NULL, REWRITE},
		{"calendar", required_argument, NULL, CALENDAR},
		{"cancel", required_argument, NULL, CANCEL},
		{"check-key", no_argument, NULL, CHECK_KEY},
		{"account", required_argument, NULL, ACCOUNT},
		{"log-of", required_argument, NULL, LOG_OF},
		{"report", no_argument, NULL, REPORT},
		{"export", no_argument, NULL, EXPORT},
		{"reload", required_argument, NULL, RELOAD},
		{"since", required_argument, NULL, SINCE},
		{"json", no_argument, NULL, JSON},
		{"outcomes", no_argument, NULL, OUTCOMES},
		{"show-config", no_argument, NULL, SHOW_CONFIG},
		{"keys", no_argument, NULL, KEYS},
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
		case CHECK_KEY:
			options->check_key = true;
			break;
		case ACCOUNT:
			options->account = optarg;
			break;
		case LOG_OF:
			options->log_of = optarg;
			break;
		case REPORT:
			options->report = true;
			break;
		case EXPORT:
			options->export = true;
			break;
		case RELOAD:
			options->reload = read_process(optarg);
			break;
		case SINCE:
			options->since = optarg;
			break;
		case JSON:
			options->json = true;
			break;
		case OUTCOMES:
			options->outcomes = true;
			break;
		case SHOW_CONFIG:
			options->show_config = true;
			break;
		case KEYS:
			options->keys = true;
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

const char *options_fault(const struct options *options, int arguments_left)
{
	const int commands = options->help + options->version + options->outcomes + options->check +
			     options->show_config + options->keys +
			     !!options->try_message + !!options->rewrite_message +
			     !!options->cancel_id + options->check_key + !!options->log_of +
			     options->report + options->export + !!options->reload;

	if (commands > 1)
		return "one command at a time";
	if (options->rewrite_message && !options->calendar)
		return "--rewrite needs --calendar FILE";
	if (options->calendar && !options->rewrite_message)
		return "--calendar goes with --rewrite";
	if (options->account && !options->cancel_id && !options->check_key)
		return "--account goes with --cancel and --check-key";
	if (options->sender && !options->try_message)
		return "-f goes with --try";
	if (options->since && !options->report && !options->export)
		return "--since goes with --report and --export";
	if (options->since && config_value_duration(options->since) < 0)
		return "--since takes a duration such as 30m, 12h or 7d";
	if (options->json && !options->log_of && !options->report)
		return "--json goes with --log-of and --report";
	if (options->log_of && !options->log_of[0])
		return "--log-of needs an id, a recipient, a Message-ID or a queue id";
	if (options->reload < 0)
		return "--reload takes the filter's process number";
	if (options->try_message)
		return arguments_left == 0 ? "--try needs a recipient" : NULL;
	if (options->cancel_id)
		return arguments_left != 1 ? "--cancel needs an id and one recipient" : NULL;
	return arguments_left > 0 ? "an argument too many" : NULL;
}
