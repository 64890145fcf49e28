/* --reload: what a service manager runs to have the filter reload. */
#include "command.h"
#include "reload_request.h"

#include <stdio.h>
#include <sysexits.h>

#define LONGEST 30000 /* ms; below systemd's TimeoutStartSec, which counts for reloads, too */

int command_reload(pid_t filter)
{
	static const int exit_codes[] = {
		[RELOAD_DONE] = EX_OK,
		[RELOAD_REFUSED] = EX_CONFIG,
		[RELOAD_UNKNOWN] = EX_TEMPFAIL,
		[RELOAD_NOT_ASKED] = EX_UNAVAILABLE,
	};
	struct problem why;
	const enum reload_answer answer = reload_request(filter, LONGEST, &why);

	if (answer != RELOAD_DONE)
		fprintf(stderr, "cancel-invite-milter: %s\n", why.text);
	return exit_codes[answer];
}
