/* command_check: -n says whether the filter can work with its configuration. */
#include "access.h"
#include "command.h"
#include "config_doubts.h"
#include "invocation.h"
#include "log.h"
#include "output.h"
#include "postfix_check.h"
#include "privileges.h"
#include "redis_store.h"
#include "threads.h"
#include "unit_check.h"

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
	case PROGRAM_SAID:
		postfix_check(&postfix, config, &found);
		break;
	case PROGRAM_FAILED:
		buffer_printf(&found, "not checked: %s\n", why.text);
		break;
	case PROGRAM_ABSENT:
		fputs("info: there is no postconf in PATH or /usr/sbin: Postfix's configuration "
		      "was not checked\n",
		      stderr);
		break;
	}
	for (rest = buffer_span(&found); rest.length > 0;) {
		const char *newline = memchr(rest.at, '\n', rest.length);
		const size_t length = newline ? (size_t)(newline - rest.at) : rest.length - 1;

		buffer_printf(warnings, "%s: %.*s\n", folder, (int)length, rest.at);
		span_advance(&rest, length + 1);
	}
	buffer_free(&found);
	postfix_free(&postfix);
}

static int print_verdict(const struct config *config, bool warned)
{
	printf("%s: no faults%s\n", config->file, warned ? ", but see the warnings" : "");
	return output_finish();
}

/* -n, for a configuration that can be read: can the filter work with it? Ends as its user. */
int command_check(const struct invocation *invocation)
{
	const struct config *config = invocation->config;
	struct access_findings findings = access_findings_new();
	struct buffer postfix_warnings = buffer_with_maximum(WARNINGS_MAXIMUM);
	struct problem why;
	int exit_code = EX_CONFIG;
	bool warned, lost;

	access_check_start(config, &findings);
	unit_check(config, &findings.faults);
	if (config->redis_address.tls && !redis_store_has_tls())
		buffer_append_text(&findings.faults, REDIS_WITHOUT_TLS "\n");
	check_postfix(config, &postfix_warnings); /* as who we are: its files may not be for all */
	if (geteuid() == 0 && !privileges_drop(config, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		access_findings_free(&findings);
		buffer_free(&postfix_warnings);
		return EX_NOPERM;
	}
	access_check_work(config, &findings);
	access_check_ledger(config, &findings);
	threads_check_limits(config, &findings.warnings);
	config_doubts(config, &findings.warnings);
	warned = findings.warnings.length + postfix_warnings.length > 0;
	lost = findings.faults.out_of_memory || findings.warnings.out_of_memory ||
	       postfix_warnings.out_of_memory;
	log_write_lines(LOG_LEVEL_WARNING, "", &findings.warnings);
	log_write_lines(LOG_LEVEL_WARNING, "", &postfix_warnings);
	if (findings.faults.data)
		fputs(findings.faults.data, stderr);
	if (lost) {
		log_write(LOG_LEVEL_ERROR, "no memory to say all that was found");
		exit_code = EX_OSERR;
	} else if (!findings.faults.data) {
		exit_code = print_verdict(config, warned);
	}
	access_findings_free(&findings);
	buffer_free(&postfix_warnings);
	return exit_code;
}
