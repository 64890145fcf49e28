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
#include <sysexits.h>
#include <unistd.h>

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
int command_check(const struct invocation *invocation)
{
	const struct config *config = invocation->config;
	struct access_findings findings = access_findings_new();
	struct problem why;
	int exit_code = EX_CONFIG;

	access_check_start(config, &findings);
	if (geteuid() == 0 && !privileges_drop(config, &why)) {
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
		exit_code = output_text("no faults\n");
	}
	access_findings_free(&findings);
	return exit_code;
}
