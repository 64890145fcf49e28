#include "postfix_check.h"

#include "problem.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A calendar goes into a message twice, once in base64. */
#define ROOM_FOR_CALENDAR ((long long)256 * 1024)

#define VALUE_MAXIMUM   ((size_t)16 * 1024) /* of one value, everything replaced */
#define EXPANSIONS      200                 /* of $names for one value, one in another included */
#define EXPANSION_DEPTH 10

struct files {
	struct span main_cf, master_cf;
	const struct config *config;
	struct buffer *warnings;
	struct buffer queue_directory;
	bool queued; /* there is the way to the second listener */
};

/* ---- reading ---- */

static struct span take_line(struct span *rest)
{
	const char *newline = memchr(rest->at, '\n', rest->length);
	struct span line = {rest->at, newline ? (size_t)(newline - rest->at) : rest->length};
	const size_t taken = newline ? line.length + 1 : line.length;

	rest->at += taken;
	rest->length -= taken;
	return line;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Empty, or a comment: such a line may also stand between a line and what it goes on with. */
static bool says_nothing(struct span line)
{
	line = span_trim(line);
	return line.length == 0 || line.at[0] == '#';
}

/* The next logical line: a line and those behind white space that it goes on with. */
static bool take_logical_line(struct span *rest, struct buffer *out)
{
	bool found = false;

	buffer_clear(out);
	while (rest->length > 0) {
		struct span after = *rest, line = take_line(&after);

		if (!says_nothing(line)) {
			if (found && !is_space(line.at[0]))
				break;
			line = span_trim(line);
			if (found)
				buffer_append_text(out, " ");
			buffer_append(out, line.at, line.length);
			found = true;
		}
		*rest = after;
	}
	return found;
}

static struct span span_of(const struct buffer *buffer)
{
	return (struct span){buffer->data ? buffer->data : "", buffer->length};
}

/* Cuts "name = value" in two. False if there is no = in it. */
static bool cut_assignment(struct span text, struct span *name, struct span *value)
{
	const char *equals = text.length > 0 ? memchr(text.at, '=', text.length) : NULL;

	if (!equals)
		return false;
	*name = span_trim((struct span){text.at, (size_t)(equals - text.at)});
	*value = span_trim((struct span){equals + 1, text.length - (size_t)(equals + 1 - text.at)});
	return true;
}

static bool same(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* Appends what main.cf says a parameter is, as it stands there. False if it says nothing. */
static bool find_parameter(const struct files *files, struct span wanted, struct buffer *out)
{
	struct buffer line = buffer_with_maximum(VALUE_MAXIMUM), last = line;
	struct span rest = files->main_cf, name, value;
	bool found = false;

	while (take_logical_line(&rest, &line)) {
		if (!cut_assignment(span_of(&line), &name, &value) || !same(name, wanted))
			continue;
		found = true;
		buffer_clear(&last);
		buffer_append(&last, value.at, value.length);
	}
	if (found)
		buffer_append(out, last.data, last.length);
	buffer_free(&line);
	buffer_free(&last);
	return found;
}

/* $name, ${name} or $(name) at the start of `text`: the name, and how long all of it is. */
static size_t reference_at(struct span text, struct span *name)
{
	size_t begin = 1, end;
	char close = '\0';

	if (text.length < 2 || text.at[0] != '$')
		return 0;
	if (text.at[1] == '{' || text.at[1] == '(') {
		close = text.at[1] == '{' ? '}' : ')';
		begin = 2;
	}
	for (end = begin;
	     end < text.length && (isalnum((unsigned char)text.at[end]) || text.at[end] == '_');)
		end++;
	*name = (struct span){text.at + begin, end - begin};
	if (name->length == 0 || (close && (end == text.length || text.at[end] != close)))
		return 0;
	return close ? end + 1 : end;
}

/* Appends `text` with its $names replaced, as long as that is a sensible number of times. */
static void expand(const struct files *files, struct span text, int depth, int *left,
		   struct buffer *out)
{
	for (size_t i = 0, length; i < text.length; i += length) {
		struct buffer value = buffer_with_maximum(VALUE_MAXIMUM);
		struct span name;

		length = reference_at((struct span){text.at + i, text.length - i}, &name);
		if (length > 0 && depth<EXPANSION_DEPTH && * left> 0) {
			(*left)--;
			if (find_parameter(files, name, &value))
				expand(files, span_of(&value), depth + 1, left, out);
			buffer_free(&value);
			continue;
		}
		length = 1;
		buffer_append(out, text.at + i, 1);
	}
}

/* A parameter's value, or Postfix's default; the caller frees it. */
static struct buffer parameter(const struct files *files, const char *name, const char *initial)
{
	struct buffer raw = buffer_with_maximum(VALUE_MAXIMUM), out = raw;
	int left = EXPANSIONS;

	if (!find_parameter(files, (struct span){name, strlen(name)}, &raw))
		buffer_append_text(&raw, initial);
	expand(files, span_of(&raw), 0, &left, &out);
	buffer_free(&raw);
	return out;
}

/* A whole number, and the letter behind it; -1 if it is none. */
static long long number_of(struct span text, char *unit)
{
	long long number = 0;
	size_t i = 0;

	*unit = '\0';
	while (i < text.length && isdigit((unsigned char)text.at[i]) && i < 15)
		number = number * 10 + (text.at[i++] - '0');
	if (i == 0 || i + 1 < text.length)
		return -1;
	if (i < text.length)
		*unit = text.at[i];
	return number;
}

static long long number_parameter(const struct files *files, const char *name, const char *initial,
				  char *unit)
{
	struct buffer value = parameter(files, name, initial);
	const long long number = number_of(span_trim(span_of(&value)), unit);

	buffer_free(&value);
	return number;
}

static bool parameter_is_set(const struct files *files, const char *name)
{
	struct buffer value = parameter(files, name, "");
	const bool set = span_trim(span_of(&value)).length > 0;

	buffer_free(&value);
	return set;
}

static bool parameter_has(const struct files *files, const char *name, const char *initial,
			  const char *word)
{
	struct buffer value = parameter(files, name, initial);
	const bool has = value.data && strstr(value.data, word);

	buffer_free(&value);
	return has;
}

/* ---- lists of filters ---- */

#define BLANKS " \t\r"
#define COMMAS BLANKS ","

/* Cuts the next element, {in braces} or up to a separator, off the front of a list. */
static bool take_element(struct span *rest, const char *separators, struct span *element)
{
	int depth = 0;
	size_t i = 0;

	while (rest->length > 0 && rest->at[0] && strchr(separators, rest->at[0])) {
		rest->at++;
		rest->length--;
	}
	for (; i < rest->length; i++) {
		const char c = rest->at[i];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && c && strchr(separators, c))
			break;
	}
	*element = (struct span){rest->at, i};
	rest->at += i;
	rest->length -= i;
	return i > 0;
}

/* The socket of an element: { socket, option=value ... } or the socket alone. */
static struct span socket_of(struct span element)
{
	struct span rest = element, found = element;

	if (element.length > 1 && element.at[0] == '{') {
		rest.at++;
		rest.length -= 2;
		if (!take_element(&rest, COMMAS, &found))
			found.length = 0;
	}
	return found;
}

/* unix:cancel-invite-milter/milter.sock is relative to the queue directory. */
static bool is_our_path(const struct files *files, struct span path)
{
	const char *ours = files->config->socket_path;
	struct buffer whole = buffer_with_maximum(VALUE_MAXIMUM);
	bool is;

	if (path.length > 0 && path.at[0] != '/')
		buffer_printf(&whole, "%s/",
			      files->queue_directory.data ? files->queue_directory.data : "");
	buffer_append(&whole, path.at, path.length);
	is = ours && same(span_of(&whole), (struct span){ours, strlen(ours)});
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

	while (take_element(&list, COMMAS, &element)) {
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
	struct buffer value = parameter(files, name, "");
	const struct filter_list found = look_at_filters(files, span_of(&value));

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

	timeout = number_parameter(files, "milter_content_timeout", "300s", &unit);
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
	const long long limit = number_parameter(files, "message_size_limit", "10240000", &unit);

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
	struct buffer action = parameter(files, "milter_default_action", "tempfail");

	if (action.data && strcmp(action.data, "tempfail") != 0 &&
	    strcmp(action.data, "shutdown") != 0 &&
	    !parameter_has(files, "smtpd_milters", "", "default_action"))
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
		if (parameter_is_set(files, rewriting[i].maps) &&
		    parameter_has(files, rewriting[i].classes, rewriting[i].initial,
				  "envelope_sender"))
			buffer_printf(files->warnings,
				      "%s can change the envelope sender of tagged mail, for which "
				      "its stamp then does not hold: take envelope_sender out of "
				      "%s\n",
				      rewriting[i].maps, rewriting[i].classes);
	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		if (parameter_is_set(files, copies[i]))
			buffer_printf(files->warnings,
				      "%s sends copies of tagged mail the second way too, to "
				      "recipients that Cronofy does not know\n",
				      copies[i]);
}

static void check_rest(const struct files *files)
{
	char unit;
	const long long protocol = number_parameter(files, "milter_protocol", "6", &unit);

	if (protocol >= 0 && protocol < 6)
		warn(files, "milter_protocol is below 6, which the filter needs: take it out");
	if (parameter_has(files, "soft_bounce", "no", "yes"))
		warn(files, "soft_bounce: mail whose cancellation is refused stays in the queue "
			    "instead of bouncing");
	if (files->queued != (files->config->mode != 0))
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

/* Takes the next "-o name=value" or "-o { name = value }" off a service's arguments. */
static bool take_option(struct span *rest, struct span *name, struct span *value)
{
	struct span word;

	while (take_element(rest, BLANKS, &word)) {
		if (!span_is(word, "-o") || !take_element(rest, BLANKS, &word))
			continue;
		if (word.length > 1 && word.at[0] == '{') {
			word.at++;
			word.length -= 2;
		}
		if (cut_assignment(word, name, value))
			return true;
	}
	return false;
}

static void check_service(const struct files *files, struct span service, struct span arguments)
{
	struct span name, value;
	char shown[64];

	problem_quote(shown, sizeof(shown), service.at, service.length);
	while (take_option(&arguments, &name, &value)) {
		struct buffer list = buffer_with_maximum(VALUE_MAXIMUM);
		int left = EXPANSIONS;

		if (span_is(name, "smtpd_milters")) {
			expand(files, value, 0, &left, &list);
			if (!look_at_filters(files, span_of(&list)).has_ours)
				buffer_printf(files->warnings,
					      "master.cf: %s has smtpd_milters of its own, without "
					      "this filter: mail there cancels nothing\n",
					      shown);
		} else if (span_is(name, "receive_override_options")) {
			buffer_append(&list, value.at, value.length);
			if (list.data && strstr(list.data, "no_milters"))
				buffer_printf(files->warnings,
					      "master.cf: %s has no_milters: mail there cancels "
					      "nothing\n",
					      shown);
		}
		buffer_free(&list);
	}
}

static void check_services(struct files *files)
{
	struct buffer line = buffer_with_maximum(VALUE_MAXIMUM);
	struct span rest = files->master_cf;

	while (take_logical_line(&rest, &line)) {
		struct span text = span_of(&line), service, type;

		if (!take_element(&text, BLANKS, &service) || !take_element(&text, BLANKS, &type))
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
	if (files->queued)
		check_rewriting(files);
	check_rest(files);
}

void postfix_check(struct span main_cf, struct span master_cf, const struct config *config,
		   struct buffer *warnings)
{
	struct files files = {
		.main_cf = main_cf, .master_cf = master_cf, .config = config, .warnings = warnings};

	files.queue_directory = parameter(&files, "queue_directory", "/var/spool/postfix");
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
		postfix_check(span_of(&main_cf), span_of(&master_cf), config, warnings);
	}
	buffer_free(&main_cf);
	buffer_free(&master_cf);
	return seen;
}
