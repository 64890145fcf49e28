/* postfix: Postfix's configuration as its own postconf(1) tells it. */
#include "postfix.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAXIMUM   256                   /* bytes, of service/type/parameter */
#define OUTPUT_MAXIMUM ((size_t)1024 * 1024) /* bytes, of one answer */
#define TIMEOUT        10000                 /* ms, for one answer */

/* All that is asked for. postconf leaves out those it does not know. */
static const char *const asked[] = {
	"always_bcc",
	"cancel-invite_destination_recipient_limit",
	"cancel_invite_header_checks",
	"canonical_classes",
	"canonical_maps",
	"content_filter",
	"enable_original_recipient",
	"header_checks",
	"masquerade_classes",
	"masquerade_domains",
	"maximal_queue_lifetime",
	"message_size_limit",
	"milter_content_timeout",
	"milter_default_action",
	"milter_header_checks",
	"milter_protocol",
	"non_smtpd_milters",
	"queue_directory",
	"receive_override_options",
	"recipient_bcc_maps",
	"sender_bcc_maps",
	"sender_canonical_classes",
	"sender_canonical_maps",
	"smtp_discard_ehlo_keywords",
	"smtp_line_length_limit",
	"smtpd_discard_ehlo_keywords",
	"smtpd_milters",
	"soft_bounce",
};

#define ASKED_COUNT (sizeof(asked) / sizeof(asked[0]))

struct postfix postfix_new(void)
{
	return (struct postfix){
		.parameters = buffer_with_maximum(OUTPUT_MAXIMUM),
		.services = buffer_with_maximum(OUTPUT_MAXIMUM),
		.overrides = buffer_with_maximum(OUTPUT_MAXIMUM),
	};
}

void postfix_free(struct postfix *postfix)
{
	buffer_free(&postfix->parameters);
	buffer_free(&postfix->services);
	buffer_free(&postfix->overrides);
}

enum program_answer postfix_ask(struct postfix *postfix, const char *folder, struct problem *why)
{
	char *parameters[ASKED_COUNT + 5] = {"postconf", "-c", (char *)folder, "-x"};
	char *services[] = {"postconf", "-c", (char *)folder, "-M", NULL};
	char *overrides[] = {"postconf", "-c", (char *)folder, "-Px", NULL};
	enum program_answer answer;

	for (size_t i = 0; i < ASKED_COUNT; i++)
		parameters[4 + i] = (char *)asked[i];
	answer = program_ask(parameters, TIMEOUT, &postfix->parameters, why);
	if (answer == PROGRAM_SAID)
		answer = program_ask(services, TIMEOUT, &postfix->services, why);
	if (answer == PROGRAM_SAID)
		answer = program_ask(overrides, TIMEOUT, &postfix->overrides, why);
	return answer;
}

/* ---- lines ---- */

static struct span take_line(struct span *rest)
{
	const char *newline = memchr(rest->at, '\n', rest->length);
	struct span line = {rest->at, newline ? (size_t)(newline - rest->at) : rest->length};

	span_advance(rest, newline ? line.length + 1 : line.length);
	return line;
}

/* The value of the line "name = value"; the last of a name counts. */
static bool find(const struct buffer *lines, const char *name, struct span *value)
{
	struct span rest = buffer_span(lines);
	const size_t length = strlen(name);
	bool found = false;

	while (rest.length > 0) {
		const struct span line = take_line(&rest);

		if (line.length < length + 2 || memcmp(line.at, name, length) != 0 ||
		    memcmp(line.at + length, " =", 2) != 0)
			continue;
		*value = span_trim((struct span){line.at + length + 2, line.length - length - 2});
		found = true;
	}
	return found;
}

struct span postfix_parameter(const struct postfix *postfix, const char *name)
{
	struct span value = {"", 0};

	find(&postfix->parameters, name, &value);
	return value;
}

bool postfix_override(const struct postfix *postfix, struct span service, const char *name,
		      struct span *value)
{
	char whole[NAME_MAXIMUM];

	if ((size_t)snprintf(whole, sizeof(whole), "%.*s/%s", (int)service.length, service.at,
			     name) >= sizeof(whole))
		return false;
	return find(&postfix->overrides, whole, value);
}

struct span postfix_service_parameter(const struct postfix *postfix, struct span service,
				      const char *name)
{
	struct span value;

	return postfix_override(postfix, service, name, &value) ? value
								: postfix_parameter(postfix, name);
}

/* ---- services ---- */

static struct span take_word(struct span *rest)
{
	struct span word;

	*rest = span_trim(*rest);
	word = *rest;
	for (word.length = 0; word.length < rest->length && !span_is_space(rest->at[word.length]);)
		word.length++;
	span_advance(rest, word.length);
	return word;
}

bool postfix_next_service(struct span *rest, struct buffer *service)
{
	while (rest->length > 0) {
		struct span line = take_line(rest);
		const struct span name = take_word(&line), type = take_word(&line);

		if (type.length == 0)
			continue;
		buffer_clear(service);
		buffer_append(service, name.at, name.length);
		buffer_append_text(service, "/");
		buffer_append(service, type.at, type.length);
		return !service->failed;
	}
	return false;
}

bool postfix_has_service(const struct postfix *postfix, const char *service)
{
	struct buffer found = buffer_with_maximum(NAME_MAXIMUM);
	struct span rest = buffer_span(&postfix->services);
	bool has = false;

	while (!has && postfix_next_service(&rest, &found))
		has = span_equals(buffer_span(&found), span_of_text(service));
	buffer_free(&found);
	return has;
}

/* ---- values ---- */

bool postfix_next_element(struct span *rest, struct span *element)
{
	static const char separators[] = ", \t\r\n";
	int depth = 0;
	size_t length = 0;

	while (rest->length > 0 && rest->at[0] && strchr(separators, rest->at[0]))
		span_advance(rest, 1);
	for (; length < rest->length; length++) {
		const char c = rest->at[length];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && c && strchr(separators, c))
			break;
	}
	*element = (struct span){rest->at, length};
	span_advance(rest, length);
	return length > 0;
}

bool postfix_span_has(struct span span, const char *text)
{
	const size_t length = strlen(text);

	for (size_t i = 0; i + length <= span.length; i++)
		if (strncasecmp(span.at + i, text, length) == 0)
			return true;
	return false;
}

long long postfix_number(struct span text, char *unit)
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

long long postfix_seconds(struct span text, char unit)
{
	static const char units[] = "smhdw";
	static const long long seconds[] = {1, 60, 3600, 86400, 604800};
	char given;
	const long long number = postfix_number(text, &given);
	const char *at = strchr(units, given ? given : unit);

	return number < 0 || !at ? -1 : number * seconds[at - units];
}
