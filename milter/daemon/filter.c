/* filter: the milter callbacks, in the order in which libmilter makes them. */
#include "filter.h"

#include "log.h"
#include "threads.h"

#include <dlfcn.h>
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* libmilter hands its callbacks no pointer of ours but the connection's: set once, at the start. */
static struct server *the_server;

/* What one of the MTA's connections needs to know. libmilter's private pointer. */
struct session {
	struct message *message;
	struct config *config; /* of the message at hand; a reference */
	bool no_reply_connect; /* the MTA does not wait for our answer at this step */
	bool no_reply_mail;
	bool no_reply_recipient;
	bool no_reply_header;
	bool leading_space; /* header values come, and go, with the space behind the colon */
	bool may_skip;      /* we may say that we have seen enough of the body */
	bool knows_client;
	struct sockaddr_storage client;
	/* The name of the MTA's listener; "" if it has none. One that is cut is no queue_daemon. */
	char daemon[CONFIG_DAEMON_MAXIMUM + 2];
};

static struct session *session_of(SMFICTX *context)
{
	return smfi_getpriv(context);
}

static const char *macro(SMFICTX *context, const char *name)
{
	const char *value = smfi_getsymval(context, (char *)name);

	return value ? value : "";
}

/* ---- steps of the conversation ---- */

#define NEEDED_ACTIONS   (SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY)
#define OPTIONAL_ACTIONS (SMFIF_QUARANTINE | SMFIF_SETSYMLIST)
#define REROUTE_ACTIONS  (SMFIF_DELRCPT | SMFIF_ADDRCPT_PAR)

/*
 * The macros that we read, and no others. libmilter searches those of all steps, also of
 * later steps of the message before: a login must come with the sender and nowhere else.
 * {mail_addr} is there in any case, so that the list that goes with the sender is never empty.
 */
static bool choose_macros(SMFICTX *context)
{
	return smfi_setsymlist(context, SMFIM_CONNECT, "j {daemon_name}") == MI_SUCCESS &&
	       smfi_setsymlist(context, SMFIM_ENVFROM, "{mail_addr} {auth_authen}") == MI_SUCCESS &&
	       smfi_setsymlist(context, SMFIM_ENVRCPT, "i") == MI_SUCCESS &&
	       smfi_setsymlist(context, SMFIM_DATA, "i") == MI_SUCCESS &&
	       smfi_setsymlist(context, SMFIM_EOH, "i") == MI_SUCCESS &&
	       smfi_setsymlist(context, SMFIM_EOM, "i") == MI_SUCCESS;
}

static unsigned long needed_actions(void)
{
	struct config *config = server_config(the_server);
	const bool reroutes = config->mode == MODE_QUEUED;

	config_release(config);
	return NEEDED_ACTIONS | (reroutes ? REROUTE_ACTIONS : 0);
}

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
			     unsigned long unused2, unsigned long unused3,
			     unsigned long *our_actions, unsigned long *our_steps,
			     unsigned long *our2, unsigned long *our3)
{
	unsigned long wanted = SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NR_CONN | SMFIP_NR_MAIL |
			       SMFIP_NR_RCPT | SMFIP_NR_HDR | SMFIP_HDR_LEADSPC | SMFIP_SKIP;
	const unsigned long needed = needed_actions();
	struct session *session;

	(void)unused2;
	(void)unused3;
	if ((actions & needed) != needed) {
		log_write(LOG_LEVEL_ERROR,
			  "the MTA does not permit the changes that this filter makes: adding and "
			  "changing headers, replacing the body; in queued mode, changing "
			  "recipients");
		return SMFIS_REJECT;
	}
	session = calloc(1, sizeof(*session));
	if (!session)
		return SMFIS_TEMPFAIL;
	session->message = message_new(&the_server->services);
	if (!session->message || smfi_setpriv(context, session) != MI_SUCCESS ||
	    ((actions & SMFIF_SETSYMLIST) && !choose_macros(context))) {
		smfi_setpriv(context, NULL);
		message_free(session->message);
		free(session);
		return SMFIS_TEMPFAIL;
	}
	threads_session_begins();
	/* Over TCP a step without an answer makes two small packets of the MTA's wait for each
	 * other, 40 ms a message (Nagle); the DATA step's answer prevents it. */
	if (the_server->socket_path)
		wanted |= SMFIP_NODATA;

	wanted &= steps;
	session->no_reply_connect = wanted & SMFIP_NR_CONN;
	session->no_reply_mail = wanted & SMFIP_NR_MAIL;
	session->no_reply_recipient = wanted & SMFIP_NR_RCPT;
	session->no_reply_header = wanted & SMFIP_NR_HDR;
	session->leading_space = wanted & SMFIP_HDR_LEADSPC;
	session->may_skip = wanted & SMFIP_SKIP;
	*our_actions = actions & (needed | OPTIONAL_ACTIONS);
	*our_steps = wanted;
	*our2 = 0;
	*our3 = 0;
	return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	struct session *session = session_of(context);

	(void)host;
	if (!session)
		return SMFIS_TEMPFAIL;
	session->knows_client = true;
	if (address && address->sa_family == AF_INET)
		memcpy(&session->client, address, sizeof(struct sockaddr_in));
	else if (address && address->sa_family == AF_INET6)
		memcpy(&session->client, address, sizeof(struct sockaddr_in6));
	else
		session->knows_client = false;
	snprintf(session->daemon, sizeof(session->daemon), "%s", macro(context, "{daemon_name}"));
	return session->no_reply_connect ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* The message is over, one way or another: until the next sender there is none. */
static void end_message(struct session *session)
{
	message_clear(session->message);
	config_release(session->config);
	session->config = NULL;
}

/* MAIL's SIZE= (RFC 1870); 0 if it is not there. */
static long long announced_size(char *const *parameters)
{
	for (; *parameters; parameters++)
		if (strncasecmp(*parameters, "SIZE=", 5) == 0)
			return strtoll(*parameters + 5, NULL, 10);
	return 0;
}

static sfsistat on_sender(SMFICTX *context, char **arguments)
{
	struct session *session = session_of(context);
	struct transaction_origin origin = {
		.host = macro(context, "j"),
		.login = macro(context, "{auth_authen}"),
		.sender = arguments[0],
		.parsed_sender = smfi_getsymval(context, (char *)"{mail_addr}"),
		.size = announced_size(arguments + 1),
	};

	if (!session)
		return SMFIS_TEMPFAIL;
	if (session->knows_client)
		origin.client = (const struct sockaddr *)&session->client;
	origin.daemon = session->daemon;
	end_message(session);
	session->config = server_config(the_server);
	message_begin(session->message, session->config, &origin);
	return session->no_reply_mail ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_recipient(SMFICTX *context, char **arguments)
{
	struct session *session = session_of(context);

	if (!session || !session->config)
		return SMFIS_TEMPFAIL;
	message_add_recipient(session->message, arguments[0], arguments + 1);
	return session->no_reply_recipient ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_data(SMFICTX *context)
{
	(void)context;
	return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	struct session *session = session_of(context);

	if (!session || !session->config)
		return SMFIS_TEMPFAIL;
	message_add_header(session->message, name, value, !session->leading_space);
	return session->no_reply_header ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* ---- answers ---- */

/* A reply's text as libmilter takes it: ASCII, % doubled, at most 980 bytes. */
static void set_reply(SMFICTX *context, const struct verdict *verdict)
{
	char text[960];
	size_t used = 0;

	for (const char *at = verdict->text; *at && used + 2 < sizeof(text); at++) {
		if (*at == '%')
			text[used++] = '%';
		text[used++] = *at >= ' ' && *at < 0x7f ? *at : '?';
	}
	text[used] = '\0';
	if (!verdict->code[0])
		return; /* the MTA's own */
	if (smfi_setreply(context, (char *)verdict->code, (char *)verdict->enhanced, text) !=
	    MI_SUCCESS)
		log_write(LOG_LEVEL_ERROR, "libmilter did not accept the reply \"%s %s %s\"",
			  verdict->code, verdict->enhanced, text);
}

static sfsistat answer(SMFICTX *context, const struct message *message)
{
	switch (message_action(message)) {
	case ACTION_REJECT:
		set_reply(context, message_verdict(message));
		return SMFIS_REJECT;
	case ACTION_DEFER:
		set_reply(context, message_verdict(message));
		return SMFIS_TEMPFAIL;
	case ACTION_DISCARD:
		return SMFIS_DISCARD;
	case ACTION_HOLD: /* which was asked for */
	case ACTION_ACCEPT:
		break;
	}
	return SMFIS_ACCEPT;
}

static sfsistat on_end_of_headers(SMFICTX *context)
{
	struct session *session = session_of(context);
	sfsistat result;

	if (!session || !session->config)
		return SMFIS_TEMPFAIL;
	switch (message_end_headers(session->message, macro(context, "i"))) {
	case MESSAGE_NOTHING_TO_DO:
		end_message(session);
		return SMFIS_ACCEPT;
	case MESSAGE_DECIDED:
		message_report(session->message, true);
		result = answer(context, session->message);
		end_message(session);
		return result;
	default:
		return SMFIS_CONTINUE;
	}
}

static sfsistat on_body(SMFICTX *context, unsigned char *data, size_t length)
{
	struct session *session = session_of(context);

	if (!session || !session->config)
		return SMFIS_TEMPFAIL;
	if (message_add_body(session->message, (const char *)data, length) == MESSAGE_WANTS_BODY)
		return SMFIS_CONTINUE;
	return session->may_skip ? SMFIS_SKIP : SMFIS_CONTINUE;
}

/* ---- the end of a message ---- */

/*
 * libmilter (8.17, with its pool of workers) wakes one idle worker for several sessions that become
 * ready together; the others, untagged mail too, are served when that worker's callback is over. A
 * callback that is going to wait has a new worker started, which serves them: a new session does it.
 */
static void let_others_pass(void)
{
	socket_wake(&the_server->socket);
}

static bool still_there(void *context)
{
	let_others_pass();
	return smfi_progress(context) == MI_SUCCESS;
}

static bool replace_body(void *context, const char *data, size_t length)
{
	return length == 0 ||
	       smfi_replacebody(context, (unsigned char *)data, (int)length) == MI_SUCCESS;
}

/* From the last to the first: the one order that Postfix and Sendmail number alike. */
static bool delete_headers(SMFICTX *context, const struct header_edit *edit)
{
	for (size_t i = edit->last; i >= edit->first; i--)
		if (smfi_chgheader(context, (char *)edit->name, (int)i, NULL) != MI_SUCCESS)
			return false;
	return true;
}

static bool edit_header(SMFICTX *context, const struct header_edit *edit, bool leading_space)
{
	struct buffer value = buffer_with_maximum(HEADERS_TAG_MAXIMUM);
	bool good;

	if (edit->kind == HEADER_DELETE)
		return delete_headers(context, edit);
	buffer_printf(&value, "%s%s", leading_space ? " " : "", edit->value);
	if (value.failed)
		good = false;
	else if (edit->kind == HEADER_CHANGE)
		good = smfi_chgheader(context, (char *)edit->name, 1, value.data) == MI_SUCCESS;
	else
		good = smfi_addheader(context, (char *)edit->name, value.data) == MI_SUCCESS;
	buffer_free(&value);
	return good;
}

/* Each recipient by its new name, with what its delivery reports depend on. */
static bool reroute(SMFICTX *context, const struct envelope *envelope, const char *suffix)
{
	struct buffer address = buffer_with_maximum(1024), parameters = buffer_with_maximum(4096);
	struct envelope_recipient recipient;
	char old[ADDRESS_MAXIMUM + 3];
	bool good = true;
	size_t at = 0;

	while (good && envelope_next(envelope, &at, &recipient)) {
		snprintf(old, sizeof(old), "<%s>", recipient.address);
		good = envelope_reroute(&recipient, suffix, &address, &parameters) &&
		       smfi_delrcpt(context, old) == MI_SUCCESS &&
		       smfi_addrcpt_par(context, address.data, parameters.data) == MI_SUCCESS;
	}
	buffer_free(&address);
	buffer_free(&parameters);
	if (!good)
		log_write(LOG_LEVEL_ERROR, "the MTA did not accept the recipients' new names");
	return good;
}

/* Headers first, then the body with nothing in between: Postfix takes it in no other order. */
static bool carry_out(SMFICTX *context, struct session *session)
{
	const struct header_edits *edits = message_edits(session->message);
	const struct envelope *rerouted = message_rerouted(session->message);
	struct problem why;

	for (size_t i = 0; i < edits->count; i++)
		if (!edit_header(context, &edits->items[i], session->leading_space)) {
			log_write(LOG_LEVEL_ERROR, "the MTA did not accept a change of %s",
				  edits->items[i].name);
			return false;
		}
	if (rerouted && !reroute(context, rerouted, message_suffix(session->message)))
		return false;
	if (message_has_new_body(session->message) &&
	    !message_write_body(session->message, replace_body, context, &why)) {
		log_write(LOG_LEVEL_ERROR, "%s", why.text);
		return false;
	}
	return true;
}

/* Where the MTA routes by domains, what it holds goes the second way again once it is released. */
static bool hold(SMFICTX *context, struct session *session)
{
	const struct envelope *rerouted = message_rerouted(session->message);
	const struct verdict *verdict = message_verdict(session->message);

	if (smfi_quarantine(context, (char *)verdict->text) != MI_SUCCESS) {
		log_write(LOG_LEVEL_ERROR, "the MTA does not permit holding a message");
		return false;
	}
	return !rerouted || reroute(context, rerouted, message_suffix(session->message));
}

/* What the MTA must agree to: a changed message, or one that is held. False if it did not. */
static bool apply_verdict(SMFICTX *context, struct session *session)
{
	const enum action action = message_action(session->message);

	if (action == ACTION_ACCEPT)
		return carry_out(context, session);
	return action != ACTION_HOLD || hold(context, session);
}

static sfsistat on_end_of_message(SMFICTX *context)
{
	struct session *session = session_of(context);
	sfsistat result;

	if (!session || !session->config)
		return SMFIS_TEMPFAIL;
	/* One that is deferred at once needs no other worker: a thousand would start a thousand. */
	if (message_may_wait(session->message))
		let_others_pass();
	message_finish(session->message, still_there, context);
	message_report(session->message, apply_verdict(context, session));
	result = answer(context, session->message);
	end_message(session);
	return result;
}

static sfsistat on_abort(SMFICTX *context)
{
	struct session *session = session_of(context);

	if (session)
		end_message(session);
	return SMFIS_CONTINUE;
}

/* Comes without a connect, and without a session, when somebody only looked whether we are here. */
static sfsistat on_close(SMFICTX *context)
{
	struct session *session = session_of(context);

	if (!session)
		return SMFIS_CONTINUE;
	smfi_setpriv(context, NULL);
	end_message(session);
	message_free(session->message);
	free(session);
	threads_session_is_over();
	return SMFIS_CONTINUE;
}

bool filter_is_libmilter(const void *address)
{
	int (*const main_loop)(void) = smfi_main;
	void *inside;
	Dl_info one, other;

	/* POSIX lets functions be addresses, and ISO C has no way to say so. */
	_Static_assert(sizeof(inside) == sizeof(main_loop), "POSIX");
	memcpy(&inside, &main_loop, sizeof(inside));
	return dladdr(address, &one) && dladdr(inside, &other) && one.dli_fbase == other.dli_fbase;
}

bool filter_register(struct server *server)
{
	struct smfiDesc description = {
		.xxfi_name = "cancel-invite-milter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = NEEDED_ACTIONS | OPTIONAL_ACTIONS | REROUTE_ACTIONS,
		.xxfi_negotiate = on_negotiate,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_sender,
		.xxfi_envrcpt = on_recipient,
		.xxfi_data = on_data,
		.xxfi_header = on_header,
		.xxfi_eoh = on_end_of_headers,
		.xxfi_body = on_body,
		.xxfi_eom = on_end_of_message,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
	};

	the_server = server;
	return smfi_register(description) == MI_SUCCESS;
}
