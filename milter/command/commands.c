/* commands: the table of the program's commands. */
#include "command.h"

#include "config.h"
#include "daemon.h"
#include "invocation.h"
#include "output.h"

#include <limits.h>
#include <sysexits.h>


/*
 * Takes main's configuration over: held for longer, it would stay in memory, with its keys, when
 * another has come into force. If the daemon comes back it did not start, and main has it still.
 */
static int run_daemon(const struct invocation *invocation)
{
	return daemon_run(invocation->config);
}

static int print_version(const struct invocation *invocation)
{
	(void)invocation;
	return output_text("cancel-invite-milter " VERSION "\n");
}

static int print_usage(const struct invocation *invocation)
{
	struct buffer usage = buffer_with_maximum((size_t)64 * 1024);

	(void)invocation;
	invocation_write_usage(&usage);
	return output_buffer(&usage);
}

const struct command commands[] = {
	{.options = COMMAND_CONFIG_FILE,
	 .needs = COMMAND_NEEDS_CONFIG,
	 .about = "run, in the foreground",
	 .run = run_daemon},
	{.letter = 'n',
	 .options = COMMAND_CONFIG_FILE,
	 .needs = COMMAND_NEEDS_CONFIG,
	 .about = "check the configuration",
	 .run = command_check},
	{.name = "show-config",
	 .options = COMMAND_CONFIG_FILE,
	 .needs = COMMAND_NEEDS_FILE,
	 .about = "each value, and where it comes from",
	 .run = command_show_config},
	{.name = "keys", .about = "each key of the configuration file", .run = command_keys},
	{.name = "try",
	 .argument = "MESSAGE",
	 .operands = "RECIPIENT...",
	 .least = 1,
	 .most = INT_MAX,
	 .options = COMMAND_CONFIG_FILE | COMMAND_SENDER,
	 .needs = COMMAND_NEEDS_CONFIG,
	 .about = "process one message as the filter would",
	 .run = command_try},
	{.name = "rewrite",
	 .argument = "MESSAGE",
	 .options = COMMAND_CALENDAR,
	 .required = COMMAND_CALENDAR,
	 .about = "attach a calendar to a message",
	 .run = command_rewrite},
	{.name = "cancel",
	 .argument = "ID",
	 .operands = "RECIPIENT",
	 .least = 1,
	 .most = 1,
	 .options = COMMAND_CONFIG_FILE | COMMAND_ACCOUNT,
	 .needs = COMMAND_NEEDS_CONFIG,
	 .about = "call Cronofy, without a message",
	 .run = command_cancel},
	{.name = "check-key",
	 .options = COMMAND_CONFIG_FILE | COMMAND_ACCOUNT,
	 .needs = COMMAND_NEEDS_CONFIG,
	 .about = "check the API key with Cronofy",
	 .run = command_check_key},
	{.name = "log-of",
	 .argument = "ID|RECIPIENT|MESSAGE-ID|QUEUE-ID",
	 .options = COMMAND_CONFIG_FILE | COMMAND_JSON,
	 .needs = COMMAND_NEEDS_FILE,
	 .about = "what became of a message, from the ledger",
	 .run = command_log_of},
	{.name = "report",
	 .options = COMMAND_CONFIG_FILE | COMMAND_SINCE | COMMAND_JSON,
	 .needs = COMMAND_NEEDS_FILE,
	 .about = "count messages by account and result",
	 .run = command_report},
	{.name = "export",
	 .options = COMMAND_CONFIG_FILE | COMMAND_SINCE,
	 .needs = COMMAND_NEEDS_FILE,
	 .about = "write the whole ledger as CSV",
	 .run = command_export},
	{.name = "forget",
	 .argument = "ADDRESS",
	 .options = COMMAND_CONFIG_FILE,
	 .needs = COMMAND_NEEDS_FILE,
	 .about = "delete a person from the ledger",
	 .run = command_forget},
	{.name = "reload",
	 .argument = "PID",
	 .about = "make a running filter reload its configuration, and say whether it did",
	 .run = command_reload},
	{.name = "outcomes", .about = "list all values of result=", .run = command_outcomes},
	{.letter = 'V', .name = "version", .about = "the version", .run = print_version},
	{.letter = 'h', .name = "help", .about = "this", .run = print_usage},
};

const size_t command_count = sizeof(commands) / sizeof(commands[0]);
