/* What is said to Cronofy, and what it answers. */
#include "cronofy.h"

#include "testing.h"
#include "utf8.h"

#include <sys/resource.h>
#include <unistd.h>

/* ---- the request ---- */

static const struct {
	const char *id, *recipient;
	const char *method, *to, *invite; /* members */
} requests[] = {
	{"id-1", "a@b", "\"method\":\"cancel\"", "\"recipient\":{\"email\":\"a@b\"}",
	 "\"smart_invite_id\":\"id-1\""},
	{"say \"hi\" \\", "\"a b\"@c", "\"method\":\"cancel\"",
	 "\"recipient\":{\"email\":\"\\\"a b\\\"@c\"}", "\"smart_invite_id\":\"say \\\"hi\\\" \\\\\""},
	{"J\xc3\xb6rg/\xf0\x9f\x98\x80", "j\xc3\xb6rg@b", "\"method\":\"cancel\"",
	 "\"recipient\":{\"email\":\"j\xc3\xb6rg@b\"}",
	 "\"smart_invite_id\":\"J\xc3\xb6rg/\xf0\x9f\x98\x80\""},
};

static void the_request_says_everything_in_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct buffer json = buffer_with_maximum(10000);

		assert_true(cronofy_write_request(&json, requests[i].id, requests[i].recipient));
		/* The members may come in any order. */
		assert_int_equal(json.length, strlen("{,,}") + strlen(requests[i].method) +
						      strlen(requests[i].to) + strlen(requests[i].invite));
		assert_contains(json.data, requests[i].method);
		assert_contains(json.data, requests[i].to);
		assert_contains(json.data, requests[i].invite);
		buffer_free(&json);
	}
}

static void a_request_that_does_not_fit_is_a_failure(void **state)
{
	struct buffer json = buffer_with_maximum(20);

	(void)state;
	assert_false(cronofy_write_request(&json, "id", "a@b"));
	buffer_free(&json);
}

/* ---- replies with a calendar ---- */

struct reply {
	enum cronofy_answer answer;
	struct buffer calendar;
	struct problem why;
};

static struct reply read_reply(long status, const char *body, size_t length)
{
	struct reply reply = {.calendar = buffer_with_maximum(100000)};
	struct buffer copy = buffer_with_maximum((size_t)8 << 20);

	buffer_append(&copy, body, length);
	reply.answer = cronofy_read_reply(status, (struct span){copy.data, copy.length}, "id-1",
					   &reply.calendar, &reply.why);
	buffer_free(&copy);
	return reply;
}

#define WITH_CALENDAR(json) "{\"attachments\":{\"icalendar\":" json "}}"

static const struct {
	const char *body, *calendar;
} good_replies[] = {
	{WITH_CALENDAR("\"BEGIN\""), "BEGIN"},
	{"  " WITH_CALENDAR("\"BEGIN\"") " \r\n", "BEGIN"},
	{WITH_CALENDAR("\"a\\nb\\r\\nc\\/\\\"\\\\\\t\""), "a\nb\r\nc/\"\\\t"},
	/* any Unicode, escaped or not */
	{WITH_CALENDAR("\"\\u00e4\\u20AC\\ud83d\\ude00\""), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	{WITH_CALENDAR("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	{WITH_CALENDAR("\"\\ufeffBEGIN\""), "\xef\xbb\xbf" "BEGIN"},
	/* a backslash before u0000 is text, not NUL */
	{WITH_CALENDAR("\"\\\\u0000\""), "\\u0000"},
	/* what is not known is ignored; so are other members of any type */
	{"{\"smart_invite_id\":\"id-1\",\"attachments\":{\"icalendar\":\"X\",\"new\":[1,{}]},"
	 "\"recipient\":null,\"event\":\"x\",\"method\":\"request\",\"callback_url\":5}", "X"},
	{"{\"smart_invite_id\":5,\"attachments\":{\"icalendar\":\"X\"}}", "X"},
	{"{\"smart_invite_id\":null,\"attachments\":{\"icalendar\":\"X\"}}", "X"},
	/* half of a surrogate pair spoils its own string, and that by one character */
	{WITH_CALENDAR("\"\\ud83d\""), "\xef\xbf\xbd"},
	{WITH_CALENDAR("\"\\uDE00\\ud83dx\""), "\xef\xbf\xbd\xef\xbf\xbdx"},
	{WITH_CALENDAR("\"\\ud83d\\ud83d\\ude00\""), "\xef\xbf\xbd\xf0\x9f\x98\x80"},
	{WITH_CALENDAR("\"\\ud83d\\n\\\\ud83d\""), "\xef\xbf\xbd\n\\ud83d"},
	{"{\"event\":\"\\udfff\",\"attachments\":{\"icalendar\":\"X\"}}", "X"},
	/* several recipients, and yet a calendar */
	{"{\"recipients\":[],\"attachments\":{\"icalendar\":\"X\",\"removed\":{}}}", "X"},
	/* names are told apart by case */
	{"{\"Attachments\":{\"icalendar\":\"no\"},\"attachments\":{\"ICALENDAR\":\"no\","
	 "\"icalendar\":\"X\"}}", "X"},
	/* of two members with the same name the first one counts */
	{"{\"attachments\":{\"icalendar\":\"X\"},\"attachments\":{\"icalendar\":\"Y\"}}", "X"},
	{"{\"attachments\":{\"icalendar\":\"X\",\"icalendar\":\"Y\"}}", "X"},
};

static void any_success_with_a_calendar_is_a_cancellation(void **state)
{
	static const long successes[] = {200, 201, 202, 299};

	(void)state;
	for (size_t i = 0; i < sizeof(good_replies) / sizeof(good_replies[0]); i++) {
		for (size_t j = 0; j < sizeof(successes) / sizeof(successes[0]); j++) {
			const char *body = good_replies[i].body;
			struct reply reply = read_reply(successes[j], body, strlen(body));

			if (reply.answer != CRONOFY_CANCELLED)
				fail_msg("%s: %s", body, reply.why.text);
			assert_string_equal(reply.calendar.data, good_replies[i].calendar);
			buffer_free(&reply.calendar);
		}
	}
}

#define LITERAL(text) text, sizeof(text) - 1

static const struct {
	const char *body;
	size_t length;
	const char *says;
} bad_replies[] = {
	{LITERAL(""), "empty"},
	{LITERAL(" \r\n"), "not a JSON object"},
	{LITERAL("null"), "not a JSON object"},
	{LITERAL("[]"), "not a JSON object"},
	{LITERAL("\"text\""), "not a JSON object"},
	{LITERAL("<html>"), "not a JSON object"},
	{LITERAL("{"), "not a JSON object"},
	{LITERAL("{} {}"), "not a JSON object"},
	{LITERAL("{}x"), "not a JSON object"},
	{LITERAL("{\"attachments\":{\"icalendar\":\"X\"}"), "not a JSON object"}, /* cut off */
	{LITERAL("{\"attachments\":{\"icalendar\":\"X"), "not a JSON object"},
	{LITERAL("{'attachments':{}}"), "not a JSON object"},
	/* nothing there, or not what it should be */
	{LITERAL("{}"), "attachments.icalendar"},
	{LITERAL("{\"attachments\":[]}"), "attachments.icalendar"},
	{LITERAL("{\"attachments\":[{\"icalendar\":\"X\"}]}"), "attachments.icalendar"},
	{LITERAL("{\"attachments\":null}"), "attachments.icalendar"},
	{LITERAL("{\"attachments\":\"X\"}"), "attachments.icalendar"},
	{LITERAL("{\"attachments\":{}}"), "attachments.icalendar"},
	{LITERAL("{\"icalendar\":\"X\"}"), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("\"\"")), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("null")), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("5")), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("true")), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("[\"X\"]")), "attachments.icalendar"},
	{LITERAL(WITH_CALENDAR("{\"icalendar\":\"X\"}")), "attachments.icalendar"},
	/* NUL, raw or escaped */
	{LITERAL(WITH_CALENDAR("\"X\\u0000Y\"")), "NUL"},
	{LITERAL(WITH_CALENDAR("\"\\u0000\"")), "NUL"},
	{LITERAL(WITH_CALENDAR("\"\\\\\\u0000\"")), "NUL"},
	{LITERAL("{\"other\":\"\\u0000\",\"attachments\":{\"icalendar\":\"X\"}}"), "NUL"},
	{LITERAL(WITH_CALENDAR("\"X\0Y\"")), "NUL"},
	{LITERAL(WITH_CALENDAR("\"X\"") "\0"), "NUL"},
	{LITERAL("\0"), "NUL"},
	/* what is not UTF-8 */
	{LITERAL(WITH_CALENDAR("\"\xff\"")), "UTF-8"},
	{LITERAL(WITH_CALENDAR("\"\xed\xa0\x80\"")), "UTF-8"},
	/* another invite's */
	{LITERAL("{\"smart_invite_id\":\"id-2\",\"attachments\":{\"icalendar\":\"X\"}}"),
	 "another invite"},
	{LITERAL("{\"smart_invite_id\":\"ID-1\",\"attachments\":{\"icalendar\":\"X\"}}"),
	 "another invite"},
	{LITERAL("{\"smart_invite_id\":\"\",\"attachments\":{\"icalendar\":\"X\"}}"),
	 "another invite"},
};

static void a_success_without_a_calendar_is_cronofys_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_replies) / sizeof(bad_replies[0]); i++) {
		struct reply reply = read_reply(200, bad_replies[i].body, bad_replies[i].length);

		if (reply.answer != CRONOFY_NO_CALENDAR)
			fail_msg("%s: %s", bad_replies[i].body,
				 cronofy_meaning(reply.answer)->word);
		assert_contains(reply.why.text, bad_replies[i].says);
		assert_int_equal(reply.calendar.length, 0);
		buffer_free(&reply.calendar);
	}
}

static void every_beginning_of_a_reply_is_a_bad_one(void **state)
{
	static const char body[] = "{\"smart_invite_id\":\"id-1\",\"attachments\":{\"icalendar\":"
				   "\"BEGIN\\u00e4\\ud83d\\ude00\xc3\xa4\\n\"},\"x\":[1.5e3,true,null]}";

	(void)state;
	for (size_t length = 0; length < sizeof(body) - 1; length++) {
		struct reply reply = read_reply(200, body, length);

		assert_int_equal(reply.answer, CRONOFY_NO_CALENDAR);
		buffer_free(&reply.calendar);
	}
}

static void a_calendar_larger_than_there_is_room_for_is_a_bad_reply(void **state)
{
	char *calendar = text_of_length(200000, 'x');
	struct buffer body = buffer_with_maximum(300000);
	struct reply reply;

	(void)state;
	buffer_printf(&body, WITH_CALENDAR("\"%s\""), calendar);
	reply = read_reply(200, body.data, body.length);
	assert_int_equal(reply.answer, CRONOFY_NO_CALENDAR);
	assert_contains(reply.why.text, "too large");
	buffer_free(&reply.calendar);
	buffer_free(&body);
	free(calendar);
}

/* Each would take 40 times the memory of its text. */
static void json_of_very_many_values_is_refused(void **state)
{
	struct buffer body = buffer_with_maximum(300000);
	struct reply reply;

	(void)state;
	buffer_append_text(&body, "{\"attachments\":{\"icalendar\":\"BEGIN,\\\",");
	for (int i = 0; i < 20000; i++)
		buffer_append_text(&body, ",x");
	buffer_append_text(&body, "\"},\"x\":[1");
	for (int i = 0; i < 9990; i++)
		buffer_append_text(&body, ",1");
	for (int more = 0; more < 2; more++) {
		struct buffer whole = buffer_with_maximum(300000);

		buffer_append(&whole, body.data, body.length);
		buffer_append_text(&whole, "]}");
		reply = read_reply(200, whole.data, whole.length);
		assert_int_equal(reply.answer, more ? CRONOFY_NO_CALENDAR : CRONOFY_CANCELLED);
		if (more)
			assert_contains(reply.why.text, "more than 10000 values");
		buffer_free(&reply.calendar);
		buffer_free(&whole);
		for (int i = 0; i < 20; i++)
			buffer_append_text(&body, ",1");
	}
	buffer_free(&body);
}

static void json_nested_without_end_is_refused(void **state)
{
	char *body = text_of_length(1000000, '[');
	struct reply reply;

	(void)state;
	memcpy(body, "{\"a\":", 5);
	reply = read_reply(200, body, 1000000);
	assert_int_equal(reply.answer, CRONOFY_NO_CALENDAR);
	buffer_free(&reply.calendar);
	free(body);
}

/* ---- other replies ---- */

static const long statuses[] = {400, 422, 404, 410, 401, 402, 403, 423, 429, 408, 425, 300,
				307, 500, 503, 599, 0,   100, 199, 405, 418, 499};

static void a_status_tells_what_happened_whatever_the_body(void **state)
{
	static const char *const bodies[] = {"", "<html>", "{}", WITH_CALENDAR("\"BEGIN\""), "\xff"};
	char number[32];

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		for (size_t j = 0; j < sizeof(bodies) / sizeof(bodies[0]); j++) {
			struct reply reply = read_reply(statuses[i], bodies[j], strlen(bodies[j]));

			assert_int_equal(reply.answer, cronofy_answer_of_status(statuses[i]));
			assert_contains(reply.why.text, cronofy_meaning(reply.answer)->text);
			snprintf(number, sizeof(number), "HTTP %ld", statuses[i]);
			assert_contains(reply.why.text, number);
			assert_int_equal(reply.calendar.length, 0);
			buffer_free(&reply.calendar);
		}
	}
}

static const struct {
	const char *body, *says; /* behind "(HTTP 422)" */
} errors[] = {
	{"{\"errors\":{\"smart_invite_id\":[{\"key\":\"errors.required\",\"description\":\"required\"}]}}",
	 ": smart_invite_id: required (errors.required)"},
	{"{\"errors\":{\"a\":[{\"key\":\"k\"}],\"b\":[{\"description\":\"d\"}]}}", ": a (k); b: d"},
	{"{\"errors\":{\"a\":[{\"key\":\"k\"},{\"key\":\"l\"}]}}", ": a (k); a (l)"},
	{"{\"errors\":{\"recipient.email\":[{}]}}", ": recipient.email"},
	{"{\"errors\":{\"a\":[5,null,\"x\",[]]}}", ": a; a; a: x; a"},
	{"{\"errors\":{\"a\":[{\"key\":5,\"description\":[]}]}}", ": a"},
	{"{\"errors\":{\"a\":[{\"key\":\"k\\n451 forged\"}]}}", ": a (k\\x0a451 forged)"},
	{"{\"errors\":{\"\":[{\"key\":\"k\"}]}}", ":  (k)"},
	/* not as documented, but seen */
	{"{\"errors\":{\"a\":[\"is gone\",\"is\\u0007old\"]}}", ": a: is gone; a: is\\x07old"},
	{"{\"errors\":{\"a\":{\"key\":\"k\"}}}", ": a (k)"},
	{"{\"errors\":{\"a\":\"text\",\"b\":5}}", ": a: text; b"},
	{"{\"errors\":[\"one\",\"two\"]}", ": one; two"},
	{"{\"errors\":[{\"key\":\"k\"},{\"description\":\"d\",\"key\":\"l\"}]}", ": (k); d (l)"},
	{"{\"errors\":\"text\"}", ": text"},
	{"{\"error\":\"text\"}", ": text"},
	{"{\"error\":[\"text\"]}", ": text"},
	{"{\"error\":\"half \\ud83d\"}", ": half \xef\xbf\xbd"},
	/* nothing in it can be shown: only the status speaks */
	{"{\"errors\":{\"a\":[]}}", ""},
	{"{\"errors\":[[{\"key\":\"k\"}],5,null]}", ""},
	{"{\"errors\":null}", ""},
	{"{\"errors\":{}}", ""},
	{"{\"error\":5}", ""},
	{"[{\"errors\":{\"a\":[{\"key\":\"k\"}]}}]", ""},
	{"", ""},
	{"{\"errors\":{\"a\":[{\"key\":\"\\u0000\"}]}}", ""},
	{"{\"errors\":{\"a\":[{\"key\":\"k\"}]}", ""},
};

static void a_refusal_is_told_in_cronofys_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct reply reply = read_reply(422, errors[i].body, strlen(errors[i].body));

		assert_int_equal(reply.answer, CRONOFY_INVALID);
		assert_string_equal(strstr(reply.why.text, "(HTTP 422)") + 10, errors[i].says);
		buffer_free(&reply.calendar);
	}
}

static const struct {
	long status;
	const char *body;
} of_several[] = {
	{200, "{\"recipients\":[{\"email\":\"a@b\"}]}"},
	{202, "{\"smart_invite_id\":\"id-1\",\"attachments\":{\"removed\":{\"email\":\"a@b\"}}}"},
	{200, "{\"recipients\":[],\"attachments\":{\"icalendar\":\"\"}}"},
	{422, "{\"errors\":{\"recipients\":[{\"key\":\"errors.required\"}]}}"},
};

static void an_invite_of_several_recipients_is_named_as_the_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(of_several) / sizeof(of_several[0]); i++) {
		struct reply reply = read_reply(of_several[i].status, of_several[i].body,
						strlen(of_several[i].body));

		assert_int_equal(reply.answer, CRONOFY_SEVERAL_RECIPIENTS);
		assert_contains(reply.why.text, "several recipients");
		buffer_free(&reply.calendar);
	}
}

/* The address space that the process takes now, in bytes. */
static rlim_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Whichever allocation it is that fails, Cronofy is not blamed for it. */
static void a_lack_of_memory_is_never_cronofys_fault(void **state)
{
	char *calendar = text_of_length(3000000, 'x');
	struct buffer body = buffer_with_maximum(4000000);
	enum cronofy_answer answer = CRONOFY_NOT_READ;
	struct rlimit before, limit;
	int failed = 0;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	free(calendar);
	skip(); /* they take address space as they like */
#endif
	buffer_printf(&body, WITH_CALENDAR("\"%s\""), calendar);
	getrlimit(RLIMIT_AS, &before);
	for (rlim_t more = 0; answer == CRONOFY_NOT_READ; more += 64 * 1024) {
		struct buffer out = buffer_with_maximum(4000000);
		struct problem why = {.text = ""};

		limit = (struct rlimit){address_space() + more, before.rlim_max};
		setrlimit(RLIMIT_AS, &limit);
		answer = cronofy_read_reply(200, (struct span){body.data, body.length}, "id-1", &out,
					    &why);
		setrlimit(RLIMIT_AS, &before);
		failed += answer == CRONOFY_NOT_READ;
		if (answer == CRONOFY_NOT_READ)
			assert_contains(why.text, "no memory");
		buffer_free(&out);
	}
	assert_int_equal(answer, CRONOFY_CANCELLED);
	assert_true(failed > 3);
	buffer_free(&body);
	free(calendar);
}

static void very_many_words_are_cut_to_whole_utf8(void **state)
{
	struct buffer body = buffer_with_maximum(100000);
	struct reply reply;

	(void)state;
	buffer_append_text(&body, "{\"errors\":{\"a\":[");
	for (int i = 0; i < 100; i++)
		buffer_append_text(&body, "{\"description\":\"\xf0\x9f\x98\x80\xc3\xa4 too long\"},");
	buffer_append_text(&body, "{}]}}");
	reply = read_reply(400, body.data, body.length);
	assert_contains(reply.why.text, ": a: \xf0\x9f\x98\x80");
	assert_true(utf8_valid(reply.why.text, strlen(reply.why.text)));
	buffer_free(&reply.calendar);
	buffer_free(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_says_everything_in_json),
		cmocka_unit_test(a_request_that_does_not_fit_is_a_failure),
		cmocka_unit_test(any_success_with_a_calendar_is_a_cancellation),
		cmocka_unit_test(a_success_without_a_calendar_is_cronofys_fault),
		cmocka_unit_test(every_beginning_of_a_reply_is_a_bad_one),
		cmocka_unit_test(a_calendar_larger_than_there_is_room_for_is_a_bad_reply),
		cmocka_unit_test(json_of_very_many_values_is_refused),
		cmocka_unit_test(json_nested_without_end_is_refused),
		cmocka_unit_test(a_status_tells_what_happened_whatever_the_body),
		cmocka_unit_test(a_refusal_is_told_in_cronofys_words),
		cmocka_unit_test(an_invite_of_several_recipients_is_named_as_the_limit),
		cmocka_unit_test(a_lack_of_memory_is_never_cronofys_fault),
		cmocka_unit_test(very_many_words_are_cut_to_whole_utf8),
	};

	return cmocka_run_group_tests_name("cronofy", tests, NULL, NULL);
}
