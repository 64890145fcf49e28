/* postfix_check: what in Postfix's configuration this filter would stumble over. */
#include "postfix_check.h"

#include "problem.h"

#include <stdio.h>
#include <string.h>

/* A calendar goes into a message twice, once in base64. */
#define ROOM_FOR_CALENDAR ((long long)256 * 1024)

/* The transport to the second listener, as conf/postfix names it. */
#define TRANSPORT "cancel-invite/unix"

struct check {
	const struct postfix *postfix;
	const struct config *config;
	struct buffer *warnings;
};

static void warn(const struct check *check, const char *text)
{
	buffer_append_text(check->warnings, text);
	buffer_append_text(check->warnings, "\n");
}

static struct span value(const struct check *check, const char *name)
{
	return postfix_parameter(check->postfix, name);
}

static bool is(struct span span, const char *text)
{
	return span_equals(span, span_of_text(text));
}

/* Postfix has a transport to a second listener. */
static bool has_second_listener(const struct check *check)
{
	return postfix_has_service(check->postfix, TRANSPORT);
}

/* ---- lists of filters ---- */

/* The socket of an element: { socket, option=value ... } or the socket alone. */
static struct span socket_of(struct span element)
{
	struct span rest = element, found = element;

	if (element.length > 1 && element.at[0] == '{') {
		rest = (struct span){element.at + 1, element.length - 2};
		if (!postfix_next_element(&rest, &found))
			found.length = 0;
	}
	return found;
}

/* unix:cancel-invite-milter/milter.sock is relative to the queue directory. */
static bool is_our_path(const struct check *check, struct span path)
{
	const struct span queue = value(check, "queue_directory");
	struct buffer whole = buffer_with_maximum(4096);
	bool is_ours;

	if (path.length > 0 && path.at[0] != '/') {
		buffer_append(&whole, queue.at, queue.length);
		buffer_append_text(&whole, "/");
	}
	buffer_append(&whole, path.at, path.length);
	is_ours = !whole.failed && is(buffer_span(&whole), check->config->socket_path);
	buffer_free(&whole);
	return is_ours;
}

/* inet:port@host is Postfix's inet:host:port; the port will do to know it by. */
static bool is_our_port(const struct check *check, struct span socket)
{
	const char *port = strchr(check->config->socket, ':') + 1;
	const size_t length = strcspn(port, "@");

	return length > 0 && socket.length > length &&
	       socket.at[socket.length - length - 1] == ':' &&
	       memcmp(socket.at + socket.length - length, port, length) == 0;
}

static bool is_ours(const struct check *check, struct span element)
{
	const struct span socket = socket_of(element);

	if (!check->config->socket_path)
		return is_our_port(check, socket);
	return socket.length > 5 && memcmp(socket.at, "unix:", 5) == 0 &&
	       is_our_path(check, (struct span){socket.at + 5, socket.length - 5});
}

/* OpenDKIM and its like, by name, or by the port that OpenDKIM's documentation gives it. */
static bool is_signer(struct span element)
{
	return postfix_span_has(element, "dkim") || postfix_span_has(element, "openarc") ||
	       postfix_span_has(element, ":8891");
}

struct filter_list {
	bool has_ours;
	bool signer_first;
	struct span ours;
};

static struct filter_list look_at_filters(const struct check *check, struct span list)
{
	struct filter_list found = {.has_ours = false};
	struct span element;
	bool signer = false;

	while (postfix_next_element(&list, &element)) {
		if (is_ours(check, element)) {
			found.signer_first |= signer && !found.has_ours;
			found.has_ours = true;
			found.ours = element;
		}
		signer |= is_signer(element);
	}
	return found;
}

/* ---- where the filter sits ---- */

/* Is it where mail comes in? */
static bool is_at_front(const struct check *check)
{
	return look_at_filters(check, value(check, "smtpd_milters")).has_ours ||
	       look_at_filters(check, value(check, "non_smtpd_milters")).has_ours;
}

static void check_places(const struct check *check)
{
	const struct filter_list smtp = look_at_filters(check, value(check, "smtpd_milters"));
	const struct filter_list local = look_at_filters(check, value(check, "non_smtpd_milters"));

	if (!smtp.has_ours)
		warn(check, "smtpd_milters does not name this filter: mail by SMTP cancels no "
			    "invites");
	if (!local.has_ours)
		warn(check, "non_smtpd_milters does not name this filter: mail by sendmail(1) "
			    "cancels no invites");
	if (smtp.signer_first || local.signer_first)
		warn(check, "the filter runs after one that signs (DKIM), and breaks its "
			    "signature; put it first");
}

/* Services that people and programs log in to. */
static bool is_submission(struct span service)
{
	static const char *const names[] = {"submission/inet", "submissions/inet", "smtps/inet",
					    "587/inet", "465/inet"};

	for (size_t i = service.length; i > 0; i--)
		if (service.at[i - 1] == ':') {
			span_advance(&service, i);
			break;
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is(service, names[i]))
			return true;
	return false;
}

static void check_submission(const struct check *check, struct span service)
{
	const char *slash = memchr(service.at, '/', service.length);
	struct span found;
	char shown[64];

	problem_quote(shown, sizeof(shown), service.at, (size_t)(slash - service.at));
	if (postfix_override(check->postfix, service, "smtpd_milters", &found) &&
	    !look_at_filters(check, found).has_ours)
		buffer_printf(check->warnings,
			      "master.cf: %s has smtpd_milters of its own, without this filter: "
			      "mail there cancels no invites\n",
			      shown);
	if (postfix_override(check->postfix, service, "receive_override_options", &found) &&
	    postfix_span_has(found, "no_milters"))
		buffer_printf(check->warnings,
			      "master.cf: %s has no_milters: mail there cancels no "
			      "invites\n",
			      shown);
}

static void check_services(const struct check *check)
{
	struct span rest = buffer_span(&check->postfix->services);
	struct buffer service = buffer_with_maximum(256);

	while (postfix_next_service(&rest, &service))
		if (is_submission(buffer_span(&service)))
			check_submission(check, buffer_span(&service));
	buffer_free(&service);
}

static void check_mode(const struct check *check)
{
	const bool queued = has_second_listener(check);

	if (queued != (check->config->mode == MODE_QUEUED))
		warn(check, queued ? "Postfix is set up for queued mode, but \"mode\" is direct"
				   : "Postfix is set up for direct mode, but \"mode\" is not "
				     "direct");
	else if (queued && check->config->route != ROUTE_HEADER)
		warn(check, "\"route\" is not header: Postfix cannot route by recipient domains, "
			    "which is for Sendmail");
}

/* ---- times, sizes, and what happens while the filter is away ---- */

static void check_content_timeout(const struct check *check)
{
	const long long timeout = postfix_seconds(value(check, "milter_content_timeout"), 's');
	long long longest = 0;

	for (size_t i = 0; i < check->config->account_count; i++)
		if (check->config->accounts[i].deadline > longest)
			longest = check->config->accounts[i].deadline;
	if (timeout >= 0 && timeout < longest / 1000)
		buffer_printf(check->warnings,
			      "milter_content_timeout (%lld s) is shorter than the deadline "
			      "(%lld s): Postfix gives up first\n",
			      timeout, longest / 1000);
}

static void check_size_limit(const struct check *check)
{
	char unit;
	const long long limit = postfix_number(value(check, "message_size_limit"), &unit);

	if (limit <= 0 || unit || limit >= check->config->max_message_size + ROOM_FOR_CALENDAR)
		return;
	buffer_printf(check->warnings,
		      "message_size_limit (%lld) leaves no room for the calendar over "
		      "max_message_size (%lld): mail would be refused after its invite was "
		      "cancelled\n",
		      limit, check->config->max_message_size);
}

/* { unix:..., default_action=... } goes before milter_default_action. */
static void check_default_action(const struct check *check)
{
	const struct filter_list smtp = look_at_filters(check, value(check, "smtpd_milters"));
	const struct span action = value(check, "milter_default_action");

	if (postfix_span_has(smtp.ours, "default_action")) {
		if (!postfix_span_has(smtp.ours, "tempfail") &&
		    !postfix_span_has(smtp.ours, "shutdown"))
			warn(check, "smtpd_milters has a default_action for this filter that is "
				    "not tempfail: while the filter is down, cancellations leave "
				    "without their calendar");
	} else if (action.length > 0 && !is(action, "tempfail") && !is(action, "shutdown")) {
		warn(check, "milter_default_action is not tempfail: while the filter is down, "
			    "cancellations leave without their calendar");
	}
}

static void check_protocol(const struct check *check)
{
	char unit;
	const long long protocol = postfix_number(value(check, "milter_protocol"), &unit);

	if (protocol >= 0 && protocol < 6)
		warn(check, "milter_protocol is below 6, which the filter needs: remove it");
}

static void check_soft_bounce(const struct check *check)
{
	if (is(value(check, "soft_bounce"), "yes"))
		warn(check, "soft_bounce: mail whose cancellation is refused stays in the queue "
			    "instead of bouncing");
}

static void check_content_filter(const struct check *check)
{
	if (value(check, "content_filter").length > 0 && !has_second_listener(check))
		warn(check, "content_filter sees mail only after its invite was cancelled: mail "
			    "that it then blocks has cancelled its invite all the same");
}

/* ---- the way to the second listener ---- */

/* Without it stamped mail goes to its recipients as it is: with the stamp, without a calendar. */
static void check_route(const struct check *check)
{
	struct span rest = value(check, "milter_header_checks"), first = {"", 0};

	if (check->config->mode != MODE_QUEUED || check->config->route != ROUTE_HEADER)
		return;
	postfix_next_element(&rest, &first);
	if (!postfix_span_has(value(check, "milter_header_checks"), "cancel-invite"))
		warn(check, "milter_header_checks does not name cancel-invite-route: tagged mail "
			    "does not go to the second listener, and is delivered without its "
			    "calendar");
	else if (!postfix_span_has(first, "cancel-invite"))
		warn(check, "milter_header_checks has another table before cancel-invite-route: a "
			    "rule there for X- headers delivers tagged mail without its calendar; "
			    "put cancel-invite-route first");
}

/* Routed mode: tables are looked at in their order, and the filter is at the second listener alone. */
static void check_routing(const struct check *check)
{
	static const char *const names[] = {"header_checks", "cancel_invite_header_checks"};
	bool routed = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct span rest = value(check, names[i]), first;

		routed |= postfix_next_element(&rest, &first) &&
			  postfix_span_has(first, "cancel-invite-route");
	}
	if (!has_second_listener(check))
		warn(check,
		     "\"mode\" is routed, but there is no transport cancel-invite: Postfix is not "
		     "set up for it; see cancel-invite-setup(8)");
	else if (!routed)
		warn(check, "neither header_checks nor cancel_invite_header_checks begins with "
			    "cancel-invite-route: tagged mail does not go to the second listener, "
			    "and is delivered without its calendar");
	if (is_at_front(check))
		warn(check, "\"mode\" is routed, but smtpd_milters or non_smtpd_milters names this "
			    "filter: it defers tagged mail there; remove it");
}

/* Postfix has to remember the address in RCPT TO: the invite is that one's. */
static void check_original_recipient(const struct check *check)
{
	if (is(value(check, "enable_original_recipient"), "no"))
		warn(check, "enable_original_recipient = no: behind an alias the wrong invite is "
			    "cancelled");
}

static void check_rewriting(const struct check *check)
{
	static const struct {
		const char *maps, *classes;
	} rewriting[] = {
		{"canonical_maps", "canonical_classes"},
		{"sender_canonical_maps", "sender_canonical_classes"},
		{"masquerade_domains", "masquerade_classes"},
	};

	if (check->config->mode != MODE_QUEUED) /* no stamp */
		return;
	for (size_t i = 0; i < sizeof(rewriting) / sizeof(rewriting[0]); i++)
		if (value(check, rewriting[i].maps).length > 0 &&
		    postfix_span_has(value(check, rewriting[i].classes), "envelope_sender"))
			buffer_printf(check->warnings,
				      "%s can change the envelope sender of tagged mail, which "
				      "makes its stamp invalid: remove envelope_sender from %s\n",
				      rewriting[i].maps, rewriting[i].classes);
}

static void check_copies(const struct check *check)
{
	static const char *const copies[] = {"always_bcc", "recipient_bcc_maps", "sender_bcc_maps"};

	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		if (value(check, copies[i]).length > 0 && check->config->archives.count == 0)
			buffer_printf(check->warnings,
				      "%s sends copies of tagged mail to the second listener, too, "
				      "for recipients that Cronofy does not know: list them in "
				      "\"archives\"\n",
				      copies[i]);
}

static void check_recipient_limit(const struct check *check)
{
	if (!is(value(check, "cancel-invite_destination_recipient_limit"), "1"))
		warn(check, "cancel-invite_destination_recipient_limit is not 1: a message for "
			    "several recipients would never be cancelled (451)");
}

/* Both ends of the second hop have to speak DSN: it carries whose invite it was (ORCPT). */
static void check_keywords(const struct check *check)
{
	struct span rest = buffer_span(&check->postfix->services), found;
	struct buffer service = buffer_with_maximum(256);
	const struct span client = postfix_service_parameter(
		check->postfix, span_of_text(TRANSPORT), "smtp_discard_ehlo_keywords");
	bool discarded = postfix_span_has(client, "dsn");

	while (!discarded && postfix_next_service(&rest, &service))
		if (postfix_override(check->postfix, buffer_span(&service),
				     "milter_macro_daemon_name", &found) &&
		    is(found, check->config->queue_daemon))
			discarded = postfix_span_has(
				postfix_service_parameter(check->postfix, buffer_span(&service),
							  "smtpd_discard_ehlo_keywords"),
				"dsn");
	buffer_free(&service);
	if (discarded)
		warn(check, "the way to the second listener discards the EHLO keyword dsn: behind "
			    "an alias the wrong invite is cancelled; add -o "
			    "smtp_discard_ehlo_keywords= and -o smtpd_discard_ehlo_keywords= in "
			    "master.cf");
}

/* Postfix puts a blank into a header line that is longer: the id becomes another one. */
static void check_line_length(const struct check *check)
{
	const struct span limit = postfix_service_parameter(check->postfix, span_of_text(TRANSPORT),
							    "smtp_line_length_limit");

	if (limit.length > 0 && !is(limit, "0"))
		warn(check, "the transport cancel-invite breaks long lines: a long id is damaged; "
			    "add -o smtp_line_length_limit=0 in master.cf");
}

static void check_listener_name(const struct check *check)
{
	struct span rest = buffer_span(&check->postfix->services), found;
	struct buffer service = buffer_with_maximum(256);
	bool named = false;

	while (!named && postfix_next_service(&rest, &service))
		named = postfix_override(check->postfix, buffer_span(&service),
					 "milter_macro_daemon_name", &found) &&
			is(found, check->config->queue_daemon);
	buffer_free(&service);
	if (!named)
		buffer_printf(check->warnings,
			      "no listener in master.cf has -o milter_macro_daemon_name=%s "
			      "(\"queue_daemon\"): the filter cannot recognize the second "
			      "listener\n",
			      check->config->queue_daemon);
}

/* Mail may come back from the queue later than its stamp holds. */
static void check_lifetime(const struct check *check)
{
	const long long queue = postfix_seconds(value(check, "maximal_queue_lifetime"), 'd');

	if (check->config->mode == MODE_QUEUED && queue > check->config->stamp_lifetime / 1000)
		buffer_printf(check->warnings,
			      "maximal_queue_lifetime (%lld s) is longer than stamp_lifetime (%lld "
			      "s): mail that waits longer than stamp_lifetime is refused\n",
			      queue, check->config->stamp_lifetime / 1000);
}

/* ---- the rules ---- */

typedef void rule(const struct check *);

/* Where the filter stands at the listeners that mail comes in by. */
static rule *const at_the_front[] = {check_services, check_places, check_default_action,
				     check_content_filter, check_mode};

/* Of every set-up. */
static rule *const always[] = {check_content_timeout, check_size_limit, check_protocol,
			       check_soft_bounce};

/* Where there is a second listener. */
static rule *const behind_the_queue[] = {check_copies,        check_recipient_limit,
					 check_keywords,      check_line_length,
					 check_listener_name, check_original_recipient};

/* Where it knows mail by its stamp. */
static rule *const of_stamps[] = {check_route, check_rewriting, check_lifetime};

static void apply(const struct check *check, rule *const *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rules[i](check);
}

#define APPLY(check, rules) apply(check, rules, sizeof(rules) / sizeof((rules)[0]))

void postfix_check(const struct postfix *postfix, const struct config *config,
		   struct buffer *warnings)
{
	const struct check check = {postfix, config, warnings};

	if (config->mode != MODE_ROUTED && !is_at_front(&check)) {
		warn(&check, "neither smtpd_milters nor non_smtpd_milters names this filter's "
			     "socket: Postfix does not use it; see cancel-invite-setup(8)");
		return;
	}
	if (config->mode == MODE_ROUTED)
		check_routing(&check);
	else
		APPLY(&check, at_the_front);
	APPLY(&check, always);
	if (has_second_listener(&check))
		APPLY(&check, behind_the_queue);
	if (has_second_listener(&check) && config->mode != MODE_ROUTED)
		APPLY(&check, of_stamps);
}
