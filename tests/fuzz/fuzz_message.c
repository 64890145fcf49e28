/*
 * A whole conversation, from a message's headers to its verdict; queued mail comes twice.
 *
 * The first line says what is around it: q queued mode, u an untrusted client, r and k what is done
 * with such (reject, keep), S strict_calendar, D dry_run, and a digit, Cronofy's answer. The next
 * lines are the envelope sender, the recipients, and the message.
 */
#include "message.h"

#include "http_server.h"
#include "fuzz.h"
#include "../unit/transactions.h"

#include <strings.h>

#define FIELDS_MAXIMUM     2000
#define RECIPIENTS_MAXIMUM 8
#define LINE_MAXIMUM       100000 /* bytes of one header */

#define CALENDAR(method)                                                                           \
	"BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:-//x//y//EN\\r\\nMETHOD:" method "\\r\\n"    \
	"BEGIN:VEVENT\\r\\nUID:u\\r\\nDTSTAMP:20260101T000000Z\\r\\nSEQUENCE:1\\r\\n"              \
	"DTSTART:20260601T100000Z\\r\\nSTATUS:CANCELLED\\r\\n"                                     \
	"ORGANIZER:mailto:app@acme.example\\r\\nATTENDEE:mailto:ada@b.example\\r\\n"               \
	"END:VEVENT\\r\\nEND:VCALENDAR\\r\\n"
#define CANCELLED(method) "{\"attachments\":{\"icalendar\":\"" CALENDAR(method) "\"}}"

static const struct answer {
	int status;
	const char *body;
	bool refuses; /* it proves that the message is wrong */
} answers[] = {
	{200, CANCELLED("CANCEL"), false},
	{202, CANCELLED("REQUEST"), false},
	{200, "{\"attachments\":[]}", false},
	{404, "{}", true},
	{422, "{\"errors\":{\"smart_invite_id\":[{\"key\":\"errors.required\"}]}}", true},
	{400, "<html>", false},
	{401, "", false},
	{429, "{", false},
	{503, "\xff", false},
	{410, "", true},
};

/* What the input says, cut up; the texts are the arena's. */
static char arena[512 * 1024];

static struct conversation {
	size_t used; /* of the arena */
	bool queued, untrusted;
	const struct answer *answer;
	const char *sender, *recipients[RECIPIENTS_MAXIMUM];
	size_t recipient_count;
	const char *names[FIELDS_MAXIMUM], *values[FIELDS_MAXIMUM];
	size_t field_count, tags, content, versions, bytes;
	struct span body;
} talk;

static struct message_services services;
static struct message *message;
static struct http_server server;

static void start(void)
{
	struct problem why;

	http_server_start(&server);
	services.http = http_start(&why);
	services.active = active_new();
	must(services.http && services.active);
	message = message_new(&services);
	must(message);
}

/* ---- reading the input ---- */

/* As a text: up to a NUL. */
static const char *keep(struct span text)
{
	char *at = arena + talk.used;

	if (text.length > LINE_MAXIMUM || talk.used + text.length + 1 > sizeof(arena))
		text.length = 0;
	memcpy(at, text.at, text.length);
	at[text.length] = '\0';
	talk.used += text.length + 1;
	return at;
}

static void read_surroundings(struct span line)
{
	static char organizer[] = "app@acme.example";

	transactions_reset();
	config.mode = MODE_DIRECT;
	config.untrusted = UNTRUSTED_STRIP;
	talk.answer = &answers[0];
	for (size_t i = 0; i < line.length; i++)
		switch (line.at[i]) {
		case 'q':
			talk.queued = true;
			config.mode = MODE_QUEUED;
			break;
		case 'u':
			talk.untrusted = true;
			break;
		case 'r':
			config.untrusted = UNTRUSTED_REJECT;
			break;
		case 'k':
			config.untrusted = UNTRUSTED_KEEP;
			break;
		case 'S':
			config.strict_calendar = true;
			accounts[0].organizer = organizer;
			break;
		case 'D':
			config.dry_run = true;
			break;
		default:
			if (line.at[i] >= '0' && line.at[i] <= '9')
				talk.answer = &answers[line.at[i] - '0'];
			break;
		}
}

static void read_recipients(struct span line)
{
	while (line.length > 0 && talk.recipient_count < RECIPIENTS_MAXIMUM) {
		const char *space = memchr(line.at, ' ', line.length);
		const size_t length = space ? (size_t)(space - line.at) : line.length;

		talk.recipients[talk.recipient_count++] = keep((struct span){line.at, length});
		span_advance(&line, space ? length + 1 : length);
	}
}

static bool is_folded(struct span rest)
{
	return rest.length > 0 && (rest.at[0] == ' ' || rest.at[0] == '\t');
}

/* One header field, folded with LF, as an MTA has it; what has no name is left out. */
static void read_field(struct span line, struct span *rest)
{
	const char *colon = line.length > 0 ? memchr(line.at, ':', line.length) : NULL;
	const size_t length = colon ? (size_t)(colon - line.at) : 0;
	struct span value;

	while (is_folded(*rest)) {
		const struct span more = fuzz_take_line(rest);

		line.length = (size_t)(more.at + more.length - line.at);
	}
	if (length == 0 || talk.field_count == FIELDS_MAXIMUM)
		return;
	value = (struct span){colon + 1, line.length - length - 1};
	talk.names[talk.field_count] = keep((struct span){line.at, length});
	talk.values[talk.field_count] = keep(value);
	talk.bytes +=
		strlen(talk.names[talk.field_count]) + strlen(talk.values[talk.field_count]) + 3;
	talk.tags += strcasecmp(talk.names[talk.field_count], "X-Cancel-Invite") == 0;
	talk.content += strncasecmp(talk.names[talk.field_count], "Content-", 8) == 0;
	talk.versions += strcasecmp(talk.names[talk.field_count], "MIME-Version") == 0;
	talk.field_count++;
}

static void read_input(struct span rest)
{
	struct span line;

	talk = (struct conversation){.used = 0};
	read_surroundings(fuzz_take_line(&rest));
	talk.sender = keep(fuzz_take_line(&rest));
	read_recipients(fuzz_take_line(&rest));
	while (rest.length > 0 && (line = fuzz_take_line(&rest)).length > 0)
		read_field(line, &rest);
	talk.body = rest;
}

/* ---- having it ---- */

/* At a listener. `stamp`: what stands there in place of the tags. */
static enum message_next converse(const char *daemon, size_t recipients, const char *stamp)
{
	static struct sockaddr_in stranger = {.sin_family = AF_INET};
	const struct transaction_origin origin = {
		.client = (struct sockaddr *)&stranger,
		.daemon = daemon,
		.host = "mail.acme.example",
		.login = talk.untrusted ? "" : "some-login",
		.sender = talk.sender,
		.parsed_sender = talk.sender,
	};
	enum message_next next;
	bool stamped = false;

	message_begin(message, &config, &origin);
	for (size_t i = 0; i < recipients; i++)
		message_add_recipient(message, talk.recipients[i], NULL);
	for (size_t i = 0; i < talk.field_count; i++) {
		const bool tag = strcasecmp(talk.names[i], "X-Cancel-Invite") == 0;

		if (!stamp || !tag)
			message_add_header(message, talk.names[i], talk.values[i], false);
		else if (!stamped)
			message_add_header(message, talk.names[i], stamp, true);
		stamped |= tag;
	}
	next = message_end_headers(message, "4XyZ");
	if (next == MESSAGE_WANTS_BODY && talk.body.length > 0)
		next = message_add_body(message, talk.body.at, talk.body.length);
	if (next != MESSAGE_DECIDED && next != MESSAGE_NOTHING_TO_DO)
		message_finish(message, NULL, NULL);
	return next;
}

/* ---- promises ---- */

/* The tags that are left when the edits are carried out, and how many headers they touch. */
static size_t tags_left(size_t tags, size_t *touched)
{
	const struct header_edits *edits = message_edits(message);

	*touched = 0;
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->items[i];
		const size_t count = edit->kind == HEADER_DELETE ? edit->last - edit->first + 1 : 1;

		must(edit->kind != HEADER_DELETE || edit->first >= 1);
		must(edit->kind != HEADER_DELETE || edit->last >= edit->first);
		*touched += count;
		if (strcasecmp(edit->name, "X-Cancel-Invite") != 0)
			continue;
		must(edit->kind != HEADER_ADD);
		if (edit->kind == HEADER_CHANGE)
			must(tags > 0 && strncmp(edit->value, "v1;", 3) == 0);
		else
			must(edit->last <= tags);
		tags -= edit->kind == HEADER_DELETE ? count : 0;
	}
	return tags;
}

static bool consists_of(const char *text, const char *characters)
{
	return text[0] && text[strspn(text, characters)] == '\0';
}

#define WORDS "abcdefghijklmnopqrstuvwxyz0123456789"

/* user@domain without anything that could be read in two ways. */
static bool is_simple(const char *address)
{
	const char *at = strchr(address, '@');

	return consists_of(address, WORDS "@") && at && at != address && at[1] &&
	       !strchr(at + 1, '@') && strlen(address) < 100;
}

static const char *only_tag(void)
{
	for (size_t i = 0; i < talk.field_count; i++)
		if (talk.tags == 1 && strcasecmp(talk.names[i], "X-Cancel-Invite") == 0)
			return talk.values[i];
	return "";
}

/* 5xx: the fault is there, by a look that has nothing in common with the checks. */
static void check_proven(const char *daemon)
{
	bool simple_recipients = talk.recipient_count > 0;
	bool suffixed = false;

	for (size_t i = 0; i < talk.recipient_count; i++) {
		simple_recipients &= is_simple(talk.recipients[i]);
		suffixed |= strcasestr(talk.recipients[i], ".cancel-invite") != NULL;
	}
	switch (message_verdict(message)->outcome) {
	case OUTCOME_UNTRUSTED_REJECTED:
		must(talk.untrusted && config.untrusted == UNTRUSTED_REJECT);
		break;
	case OUTCOME_BAD_TAG:
		must(!consists_of(only_tag(), WORDS) || strlen(only_tag()) > 1000);
		break;
	case OUTCOME_BAD_SENDER:
		must(!is_simple(talk.sender));
		break;
	case OUTCOME_BAD_RECIPIENT:
		must(!simple_recipients);
		break;
	case OUTCOME_RESERVED_DOMAIN:
		must(suffixed);
		break;
	case OUTCOME_TOO_MANY_RECIPIENTS:
		must(talk.recipient_count > 1);
		break;
	case OUTCOME_NO_ACCOUNT:
		must(strcasecmp(talk.sender, "app@acme.example") != 0);
		break;
	case OUTCOME_NOT_ORGANIZER:
		must(config.strict_calendar);
		break;
	case OUTCOME_TOO_LARGE:
		must((long long)(talk.bytes + talk.body.length) > config.max_message_size);
		break;
	case OUTCOME_BAD_HEADERS:
		must(talk.tags + talk.content + talk.versions > 40 || talk.bytes > 60000 ||
		     talk.content > 0);
		break;
	case OUTCOME_BAD_SHAPE:
		must(talk.content > 0 || memmem(talk.body.at, talk.body.length, "PGP", 3));
		break;
	case OUTCOME_BAD_STAMP:
		must(daemon[0]);
		break;
	case OUTCOME_REFUSED:
		must(talk.answer->refuses);
		break;
	default:
		must(!"an outcome that proves nothing");
	}
}

static void check_reply(const struct verdict *verdict, char class)
{
	must(strlen(verdict->code) == 3 && verdict->code[0] == class);
	must(verdict->enhanced[0] == class && verdict->enhanced[1] == '.');
	must(utf8_valid(verdict->text, strlen(verdict->text)));
	must(verdict->text[0] && !utf8_has_control(verdict->text, strlen(verdict->text)));
}

static bool collect(void *context, const char *data, size_t length)
{
	buffer_append(context, data, length);
	return true;
}

static void check_new_body(void)
{
	struct buffer body = buffer_with_maximum((size_t)4 << 20);
	struct problem why;

	must(message_write_body(message, collect, &body, &why));
	must(!body.failed);
	must(body.length > talk.body.length);
	must(memmem(body.data, body.length, "text/calendar", 13));
	must(memmem(body.data, body.length, "method=CANCEL", 13));
	buffer_free(&body);
}

static void check_accepted(enum outcome outcome, size_t tags)
{
	size_t touched;
	const size_t left = tags_left(tags, &touched);

	must(touched <= HEADERS_EDITS_MAXIMUM);
	if (config.dry_run)
		must(touched == 0 && !message_has_new_body(message));
	else if (outcome == OUTCOME_QUEUED)
		must(left == 1);
	else
		must(left == 0 ||
		     (outcome == OUTCOME_UNTRUSTED_KEPT && config.untrusted == UNTRUSTED_KEEP));
	must(message_has_new_body(message) == (outcome == OUTCOME_CANCELLED));
	if (outcome == OUTCOME_CANCELLED)
		check_new_body();
}

static void check_verdict(enum message_next next, const char *daemon, size_t tags)
{
	const struct verdict *verdict = message_verdict(message);

	if (next == MESSAGE_NOTHING_TO_DO) {
		must(tags == 0);
		return;
	}
	must(tags > 0 || verdict->action != ACTION_ACCEPT);
	if (verdict->action == ACTION_REJECT) {
		check_reply(verdict, '5');
		check_proven(daemon);
	} else if (verdict->action == ACTION_DEFER) {
		check_reply(verdict, '4');
	}
	if (message_action(message) == ACTION_ACCEPT)
		check_accepted(verdict->outcome, tags);
}

/* What was stamped, as the queue brings it back: for one recipient. */
static void come_again(void)
{
	const struct header_edits *edits = message_edits(message);
	char *stamp = NULL;

	for (size_t i = 0; i < edits->count; i++) {
		if (edits->items[i].kind == HEADER_CHANGE)
			stamp = strdup(edits->items[i].value);
		if (strcmp(edits->items[i].name, "Message-ID") == 0)
			talk.field_count = 0; /* the stamp is bound to one that is not played here */
	}
	if (stamp && talk.field_count > 0 && talk.recipient_count > 0)
		check_verdict(converse("second", 1, stamp), "second", 1);
	free(stamp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char endpoint[64];
	enum message_next next;

	if (!message)
		start();
	read_input(fuzz_span(data, size));
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/v1/smart_invites", server.port);
	accounts[0].endpoint = endpoint;
	http_server_set(&server, talk.answer->status, talk.answer->body);
	next = converse("", talk.recipient_count, NULL);
	check_verdict(next, "", talk.tags);
	if (next != MESSAGE_NOTHING_TO_DO && !config.dry_run &&
	    message_verdict(message)->outcome == OUTCOME_QUEUED)
		come_again();
	message_clear(message);
	return 0;
}
