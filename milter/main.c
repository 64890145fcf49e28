/* main: the command line picks a command or the daemon. */
#include "command.h"
#include "config_load.h"
#include "digest.h"
#include "environment.h"
#include "invocation.h"
#include "output.h"
#include "privileges.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

/* NULL, and the faults on standard error, if it cannot be used. */
static struct config *load_config(const struct invocation *invocation)
{
	struct buffer faults = buffer_with_maximum((size_t)64 * 1024);
	struct config *config = invocation->command->needs == COMMAND_NEEDS_FILE
					? config_read(invocation->config_file, &faults)
					: config_load(invocation->config_file, &faults);

	if (!config)
		fputs(faults.data ? faults.data : "no memory\n", stderr);
	buffer_free(&faults);
	return config;
}

int main(int count, char **arguments)
{
	struct invocation invocation;
	struct problem why;
	int exit_code;

	environment_clean();
	if (!privileges_open_standard_files())
		return EX_OSERR;
	if (!digest_start(&why))
		return output_complain(EX_OSERR, why.text);
	umask(0077); /* what we make is ours alone; the socket is opened up later */
	if (!invocation_read(&invocation, count, arguments))
		return EX_USAGE;
	if (invocation.command->needs != COMMAND_NEEDS_NOTHING) {
		invocation.config = load_config(&invocation);
		if (!invocation.config)
			return EX_CONFIG;
	}
	exit_code = invocation.command->run(&invocation);
	config_release(invocation.config);
	return exit_code;
}
