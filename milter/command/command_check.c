/* command_check: -n says whether the filter can work with its configuration. */
#include "access.h"
#include "command.h"
#include "invocation.h"
#include "log.h"
#include "output.h"
#include "postfix_check.h"
#include "privileges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define WARNINGS_MAXIMUM ((size_t)64 * 1024) /* bytes */

/*
 * What Postfix's own postconf says that does not fit. The files are the mail server's, not ours: what is
 * wrong there is a warning. Where Postfix's commands look, we have it look, too.
 */
static void check_postfix(const struct config *config, struct buffer *warnings)
{
	const char *named = getenv("MAIL_CONFIG"), *folder = named ? named : "/etc/postfix";
	struct buffer found = buffer_with_maximum(WARNINGS_MAXIMUM);
	struct postfix postfix = postfix_new();
	struct problem why;
	struct span rest;

	switch (postfix_ask(&postfix, folder, &why)) {
	case POSTCONF_SAID:
		postfix_check(&postfix, config, &found);
		break;
	case POSTCONF_FAILED:
		buffer_printf(&found, "not looked at: %s\n", why.text);
		break;
	case POSTCONF_ABSENT:
		fputs("info: there is no postconf in PATH or /usr/sbin: Postfix's configuration "
		      "was not looked at\n",
		      stderr);
		break;
	}
	for (rest = buffer_span(&found); rest.length > 0;) {
		const char *newline = memchr(rest.at, '\n', rest.length);
		const size_t length = (size_t)(newline - rest.at);

		buffer_printf(warnings, "%s: %.*s\n", folder, (int)length, rest.at);
		span_advance(&rest, length + 1);
	}
	buffer_free(&found);
	postfix_free(&postfix);
}

/* -n, for a configuration that can be read: can the filter work with it? Ends as its user. */
int command_check(const struct invocation *invocation)
{
	const struct config *config = invocation->config;
	struct access_findings findings = access_findings_new();
	struct buffer postfix_warnings = buffer_with_maximum(WARNINGS_MAXIMUM);
	struct problem why;
	int exit_code = EX_CONFIG;

	access_check_start(config, &findings);
	check_postfix(config, &postfix_warnings); /* as who we are: its files may not be for all */
	if (geteuid() == 0 && !privileges_drop(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		access_findings_free(&findings);
		buffer_free(&postfix_warnings);
		return EX_NOPERM;
	}
	access_check_work(config, &findings);
	log_write_lines(LOG_LEVEL_WARNING, "", &findings.warnings);
	log_write_lines(LOG_LEVEL_WARNING, "", &postfix_warnings);
	if (findings.faults.data) {
		fputs(findings.faults.data, stderr);
	} else {
		printf("%s: ", config->file);
		exit_code = output_text("no faults\n");
	}
	access_findings_free(&findings);
	buffer_free(&postfix_warnings);
	return exit_code;
}
