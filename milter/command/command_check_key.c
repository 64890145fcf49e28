/*
 * command_check_key: --check-key asks Cronofy: does it take the keys? A question that changes nothing: what has become of an
 * invite that cannot exist. Who may ask it is told that there is none (404), all others 401.
 */
#include "cancel.h"
#include "clock.h"
#include "command.h"
#include "find_account.h"
#include "invocation.h"
#include "output.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* RFC 2606, 2: nobody has an address there. */
#define NO_INVITE    "cancel-invite-milter-key-check"
#define NO_RECIPIENT "key-check@cancel-invite-milter.invalid"

static int exit_code_of(enum cronofy_answer answer)
{
	switch (answer) {
	case CRONOFY_UNKNOWN_INVITE:
		return EX_OK;
	case CRONOFY_BAD_KEY:
	case CRONOFY_PLAN:
	case CRONOFY_NOT_ALLOWED:
		return EX_NOPERM;
	case CRONOFY_MISCONFIGURED:
		return EX_CONFIG;
	case CRONOFY_NO_ANSWER:
	case CRONOFY_OUTAGE:
	case CRONOFY_LIMIT:
	case CRONOFY_TOO_EARLY:
	case CRONOFY_NOT_READ:
		return EX_TEMPFAIL;
	default:
		return EX_UNAVAILABLE;
	}
}

static const char *advice(enum cronofy_answer answer)
{
	if (answer == CRONOFY_BAD_KEY)
		return ": the key is wrong, or belongs to another data_center (us, au, ca, de, sg, "
		       "uk)";
	return exit_code_of(answer) == EX_UNAVAILABLE ? "; that says nothing about the key" : "";
}

static int check_key(struct http *http, const struct account *account)
{
	const struct cancel_request request = {
		.account = account,
		.invite_id = NO_INVITE,
		.recipient = NO_RECIPIENT,
		.deadline = clock_now() + account->deadline,
	};
	struct cancel_result result;
	int exit_code;

	cancel_ask_status(http, &request, &result);
	exit_code = exit_code_of(result.answer);
	if (exit_code == EX_OK)
		printf("account %s: %s accepts the key\n", account->name, account->endpoint);
	else
		fprintf(stderr, "cancel-invite-milter: account %s: %s%s (%s)\n", account->name,
			result.outcome == CANCEL_DONE ? "Cronofy: it returned an invite that "
							"cannot exist"
						      : result.why.text,
			advice(result.answer), account->endpoint);
	buffer_free(&result.calendar);
	return exit_code;
}

/* Of all accounts, or of the one that is named. The exit code is that of the first fault. */
int command_check_key(const struct invocation *invocation)
{
	const struct config *config = invocation->config;
	const char *name = invocation->account;
	const struct account *named = name ? find_account(config, name) : NULL;
	struct problem why;
	struct http *http;
	int exit_code = EX_OK;

	if (name && !named)
		return EX_USAGE;
	http = http_start(&why);
	if (!http)
		return output_complain(EX_OSERR, why.text);
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		const int code = !named || named == account ? check_key(http, account) : EX_OK;

		if (exit_code == EX_OK)
			exit_code = code;
	}
	http_stop(http);
	return exit_code != EX_OK ? exit_code : output_finish();
}
