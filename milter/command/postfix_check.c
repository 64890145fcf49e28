#include "postfix_check.h"

#include "postfix_text.h"
#include "problem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A calendar goes into a message twice, once in base64. */
#define ROOM_FOR_CALENDAR ((long long)256 * 1024)

struct files {
	struct span main_cf, master_cf;
	const struct config *config;
	struct buffer *warnings;
	struct buffer queue_directory;
	bool queued; /* there is the way to the second listener */
};

/* ---- lists of filters ---- */

/* The socket of an element: { socket, option=value ... } or the socket alone. */
static struct span socket_of(struct span element)
{
	struct span rest = element, found = element;

	if (element.length > 1 && element.at[0] == '{') {
		rest.at++;
		rest.length -= 2;
		if (!postfix_text_next_element(&rest, POSTFIX_TEXT_COMMAS, &found))
			found.length = 0;
	}
	return found;
}

/* unix:cancel-invite-milter/milter.sock is relative to the queue directory. */
static bool is_our_path(const struct files *files, struct span path)
{
	const char *ours = files->config->socket_path;
	struct buffer whole = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM);
	bool is;

	if (path.length > 0 && path.at[0] != '/')
		buffer_printf(&whole, "%s/",
			      files->queue_directory.data ? files->queue_directory.data : "");
	buffer_append(&whole, path.at, path.length);
	is = ours && whole.data && strcmp(whole.data, ours) == 0;
	buffer_free(&whole);
	return is;
}

/* inet:port@host is Postfix's inet:host:port; the port will do to know it by. */
static bool is_our_port(const struct files *files, struct span socket)
{
	const char *port = strchr(files->config->socket, ':');
	size_t length;

	if (files->config->socket_path || !port)
		return false;
	port++;
	length = strcspn(port, "@");
	return length > 0 && socket.length > length &&
	       socket.at[socket.length - length - 1] == ':' &&
	       memcmp(socket.at + socket.length - length, port, length) == 0;
}

static bool is_ours(const struct files *files, struct span element)
{
	const struct span socket = socket_of(element);

	if (socket.length > 5 && memcmp(socket.at, "unix:", 5) == 0)
		return is_our_path(files, (struct span){socket.at + 5, socket.length - 5});
	return is_our_port(files, socket);
}

/* OpenDKIM and its like, by name, or by the port that OpenDKIM's documentation gives it. */
static bool is_signer(struct span element)
{
	static const char *const marks[] = {"dkim", "openarc", ":8891"};
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)(element.length < 255 ? element.length : 255),
		 element.at);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcasestr(text, marks[i]))
			return true;
	return false;
}

struct filter_list {
	bool has_ours;
	bool signer_first;
};

static struct filter_list look_at_filters(const struct files *files, struct span list)
{
	struct filter_list found = {false, false};
	struct span element;
	bool signer = false;

	while (postfix_text_next_element(&list, POSTFIX_TEXT_COMMAS, &element)) {
		if (is_ours(files, element)) {
			found.signer_first = found.signer_first || (signer && !found.has_ours);
			found.has_ours = true;
		}
		signer = signer || is_signer(element);
	}
	return found;
}

static struct filter_list filters_of(const struct files *files, const char *name)
{
	struct buffer value = postfix_text_parameter(files->main_cf, name, "");
	const struct filter_list found = look_at_filters(files, buffer_span(&value));

	buffer_free(&value);
	return found;
}

/* ---- warnings ---- */

static void warn(const struct files *files, const char *text)
{
	buffer_append_text(files->warnings, text);
	buffer_append_text(files->warnings, "\n");
}

static void check_places(const struct files *files, struct filter_list smtp,
			 struct filter_list local)
{
	if (!smtp.has_ours)
		warn(files, "smtpd_milters does not name this filter: mail by SMTP cancels "
			    "nothing");
	if (!local.has_ours)
		warn(files, "non_smtpd_milters does not name this filter: mail by sendmail(1) "
			    "cancels nothing");
	if (smtp.signer_first || local.signer_first)
		warn(files, "the filter stands behind one that signs (DKIM): the signature breaks; "
			    "put it before");
}

static void check_content_timeout(const struct files *files)
{
	static const char units[] = "smhdw";
	static const long long seconds[] = {1, 60, 3600, 86400, 604800};
	long long longest = 0, timeout;
	const char *at;
	char unit;

	timeout = postfix_text_number(files->main_cf, "milter_content_timeout", "300s", &unit);
	at = strchr(units, unit ? unit : 's');
	if (timeout < 0 || !at)
		return;
	timeout *= seconds[at - units];
	for (size_t i = 0; i < files->config->account_count; i++)
		if (files->config->accounts[i].deadline > longest)
			longest = files->config->accounts[i].deadline;
	if (timeout < longest / 1000) {
		buffer_printf(files->warnings,
			      "milter_content_timeout (%lld s) is shorter than the deadline "
			      "(%lld s): Postfix gives up first\n",
			      timeout, longest / 1000);
	}
}

static void check_size_limit(const struct files *files)
{
	char unit;
	const long long limit =
		postfix_text_number(files->main_cf, "message_size_limit", "10240000", &unit);

	if (limit <= 0 || unit || limit >= files->config->max_message_size + ROOM_FOR_CALENDAR)
		return;
	buffer_printf(files->warnings,
		      "message_size_limit (%lld) leaves no room for the calendar over "
		      "max_message_size (%lld): mail would be refused after its invite was "
		      "cancelled\n",
		      limit, files->config->max_message_size);
}

static void check_default_action(const struct files *files)
{
	struct buffer action =
		postfix_text_parameter(files->main_cf, "milter_default_action", "tempfail");

	if (action.data && strcmp(action.data, "tempfail") != 0 &&
	    strcmp(action.data, "shutdown") != 0 &&
	    !postfix_text_has(files->main_cf, "smtpd_milters", "", "default_action"))
		warn(files, "milter_default_action is not tempfail: while the filter is down, "
			    "cancellations leave without their calendar");
	buffer_free(&action);
}

static void check_rewriting(const struct files *files)
{
	static const struct {
		const char *maps, *classes, *initial;
	} rewriting[] = {
		{"canonical_maps", "canonical_classes", "envelope_sender"},
		{"sender_canonical_maps", "sender_canonical_classes", "envelope_sender"},
		{"masquerade_domains", "masquerade_classes", "envelope_sender"},
	};
	static const char *const copies[] = {"always_bcc", "recipient_bcc_maps", "sender_bcc_maps"};

	for (size_t i = 0; i < sizeof(rewriting) / sizeof(rewriting[0]); i++)
		if (postfix_text_is_set(files->main_cf, rewriting[i].maps) &&
		    postfix_text_has(files->main_cf, rewriting[i].classes, rewriting[i].initial,
				     "envelope_sender"))
			buffer_printf(files->warnings,
				      "%s can change the envelope sender of tagged mail, for which "
				      "its stamp then does not hold: take envelope_sender out of "
				      "%s\n",
				      rewriting[i].maps, rewriting[i].classes);
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		if (postfix_text_is_set(files->main_cf, copies[i]) &&
		    files->config->archives.count == 0)
			buffer_printf(files->warnings,
				      "%s sends copies of tagged mail the second way too, to "
				      "recipients that Cronofy does not know: name them in "
				      "\"archives\"\n",
				      copies[i]);
}

/* Without it stamped mail goes to its recipients as it is: with the stamp, without a calendar. */
static void check_route(const struct files *files)
{
	if (files->config->mode == MODE_QUEUED && files->config->route == ROUTE_HEADER &&
	    !postfix_text_has(files->main_cf, "milter_header_checks", "", "cancel-invite"))
		warn(files,
		     "milter_header_checks does not name cancel-invite-route: tagged mail would "
		     "not go to the second listener, and be delivered without its calendar");
}

static void check_rest(const struct files *files)
{
	char unit;
	const long long protocol =
		postfix_text_number(files->main_cf, "milter_protocol", "6", &unit);

	if (protocol >= 0 && protocol < 6)
		warn(files, "milter_protocol is below 6, which the filter needs: take it out");
	if (postfix_text_has(files->main_cf, "soft_bounce", "no", "yes"))
		warn(files, "soft_bounce: mail whose cancellation is refused stays in the queue "
			    "instead of bouncing");
	if (files->queued != (files->config->mode == MODE_QUEUED))
		warn(files, files->queued
				    ? "set up for queued mode, and \"mode\" says direct"
				    : "set up for direct mode, and \"mode\" does not say direct");
}

/* ---- master.cf ---- */

/* Services that people and programs log in to. */
static bool is_submission(struct span service)
{
	static const char *const names[] = {"submission", "submissions", "smtps", "587", "465"};

	for (size_t i = service.length; i > 0; i--)
		if (service.at[i - 1] == ':') {
			service.at += i;
			service.length -= i;
			break;
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_is(service, names[i]))
			return true;
	return false;
}

static void check_service(const struct files *files, struct span service, struct span arguments)
{
	struct span name, value;
	char shown[64];

	problem_quote(shown, sizeof(shown), service.at, service.length);
	while (postfix_text_next_option(&arguments, &name, &value)) {
		struct buffer list = postfix_text_expanded(files->main_cf, value);

		if (span_is(name, "smtpd_milters") &&
		    !look_at_filters(files, buffer_span(&list)).has_ours)
			buffer_printf(files->warnings,
				      "master.cf: %s has smtpd_milters of its own, without this "
				      "filter: mail there cancels nothing\n",
				      shown);
		else if (span_is(name, "receive_override_options") && list.data &&
			 strstr(list.data, "no_milters"))
			buffer_printf(files->warnings,
				      "master.cf: %s has no_milters: mail there cancels nothing\n",
				      shown);
		buffer_free(&list);
	}
}

static void check_services(struct files *files)
{
	struct buffer line = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM);
	struct span rest = files->master_cf;

	while (postfix_text_next_line(&rest, &line)) {
		struct span text = buffer_span(&line), service, type;

		if (!postfix_text_next_element(&text, POSTFIX_TEXT_BLANKS, &service) ||
		    !postfix_text_next_element(&text, POSTFIX_TEXT_BLANKS, &type))
			continue;
		if (span_is(service, "cancel-invite") && span_is(type, "unix"))
			files->queued = true;
		else if (span_is(type, "inet") && is_submission(service))
			check_service(files, service, text);
	}
	buffer_free(&line);
}

static void check_all(struct files *files)
{
	const struct filter_list smtp = filters_of(files, "smtpd_milters");
	const struct filter_list local = filters_of(files, "non_smtpd_milters");

	if (!smtp.has_ours && !local.has_ours) {
		warn(files, "neither smtpd_milters nor non_smtpd_milters names this filter's "
			    "socket: Postfix does not use it; see conf/postfix/setup");
		return;
	}
	check_services(files);
	check_places(files, smtp, local);
	check_content_timeout(files);
	check_size_limit(files);
	check_default_action(files);
	if (files->queued) {
		check_route(files);
		check_rewriting(files);
	}
	check_rest(files);
}

void postfix_check(struct span main_cf, struct span master_cf, const struct config *config,
		   struct buffer *warnings)
{
	struct files files = {
		.main_cf = main_cf, .master_cf = master_cf, .config = config, .warnings = warnings};

	files.queue_directory =
		postfix_text_parameter(files.main_cf, "queue_directory", "/var/spool/postfix");
	check_all(&files);
	buffer_free(&files.queue_directory);
}

/* ---- files ---- */

/* Whole, or its beginning; nothing if it cannot be read. */
static bool read_file(const char *folder, const char *name, struct buffer *out)
{
	char path[512], piece[8192];
	const int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
	struct stat status;
	ssize_t count;
	int file;

	if (length < 0 || (size_t)length >= sizeof(path))
		return false;
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file < 0)
		return false;
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
		while (!out->failed && (count = read(file, piece, sizeof(piece))) > 0)
			buffer_append(out, piece, (size_t)count);
	close(file);
	return out->length > 0;
}

bool postfix_check_folder(const char *folder, const struct config *config, struct buffer *warnings)
{
	struct buffer main_cf = buffer_with_maximum(POSTFIX_CHECK_FILE_MAXIMUM);
	struct buffer master_cf = buffer_with_maximum(POSTFIX_CHECK_FILE_MAXIMUM);
	const bool seen = read_file(folder, "main.cf", &main_cf);

	if (seen) {
		read_file(folder, "master.cf", &master_cf);
		postfix_check(buffer_span(&main_cf), buffer_span(&master_cf), config, warnings);
	}
	buffer_free(&main_cf);
	buffer_free(&master_cf);
	return seen;
}
