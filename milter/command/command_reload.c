/* --reload: what a service manager runs to have the filter reload. */
#include "command.h"
#include "invocation.h"
#include "output.h"
#include "reload_request.h"

#include <limits.h>
#include <stdlib.h>
#include <sysexits.h>

#define LONGEST 30000 /* ms; below systemd's TimeoutStartSec, which counts for reloads, too */

/* Never 0 or a negative number: to kill(2) those are many processes. -1 if it is none. */
static pid_t read_process(const char *text)
{
	char *end;
	const long number = strtol(text, &end, 10);

	return *end == '\0' && number > 0 && number <= INT_MAX ? (pid_t)number : -1;
}

int command_reload(const struct invocation *invocation)
{
	static const int exit_codes[] = {
		[RELOAD_DONE] = EX_OK,
		[RELOAD_REFUSED] = EX_CONFIG,
		[RELOAD_UNKNOWN] = EX_TEMPFAIL,
		[RELOAD_NOT_ASKED] = EX_UNAVAILABLE,
	};
	struct problem why;
	const pid_t filter = read_process(invocation->argument);
	enum reload_answer answer;

	if (filter < 0)
		return output_complain(EX_USAGE, "--reload takes the filter's process number");
	answer = reload_request(filter, LONGEST, &why);
	if (answer != RELOAD_DONE)
		output_complain(exit_codes[answer], why.text);
	return exit_codes[answer];
}
