/*
 * One message through each role, with each of its allocations failing in turn, alone and with all that
 * follow: it is right, or it waits (451). A lack of memory proves nothing, so nothing is refused for
 * good, and no tag or stamp is forgotten.
 *
 * Only this thread's allocations fail. libical's do not: it crashes then, which is why the calendar is
 * in the ledger before libical sees it; nor do SQLite's, which has tests of its own for that.
 */
#include "message.h"

#include "folder.h"
#include "testing.h"
#include "transactions.h"

#include <dlfcn.h>
#include <link.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_ALLOCATOR_OF_ITS_OWN 1
#else
#define HAS_ALLOCATOR_OF_ITS_OWN 0
#endif

/* ---- allocations that fail ---- */

struct range {
	uintptr_t from, to;
};

static struct range spared[8]; /* code whose allocations never fail */
static size_t spared_count;

static _Thread_local long countdown; /* allocations until the one that fails; 0: none fails */
static _Thread_local bool lasting;   /* and all behind it */
static _Thread_local bool reached;

#if !HAS_ALLOCATOR_OF_ITS_OWN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool fails(void *caller)
{
	if (countdown <= 0)
		return false;
	for (size_t i = 0; i < spared_count; i++)
		if ((uintptr_t)caller >= spared[i].from && (uintptr_t)caller < spared[i].to)
			return false;
	if (countdown > 1) {
		countdown--;
		return false;
	}
	reached = true;
	if (!lasting)
		countdown = 0;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
#endif

static int note_spared(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	if (!strstr(info->dlpi_name, "libical") && !strstr(info->dlpi_name, "libsqlite3"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum && spared_count < 8; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X)
			spared[spared_count++] = (struct range){
				info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
				info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
					info->dlpi_phdr[i].p_memsz,
			};
	return 0;
}

/* ---- messages ---- */

static struct message_services services;
static struct message *message;
static char stamp[2048]; /* what submission makes of the tag */

static const char calendar[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n"
			       "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n"
			       "DTSTAMP:20260101T000000Z\r\nDTSTART:20260601T100000Z\r\n"
			       "SEQUENCE:1\r\nSTATUS:CANCELLED\r\n"
			       "ORGANIZER:mailto:app@acme.example\r\n"
			       "ATTENDEE:mailto:ada@customer.example\r\n"
			       "END:VEVENT\r\nEND:VCALENDAR\r\n";

static enum message_next send_headers(const char *daemon, const char *tag)
{
	struct transaction_origin origin = transactions_origin();

	origin.daemon = daemon;
	message_begin(message, &config, &origin);
	message_add_recipient(message, "<ada@customer.example>", NULL);
	message_add_header(message, "From", "app@acme.example", true);
	message_add_header(message, "Message-ID", "<1@acme.example>", true);
	message_add_header(message, "X-Cancel-Invite", tag, true);
	message_add_header(message, "MIME-Version", "1.0", true);
	message_add_header(message, "Content-Type", "multipart/mixed; boundary=b", true);
	message_add_header(message, "Content-Language", "en", true);
	return message_end_headers(message, "4XyZ");
}

static void send_body(enum message_next next)
{
	static const char body[] = "--b\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\n"
				   "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";

	if (next == MESSAGE_WANTS_BODY)
		message_add_body(message, body, sizeof(body) - 1);
	if (next != MESSAGE_DECIDED)
		message_finish(message, NULL, NULL);
}

static const struct header_edit *edit_of(const char *name)
{
	const struct header_edits *edits = message_edits(message);

	for (size_t i = 0; i < edits->count; i++)
		if (strcmp(edits->items[i].name, name) == 0)
			return &edits->items[i];
	return NULL;
}

static void assert_stamped(void)
{
	const struct header_edit *edit = edit_of("X-Cancel-Invite");

	assert_non_null(edit);
	assert_int_equal(edit->kind, HEADER_CHANGE);
	assert_memory_equal(edit->value, "v1;", 3);
}

static bool collect(void *context, const char *data, size_t length)
{
	buffer_append(context, data, length);
	return true;
}

static void assert_attached(void)
{
	const struct header_edit *edit = edit_of("X-Cancel-Invite");
	struct buffer body = buffer_with_maximum(100000);
	struct problem why;

	assert_non_null(edit);
	assert_int_equal(edit->kind, HEADER_DELETE);
	assert_true(message_has_new_body(message));
	assert_true(message_write_body(message, collect, &body, &why));
	buffer_append(&body, "", 1);
	assert_contains(body.data, "<p>hello</p>");
	assert_contains(body.data, "multipart/alternative"); /* as with memory */
	assert_contains(body.data, "Content-Type: text/calendar");
	assert_contains(body.data, "method=CANCEL");
	buffer_free(&body);
}

/* One message; gives whether the allocation that was to fail was reached. */
static bool try_one(const char *daemon, const char *tag, void (*assert_right)(void))
{
	enum message_next next;

	reached = false;
	next = send_headers(daemon, tag);
	send_body(next);
	countdown = 0;
	if (next == MESSAGE_NOTHING_TO_DO)
		fail_msg("the tag was forgotten");
	switch (message_action(message)) {
	case ACTION_ACCEPT:
		assert_right();
		break;
	case ACTION_DEFER:
		assert_true(reached);
		assert_string_equal(message_verdict(message)->code, "451");
		break;
	case ACTION_REJECT:
	case ACTION_HOLD:
	case ACTION_DISCARD:
		fail_msg("%s", message_verdict(message)->text);
	}
	return reached;
}

static void sweep(const char *daemon, const char *tag, void (*assert_right)(void))
{
	size_t positions = 0;

	if (HAS_ALLOCATOR_OF_ITS_OWN)
		skip();
	for (int each = 0; each < 2; each++) {
		bool failed = true;

		for (long position = 1; failed; position++) {
			message = message_new(&services);
			assert_non_null(message);
			lasting = each;
			countdown = position;
			failed = try_one(daemon, tag, assert_right);
			message_free(message);
			positions += failed;
		}
	}
	print_message("%zu failed allocations\n", positions);
	assert_true(positions > 10);
}

/* ---- the roles ---- */

static void at_submission_a_lack_of_memory_is_temporary(void **state)
{
	(void)state;
	sweep("", "=?utf-8?Q?booking-4711?=; recipient=ada@customer.example", assert_stamped);
}

static void after_the_queue_a_lack_of_memory_is_temporary(void **state)
{
	(void)state;
	message = message_new(&services);
	try_one("", "booking-4711", assert_stamped);
	snprintf(stamp, sizeof(stamp), "%s", edit_of("X-Cancel-Invite")->value);
	message_free(message);
	sweep("second", stamp, assert_attached);
}

static void in_direct_mode_a_lack_of_memory_is_temporary(void **state)
{
	(void)state;
	config.mode = MODE_DIRECT;
	sweep("", "booking-4711", assert_attached);
}

static void stamped_mail_at_the_wrong_listener_is_never_refused_for_good(void **state)
{
	(void)state;
	message = message_new(&services);
	try_one("", "booking-4711", assert_stamped);
	snprintf(stamp, sizeof(stamp), "%s", edit_of("X-Cancel-Invite")->value);
	message_free(message);
	message = message_new(&services);
	for (long position = 1, failed = true; failed; position++) {
		countdown = position;
		reached = false;
		send_body(send_headers("", stamp));
		countdown = 0;
		failed = reached;
		assert_int_equal(message_action(message), ACTION_DEFER);
	}
	message_free(message);
}

/* The ledger has the calendar of the message, so that nobody has to be called. */
static int start(void **state)
{
	const struct ledger_key key = {"acme", "booking-4711", "ada@customer.example",
				       "<1@acme.example>"};
	char path[128];
	struct ledger_options options = {
		.path = path, .mode = LEDGER_STORE_CREATE, .keep = 1000000000, .retry = 1000};
	struct problem why;

	if (folder_setup(state) < 0)
		return -1;
	dl_iterate_phdr(note_spared, NULL);
	transactions_reset();
	snprintf(path, sizeof(path), "%s/ledger.db", ((struct folder *)*state)->path);
	services = (struct message_services){
		.active = active_new(),
		.http = http_start(&why), /* where the ledger fails: a call, which nobody answers */
		.ledger = ledger_start(&options, &why),
	};
	return services.active && services.http && services.ledger &&
			       ledger_keep(services.ledger, &key, span_of_text(calendar), &why)
		       ? 0
		       : -1;
}

static int stop(void **state)
{
	ledger_free(services.ledger);
	http_stop(services.http);
	active_free(services.active);
	return folder_teardown(state);
}

#define test(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(at_submission_a_lack_of_memory_is_temporary),
		test(after_the_queue_a_lack_of_memory_is_temporary),
		test(in_direct_mode_a_lack_of_memory_is_temporary),
		test(stamped_mail_at_the_wrong_listener_is_never_refused_for_good),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
