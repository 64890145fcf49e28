/*
 * waiting_filter: the least that a filter must do in queued mode, if a call cost nothing but time.
 *
 *	waiting_filter SOCKET MILLISECONDS header|domain
 *
 * At any listener but cancel-invite it has the mail server take the message to that one, by a header
 * (Postfix) or by the ending of each recipient's domain (Sendmail). There it waits, and changes
 * nothing. What a queue is slower with our filter than with this one is ours; all else is the mail
 * server's, the machine's and the time's.
 */
#include "envelope.h"

#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define SECOND_LISTENER "cancel-invite"

struct session {
	bool second; /* at the second listener */
	struct envelope envelope;
};

static struct timespec wait_time;
static bool by_domain;

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	struct session *session = calloc(1, sizeof(*session));
	const char *daemon = smfi_getsymval(context, "{daemon_name}");

	(void)host;
	(void)address;
	if (!session)
		return SMFIS_TEMPFAIL;
	session->second = daemon && strcmp(daemon, SECOND_LISTENER) == 0;
	session->envelope = envelope_new();
	smfi_setpriv(context, session);
	return SMFIS_CONTINUE;
}

static sfsistat on_sender(SMFICTX *context, char **arguments)
{
	struct session *session = smfi_getpriv(context);

	(void)arguments;
	envelope_clear(&session->envelope);
	return SMFIS_CONTINUE;
}

static sfsistat on_recipient(SMFICTX *context, char **arguments)
{
	struct session *session = smfi_getpriv(context);

	envelope_add(&session->envelope, arguments[0], NULL);
	return SMFIS_CONTINUE;
}

static bool rename_recipients(SMFICTX *context, const struct envelope *envelope)
{
	struct envelope_recipient recipient;
	char was[512], is[512];
	size_t at = 0;

	while (envelope_next(envelope, &at, &recipient)) {
		snprintf(was, sizeof(was), "<%s>", recipient.address);
		snprintf(is, sizeof(is), "<%s" ENVELOPE_SUFFIX ">", recipient.address);
		if (smfi_delrcpt(context, was) != MI_SUCCESS ||
		    smfi_addrcpt(context, is) != MI_SUCCESS)
			return false;
	}
	return true;
}

static sfsistat on_end_of_message(SMFICTX *context)
{
	const struct session *session = smfi_getpriv(context);
	char header[] = "X-Cancel-Invite", value[] = "v1; for the second listener";

	if (session->second)
		nanosleep(&wait_time, NULL);
	else if (by_domain ? !rename_recipients(context, &session->envelope)
			   : smfi_addheader(context, header, value) != MI_SUCCESS)
		return SMFIS_TEMPFAIL;
	return SMFIS_ACCEPT;
}

static sfsistat on_close(SMFICTX *context)
{
	struct session *session = smfi_getpriv(context);

	if (session)
		envelope_free(&session->envelope);
	free(session);
	smfi_setpriv(context, NULL);
	return SMFIS_CONTINUE;
}

int main(int count, char **arguments)
{
	struct smfiDesc description = {
		.xxfi_name = "waiting_filter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_ADDRCPT | SMFIF_DELRCPT,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_sender,
		.xxfi_envrcpt = on_recipient,
		.xxfi_eom = on_end_of_message,
		.xxfi_close = on_close,
	};
	long milliseconds;

	if (count != 4) {
		fputs("usage: waiting_filter SOCKET MILLISECONDS header|domain\n", stderr);
		return EX_USAGE;
	}
	milliseconds = atol(arguments[2]);
	wait_time.tv_sec = milliseconds / 1000;
	wait_time.tv_nsec = milliseconds % 1000 * 1000000;
	by_domain = strcmp(arguments[3], "domain") == 0;
	if (smfi_register(description) != MI_SUCCESS || smfi_setconn(arguments[1]) != MI_SUCCESS ||
	    smfi_opensocket(1) != MI_SUCCESS)
		return EX_UNAVAILABLE;
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}
