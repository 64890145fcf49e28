/*
 * Each allocation of the readers and writers of mail fails in turn, once and from there on. What then
 * comes out is right, or it is said that we cannot tell: never that something is wrong with the mail.
 *
 * The linker gives malloc() and its like of our own code to the functions here (--wrap); libraries keep
 * theirs.
 */
#include "attach.h"
#include "calendar.h"
#include "command.h"
#include "config_keys.h"
#include "config_value.h"
#include "envelope.h"
#include "folder.h"
#include "header_edits.h"
#include "headers.h"
#include "invocation.h"
#include "mail_file.h"
#include "mime.h"
#include "stamp.h"
#include "tag.h"
#include "testing.h"

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- allocations ---- */

static size_t allocations, failing = (size_t)-1;
static bool fails_from_there_on;

static bool fails_now(void)
{
	const size_t number = allocations++;

	return number == failing || (fails_from_there_on && number > failing);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
ssize_t __wrap_getrandom(void *buffer, size_t length, unsigned int flags);

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails_now() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return fails_now() ? NULL : __real_strndup(text, length);
}

/* The same boundaries each time, so that results can be compared. */
ssize_t __wrap_getrandom(void *buffer, size_t length, unsigned int flags)
{
	(void)flags;
	memset(buffer, 0x5a, length);
	return (ssize_t)length;
}

/* What came of it: true, and a result; or false, and whether that is proven. */
typedef bool trial(struct buffer *result, struct problem *why);

static bool try_with(size_t number, bool from_there_on, trial *run, struct buffer *result,
		     struct problem *why)
{
	bool good;

	*why = (struct problem){.text = ""};
	*result = buffer_with_maximum((size_t)4 << 20);
	/* Room for the result, which is not what is tested. */
	buffer_append_text(result, "");
	result->data = __real_realloc(result->data, (size_t)1 << 20);
	result->capacity = (size_t)1 << 20;
	allocations = 0;
	failing = number;
	fails_from_there_on = from_there_on;
	good = run(result, why);
	failing = (size_t)-1;
	fails_from_there_on = false;
	assert_false(result->failed);
	return good;
}

/* Gives how many allocations there are, which are more than none. */
static void sweep(trial *run)
{
	struct buffer right, result;
	struct problem why;
	size_t count;

	assert_true(try_with((size_t)-1, false, run, &right, &why));
	count = allocations;
	assert_true(count > 0);
	for (size_t i = 0; i < 2 * count; i++) {
		if (try_with(i / 2, i % 2 == 1, run, &result, &why)) {
			if (!span_equals(buffer_span(&result), buffer_span(&right)))
				fail_msg("allocation %zu of %zu: another result", i / 2, count);
		} else if (!why.cannot_tell) {
			fail_msg("allocation %zu of %zu: \"%s\"", i / 2, count, why.text);
		}
		buffer_free(&result);
	}
	buffer_free(&right);
}

/* ---- what is tried ---- */

static bool read_tag(struct buffer *result, struct problem *why)
{
	struct tag tag;

	if (!tag_parse(&tag, span_of_text("=?utf-8?Q?abc?= =?iso-8859-1?B?5A==?=; recipient=\"a@b\""), why))
		return false;
	buffer_printf(result, "%s %s", tag.id, tag.recipient);
	return true;
}

static const struct stamp_bond bond = {.key = "secret", .sender = "a@b", .message_id = "<1@c>"};

static bool write_and_read_stamp(struct buffer *result, struct problem *why)
{
	struct stamp stamp = {.account = "acme", .id = "board-1", .recipient = "x@y", .time = 5}, again;
	struct buffer value = buffer_with_maximum(2 * STAMP_VALUE_MAXIMUM);
	bool good = stamp_write(&stamp, &bond, &value);

	if (good)
		good = stamp_read(&again, buffer_span(&value), &bond, why);
	else
		problem_cannot_tell(why, "not written");
	if (good)
		buffer_printf(result, "%s %s", again.account, again.id);
	buffer_free(&value);
	return good;
}

static bool gather_headers(struct buffer *result, struct problem *why)
{
	struct headers headers = headers_new();
	char long_value[3000];
	bool good;

	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	headers_add(&headers, "X-Cancel-Invite", "Content-Type", "text/plain", false);
	headers_add(&headers, "X-Cancel-Invite", "Content-Description", long_value, false);
	headers_add(&headers, "X-Cancel-Invite", "X-Cancel-Invite", long_value, false);
	headers_add(&headers, "X-Cancel-Invite", "X-Cancel-Invite", "v1; id=\"a\"; mac=b", false);
	good = !headers.content.failed && !headers.tag_value.failed && !headers.stamp_value.failed;
	if (headers.content.out_of_memory || headers.tag_value.out_of_memory ||
	    headers.stamp_value.out_of_memory)
		problem_cannot_tell(why, "no memory");
	if (good)
		buffer_printf(result, "%s%s%s", headers.content.data, headers.tag_value.data,
			      headers.stamp_value.data);
	headers_free(&headers);
	return good;
}

static bool gather_recipients(struct buffer *result, struct problem *why)
{
	char notify[] = "NOTIFY=NEVER";
	char *parameters[] = {notify, NULL};
	struct envelope envelope = envelope_new();
	struct envelope_recipient recipient;
	size_t at = 0;
	bool good;

	for (int i = 0; i < 100; i++)
		envelope_add(&envelope, "<ann@example.com>", parameters);
	good = !envelope.text.failed;
	if (envelope.text.out_of_memory)
		problem_cannot_tell(why, "no memory");
	while (good && envelope_next(&envelope, &at, &recipient))
		buffer_printf(result, "%s %s\n", recipient.address, recipient.notify);
	envelope_free(&envelope);
	return good;
}

static const char fields[] = "Content-Type: multipart/mixed; boundary=outer\n";
static const char body[] =
	"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
	"--inner\r\nContent-Type: text/plain; name=\"=?utf-8?Q?a.txt?=\"\r\n\r\nHello\r\n"
	"--inner\r\nContent-Type: text/html\r\nX-Filler: ...............................................\r\n"
	" ...........................................................................................\r\n"
	" ...........................................................................................\r\n"
	"\r\n<p>Hello</p>\r\n--inner--\r\n"
	"--outer\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
	" filename=\"=?utf-8?Q?b.pdf?=\"\r\n\r\nx\r\n--outer--\r\n";

#define CALENDAR \
	"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Nowhere\r\nEND:VTIMEZONE\r\n" \
	"BEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=Nowhere:20260428T093000\r\nSUMMARY:" \
	"................................................................................................\r\n" \
	"END:VEVENT\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n"

static bool accept_calendar(struct buffer *result, struct problem *why)
{
	static const struct calendar_question question = {.recipient = "a@b", .from = "c@d"};
	struct calendar calendar;
	const bool good = calendar_accept(&calendar, span_of_text(CALENDAR), &question, why);

	if (good)
		buffer_printf(result, "%s%s%s", calendar.text.data, calendar.warning.text,
			      calendar.mended.text);
	calendar_free(&calendar);
	return good;
}

static bool write_result(void *context, const char *data, size_t length)
{
	buffer_append(context, data, length);
	return true;
}

static void show_edits(struct buffer *result, const struct header_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		buffer_printf(result, "%d %s %zu %zu %s\n", (int)edits->items[i].kind, edits->items[i].name,
			      edits->items[i].first, edits->items[i].last,
			      edits->items[i].value ? edits->items[i].value : "");
}

/* With a body in memory, or in a file. */
static bool attach_with(size_t memory, struct buffer *result, struct problem *why)
{
	struct headers headers = headers_new();
	struct header_edits edits = {.count = 0};
	struct attach attach = {.headers = NULL};
	bool good = false;

	/* Of these, and of what has failed there, gather_headers() speaks. */
	buffer_append_text(&headers.content, fields);
	if (headers.content.failed)
		problem_cannot_tell(why, "no memory");
	else
		good = attach_begin(&attach, &headers, memory, "/tmp", why) &&
		       attach_add(&attach, body, 100, why) &&
		       attach_add(&attach, body + 100, sizeof(body) - 101, why) &&
		       attach_check(&attach, why) &&
		       attach_calendar(&attach, span_of_text(CALENDAR), "X-Cancel-Invite", &edits, why);
	if (good) {
		/* Nothing can fail any more. */
		failing = allocations;
		fails_from_there_on = true;
		assert_true(attach_write(&attach, write_result, result, why));
		show_edits(result, &edits);
	}
	attach_free(&attach);
	header_edits_free(&edits);
	headers_free(&headers);
	return good;
}

static bool attach_in_memory(struct buffer *result, struct problem *why)
{
	return attach_with(10000, result, why);
}

static bool attach_in_a_file(struct buffer *result, struct problem *why)
{
	return attach_with(150, result, why);
}

/* A text that is checked, a path and a list. */
static bool set_values(struct buffer *result, struct problem *why)
{
	static const char *const names[] = {"organizer", "ca_file", "senders", "senders"};
	static const char *const values[] = {"desk@shop.example", "a.pem", "a@b.example", "@c.example"};
	struct config *config = config_new("x.conf");
	bool good = config != NULL;

	if (!config)
		problem_cannot_tell(why, "no configuration");
	for (size_t i = 0; good && i < config_key_count; i++)
		for (size_t j = 0; good && j < sizeof(names) / sizeof(names[0]); j++)
			if (strcmp(config_keys[i].name, names[j]) == 0 &&
			    config_key_is_of(&config_keys[i], SECTION_ACCOUNT))
				good = config_value_set(&config_keys[i], &config->defaults, "/etc",
							values[j], why);
	if (good)
		buffer_printf(result, "%s %s %s %s", config->defaults.organizer,
			      config->defaults.ca_file, config->defaults.senders.items[0],
			      config->defaults.senders.items[1]);
	config_release(config);
	return good;
}

static void what_is_right_stays_right_without_memory(void **state)
{
	(void)state;
	sweep(read_tag);
	sweep(write_and_read_stamp);
	sweep(gather_headers);
	sweep(gather_recipients);
	sweep(accept_calendar);
	sweep(attach_in_memory);
	sweep(attach_in_a_file);
	sweep(set_values);
}

/* ---- --rewrite ---- */

static char message_path[300], calendar_path[300], output_path[300];

/* The command as it is, its standard output in a file. */
static bool rewrite_file(struct buffer *result, struct problem *why)
{
	const struct invocation invocation = {.argument = message_path, .calendar = calendar_path};
	const int output = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const int errors = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const int old_output = dup(STDOUT_FILENO), old_errors = dup(STDERR_FILENO);
	char piece[20000];
	int exit_code;
	FILE *in;

	dup2(output, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	exit_code = command_rewrite(&invocation);
	fflush(stdout);
	dup2(old_output, STDOUT_FILENO);
	dup2(old_errors, STDERR_FILENO);
	close(output);
	close(errors);
	close(old_output);
	close(old_errors);
	in = fopen(output_path, "re");
	assert_non_null(in);
	buffer_append(result, piece, fread(piece, 1, sizeof(piece), in));
	fclose(in);
	if (exit_code == EX_OK)
		return true;
	/* Nothing is printed, and the exit code does not blame the message. */
	assert_int_equal(result->length, 0);
	why->cannot_tell = exit_code == EX_OSERR;
	snprintf(why->text, sizeof(why->text), "exit code %d", exit_code);
	return false;
}

static void rewrite_prints_the_message_or_nothing(void **state)
{
	struct buffer message = buffer_with_maximum(10000);

	buffer_printf(&message,
		      "From: c@d\r\nTo: a@b\r\nX-Cancel-Invite: abc\r\nMIME-Version: 1.0\r\nContent-ID: <1>\r\n"
		      "%.*s\r\n\r\n%s",
		      (int)sizeof(fields) - 2, fields, body);
	snprintf(message_path, sizeof(message_path), "%s",
		 folder_write_text(*state, "message", message.data));
	snprintf(calendar_path, sizeof(calendar_path), "%s", folder_write_text(*state, "calendar", CALENDAR));
	snprintf(output_path, sizeof(output_path), "%s", folder_write_text(*state, "output", ""));
	sweep(rewrite_file);
	buffer_free(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_stays_right_without_memory),
		cmocka_unit_test_setup_teardown(rewrite_prints_the_message_or_nothing, folder_setup,
						folder_teardown),
	};

	return cmocka_run_group_tests_name("allocations", tests, NULL, NULL);
}
