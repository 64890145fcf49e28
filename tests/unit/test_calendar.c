/* Which iCalendar texts are cancellations that may be sent, and what is done to their bytes. */
#include "calendar.h"

#include "random.h"
#include "testing.h"
#include "utf8.h"

#include <errno.h>
#include <pthread.h>

#define EVENT "BEGIN:VEVENT\r\nUID:uid-1\r\nDTSTAMP:20260428T093000Z\r\nDTSTART:20260428T093000Z\r\n" \
	      "ORGANIZER:mailto:boss@acme.example\r\nATTENDEE:mailto:guest@b.example\r\n" \
	      "SEQUENCE:3\r\nSTATUS:CANCELLED\r\nEND:VEVENT\r\n"
#define START "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n"
#define END "END:VCALENDAR\r\n"
#define CANCEL START "METHOD:CANCEL\r\n" EVENT END

static const struct calendar_question anybody = {.recipient = NULL};
static const struct calendar_question usual = {
	.recipient = "guest@b.example",
	.from = "boss@acme.example",
};
static const struct calendar_question strangers = {.recipient = "x@y", .from = "x@y"};

static struct calendar accept_text(const char *text)
{
	struct calendar calendar;
	struct problem why = {.text = ""};

	if (!calendar_accept(&calendar, span_of_text(text), &usual, &why))
		fail_msg("%s\n%s", text, why.text);
	return calendar;
}

static void a_cancellation_comes_out_as_it_went_in(void **state)
{
	struct calendar calendar = accept_text(CANCEL);

	(void)state;
	assert_string_equal(calendar.text.data, CANCEL);
	assert_string_equal(calendar.warning.text, "");
	assert_string_equal(calendar.uid, "uid-1");
	assert_string_equal(calendar.sequence, "3");
	calendar_free(&calendar);
}

/* What an answer that may be the invitation as well has to prove. */
static void tells_what_stood_in_it_from_what_was_put_in(void **state)
{
	struct calendar calendar = accept_text(CANCEL);
	struct problem why;

	(void)state;
	assert_true(calendar.says_cancel);
	assert_true(calendar.names_recipient);
	calendar_free(&calendar);
	calendar = accept_text(START EVENT END);
	assert_false(calendar.says_cancel);
	calendar_free(&calendar);
	calendar = accept_text(START EVENT "METHOD:CANCEL\r\n" END);
	assert_true(calendar.says_cancel);
	calendar_free(&calendar);
	assert_true(calendar_accept(&calendar, span_of_text(CANCEL), &strangers, &why));
	assert_false(calendar.names_recipient);
	calendar_free(&calendar);
	assert_true(calendar_accept(&calendar, span_of_text(CANCEL), &anybody, &why));
	assert_false(calendar.names_recipient);
	calendar_free(&calendar);
}

/* ---- the bytes ---- */

/* `middle` stands where a property of the event may stand; so does `result` afterwards. */
static void assert_becomes(const char *middle, const char *result)
{
	static const char head[] = START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n";
	static const char tail[] = "END:VEVENT\r\n" END;
	struct buffer text = buffer_with_maximum(1000000), expected = buffer_with_maximum(1000000);
	struct calendar calendar;

	buffer_printf(&text, "%s%s%s", head, middle, tail);
	buffer_printf(&expected, "%s%s%s", head, result, tail);
	calendar = accept_text(text.data);
	assert_string_equal(calendar.text.data, expected.data);
	calendar_free(&calendar);
	buffer_free(&text);
	buffer_free(&expected);
}

static void every_line_end_becomes_crlf(void **state)
{
	(void)state;
	assert_becomes("X-A:1\nX-B:2\r\nX-C:3\n", "X-A:1\r\nX-B:2\r\nX-C:3\r\n");
	assert_becomes("X-A:1\n 2\r\n\t3\r\n", "X-A:123\r\n");
}

static void byte_order_mark_and_white_space_around_it_go(void **state)
{
	static const char *const texts[] = {"\xef\xbb\xbf" CANCEL, " \r\n\t" CANCEL, CANCEL "\r\n \r\n",
					    "\xef\xbb\xbf\r\n" CANCEL "\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct calendar calendar = accept_text(texts[i]);

		assert_string_equal(calendar.text.data, CANCEL);
		calendar_free(&calendar);
	}
}

static void a_missing_last_line_end_comes(void **state)
{
	char text[] = CANCEL;
	struct calendar calendar;

	(void)state;
	text[sizeof(text) - 3] = '\0';
	calendar = accept_text(text);
	assert_string_equal(calendar.text.data, CANCEL);
	calendar_free(&calendar);
}

#define SEVENTY "X-A:567890123456789012345678901234567890123456789012345678901234567890"

static void lines_of_75_octets_stay_and_longer_ones_are_folded(void **state)
{
	(void)state;
	assert_becomes(SEVENTY "12345\r\n", SEVENTY "12345\r\n");
	assert_becomes(SEVENTY "123456\r\n", SEVENTY "12345\r\n 6\r\n");
	/* The second line has room for 74, its blank the 75th. */
	assert_becomes(SEVENTY "12345" SEVENTY "1234\r\n", SEVENTY "12345\r\n " SEVENTY "1234\r\n");
	assert_becomes(SEVENTY "12345" SEVENTY "12345\r\n",
		       SEVENTY "12345\r\n " SEVENTY "1234\r\n 5\r\n");
	/* A line that is a continuation already. */
	assert_becomes("X-B\r\n :1\r\n " SEVENTY "\r\n", "X-B:1" SEVENTY "\r\n");
	assert_becomes("X-B:1\r\n " SEVENTY "12\r\n", "X-B:1" SEVENTY "\r\n 12\r\n");
}

static void folds_never_cut_a_character(void **state)
{
	static const char *const signs[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const size_t width = strlen(signs[i]);

		/* The sign ends on octet 75, or would be cut after its first, second, third one. */
		for (size_t over = 0; over < width; over++) {
			char line[200], folded[200];
			const int before = (int)(75 - width + over);

			snprintf(line, sizeof(line), "%.*s%s\r\n", before, SEVENTY "12345", signs[i]);
			snprintf(folded, sizeof(folded), "%.*s%s%s\r\n", before, SEVENTY "12345",
				 over == 0 ? "" : "\r\n ", signs[i]);
			assert_becomes(line, folded);
		}
	}
}

/* Removes every fold; gives the text's new length. */
static size_t unfold(char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (length - i >= 3 && memcmp(text + i, "\r\n", 2) == 0 &&
		    (text[i + 2] == ' ' || text[i + 2] == '\t'))
			i += 2;
		else
			text[used++] = text[i];
	}
	text[used] = '\0';
	return used;
}

static void folding_changes_nothing_else(void **state)
{
	static const char *const signs[] = {"a", "b", " ", ",", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					    "\r\n ", "\n\t"};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 400; round++) {
		struct buffer text = buffer_with_maximum(100000), again = buffer_with_maximum(100000);
		struct calendar calendar;

		buffer_append_text(&text, START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\nX-A:");
		for (size_t i = random_below(&random, 400); i > 0; i--)
			buffer_append_text(&text, signs[random_below(&random, 9)]);
		buffer_append_text(&text, "\r\nEND:VEVENT\r\n" END);
		calendar = accept_text(text.data);
		for (const char *line = calendar.text.data, *end; *line; line = end + 2) {
			end = strstr(line, "\r\n");
			assert_non_null(end);
			assert_true(end - line <= 75);
			assert_true(utf8_valid(line, (size_t)(end - line)));
		}
		for (size_t i = 0; i < text.length; i++) {
			if (text.data[i] == '\n' && text.data[i - 1] != '\r')
				buffer_append_text(&again, "\r");
			buffer_append(&again, text.data + i, 1);
		}
		unfold(again.data, again.length);
		unfold(calendar.text.data, calendar.text.length);
		if (strcmp(again.data, calendar.text.data) != 0)
			fail_msg("CIM_SEED=%llu, round %d: %s", (unsigned long long)random_seed(), round,
				 text.data);
		calendar_free(&calendar);
		buffer_free(&text);
		buffer_free(&again);
	}
}

/* ---- METHOD ---- */

static const struct {
	const char *text, *result;
} without_method[] = {
	{START EVENT END, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\nPRODID:-//x//y//EN\r\n" EVENT END},
	{"BEGIN:VCALENDAR\nPRODID:x\nversion;X-A=b:2.0\n" EVENT END,
	 "BEGIN:VCALENDAR\r\nPRODID:x\r\nversion;X-A=b:2.0\r\nMETHOD:CANCEL\r\n" EVENT END},
	{"BEGIN:VCALENDAR\r\nPRODID:x\r\n" EVENT END,
	 "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nPRODID:x\r\n" EVENT END},
	/* not the version of something inside */
	{"BEGIN:VCALENDAR\r\n" EVENT "BEGIN:X-C\r\nVERSION:1\r\nEND:X-C\r\n" END,
	 "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\n" EVENT "BEGIN:X-C\r\nVERSION:1\r\nEND:X-C\r\n" END},
	{"BEGIN:VCALENDAR\r\nVERSIONS:2.0\r\n" EVENT END,
	 "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nVERSIONS:2.0\r\n" EVENT END},
	/* a folded one has more than one line */
	{"BEGIN:VCALENDAR\r\nVER\r\n SION:2\r\n\t.0\r\n" EVENT END,
	 "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\n" EVENT END},
};

static void a_missing_method_is_put_behind_the_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(without_method) / sizeof(without_method[0]); i++) {
		struct calendar calendar = accept_text(without_method[i].text);

		assert_string_equal(calendar.text.data, without_method[i].result);
		calendar_free(&calendar);
		/* It is then one that has it. */
		calendar = accept_text(without_method[i].result);
		assert_string_equal(calendar.text.data, without_method[i].result);
		calendar_free(&calendar);
	}
}

static void a_method_may_be_written_in_any_case(void **state)
{
	static const char text[] = START "method:cancel\r\n" EVENT END;
	struct calendar calendar = accept_text(text);

	(void)state;
	assert_string_equal(calendar.text.data, text);
	calendar_free(&calendar);
}

/* ---- refusals ---- */

static const struct {
	const char *text, *says;
} refused[] = {
	/* parses; exactly one VCALENDAR */
	{"", "empty"},
	{" \r\n ", ""},
	{"garbage", "BEGIN:VCALENDAR"},
	{"{\"errors\":{}}", "BEGIN:VCALENDAR"},
	{EVENT, "BEGIN:VCALENDAR"},
	{"BEGIN:VCALENDARX\r\n" EVENT END, "BEGIN:VCALENDAR"},
	{"BEGINX:VCALENDAR\r\n" EVENT END, "BEGIN:VCALENDAR"},
	{"BEGIN:VCALENDAR\r\n" START EVENT END END, "more than one VCALENDAR"},
	{CANCEL CANCEL, "more than one VCALENDAR"},
	{CANCEL EVENT, "outside"},
	{CANCEL "X-A:rest\r\n", "outside"},
	{CANCEL "rest\r\n", "name;parameters:value"},
	{CANCEL "END:VCALENDAR\r\n", "outside"},
	{START "METHOD:CANCEL\r\n" EVENT, "in the middle"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n", "in the middle"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n" END, "does not match"},
	{"BEGIN:VCALENDAR", "in the middle"},
	{START "METHOD:CANCEL\r\n" EVENT "END;X=Y:VCALENDAR\r\n" END, "parameters"},
	{START "METHOD:CANCEL\r\n" EVENT "END: VCALENDAR\r\n", "names no component"},
	{START "METHOD:CANCEL\r\n" EVENT "END:VCALENDARX\r\n", "does not match"},
	{START "METHOD:CANCEL\r\n" EVENT "END:VEVENT\r\n", ""},
	{"BEGIN:VCALENDAR\r\n X\r\nVERSION:2.0\r\n" EVENT END, ""},
	{START "METHOD:CANCEL\r\n" EVENT "END:VCALENDAR\r\n X\r\n", ""},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\nEND:VTODO\r\n" END, ""},
	/* at least one VEVENT, all with one UID; no VTODO, no VJOURNAL */
	{START "METHOD:CANCEL\r\n" END, "no VEVENT"},
	{START "METHOD:CANCEL\r\nBEGIN:VFREEBUSY\r\nUID:u\r\nEND:VFREEBUSY\r\n" END, "no VEVENT"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nDTSTAMP:20260428T093000Z\r\nEND:VEVENT\r\n" END,
	 "no UID"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:\r\nEND:VEVENT\r\n" END, "no UID"},
	{START "METHOD:CANCEL\r\n" EVENT "BEGIN:VEVENT\r\nSEQUENCE:1\r\nEND:VEVENT\r\n" END, "no UID"},
	{START "METHOD:CANCEL\r\n" EVENT "BEGIN:VEVENT\r\nUID:uid-2\r\nEND:VEVENT\r\n" END,
	 "different UIDs"},
	{START "METHOD:CANCEL\r\n" EVENT "BEGIN:VEVENT\r\nUID:UID-1\r\nEND:VEVENT\r\n" END,
	 "different UIDs"},
	{START "METHOD:CANCEL\r\n" EVENT "BEGIN:VTODO\r\nUID:uid-1\r\nEND:VTODO\r\n" END, "VTODO"},
	{START "METHOD:CANCEL\r\n" EVENT "BEGIN:VJOURNAL\r\nUID:uid-1\r\nEND:VJOURNAL\r\n" END, "VTODO"},
	/* METHOD is CANCEL */
	{START "METHOD:REQUEST\r\n" EVENT END, "REQUEST"},
	{START "METHOD:REPLY\r\n" EVENT END, "not CANCEL"},
	{START "METHOD:X-CANCEL\r\n" EVENT END, "not CANCEL"},
	{START "METHOD:CANCEL\r\nMETHOD:REQUEST\r\n" EVENT END, "REQUEST"},
	{START "METHOD:CANCEL\r\n" EVENT "METHOD:CANCEL\r\n" END, "two METHODs"},
	{START EVENT "METHOD:REQUEST\r\n" END, "REQUEST"},
	{START "METHOD:CANCEL,REQUEST\r\n" EVENT END, "not CANCEL"},
	{START "METHOD:REQUEST\r\nMETHOD:CANCEL\r\n" EVENT END, "REQUEST"},
	{START "METHOD:CANCEL\r\nMETHOD:CANCEL\r\n" EVENT END, "two METHODs"},
	/* the bytes */
	{START "METHOD:CANCEL\r\nX-A:\xff\r\n" EVENT END, "UTF-8"},
	{START "METHOD:CANCEL\r\nX-A:\xf0\x9f\r\nX-B:\x98\x80\r\n" EVENT END, "UTF-8"},
	{START "METHOD:CANCEL\r\nX-A:1\rX-B:2\r\n" EVENT END, "CR without LF"},
	{START "METHOD:CANCEL\r\nX-A:1\r\r\nX-B:2\r\n" EVENT END, "CR without LF"},
	{START "METHOD:CANCEL\r\nX-A:1\r\n\r 2\r\n" EVENT END, "CR without LF"},
	/* the lines */
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:abc\r\ndef\r\nEND:VEVENT\r\n" END,
	 "(line 7)"},
	{START "METHOD:CANCEL\r\nX-A;B=\"c\r\nd\":e\r\n" EVENT END, "(line 5)"},
	{START "METHOD:CANCEL\r\nX-A;B=c\"d:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX-A;B=\"c\"d:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX-A;B:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX-A;=b:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX-A;:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\n:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX A:e\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX-A\r\n" EVENT END, "name;parameters:value"},
	{START "METHOD:CANCEL\r\nX_A:e\r\n" EVENT END, "name;parameters:value"},
	/* an event with one name */
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\nUID:u\r\nEND:VEVENT\r\n" END,
	 "two UIDs"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID:20260428T093000Z\r\n"
	       "RECURRENCE-ID:20260429T093000Z\r\nEND:VEVENT\r\n" END, "two RECURRENCE-IDs"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:a\x0b" "b\r\nEND:VEVENT\r\n" END,
	 "control character"},
	{START "METHOD:CAN\x07" "CEL\r\n" EVENT END, "control character"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\nBEGIN:VEVENT\r\nUID:u\r\nEND:VEVENT\r\n"
	       "END:VEVENT\r\n" END, "VEVENT inside"},
	{START "METHOD:CANCEL\r\nBEGIN:X-C\r\n" EVENT "END:X-C\r\n" END, "VEVENT inside"},
	/* a UID only where an event has it */
	{START "METHOD:CANCEL\r\nUID:u\r\nBEGIN:VEVENT\r\nBEGIN:VALARM\r\nUID:u\r\nEND:VALARM\r\n"
	       "END:VEVENT\r\n" END, "no UID"},
	/* where libical sees another one */
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:a\\tb\r\nEND:VEVENT\r\n" END, "libical"},
};

static void refuses_what_is_no_cancellation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct calendar calendar;
		struct problem why = {.text = ""};

		if (calendar_accept(&calendar, span_of_text(refused[i].text), &anybody, &why))
			fail_msg("accepted: %s", refused[i].text);
		assert_contains(why.text, refused[i].says);
		calendar_free(&calendar);
	}
}

static void an_empty_method_is_another_one(void **state)
{
	struct calendar calendar;
	struct problem why = {.text = ""};

	(void)state;
	assert_false(calendar_accept(&calendar, span_of_text(START "METHOD:\r\n" EVENT END), &anybody, &why));
	calendar_free(&calendar);
}

static void refuses_nul(void **state)
{
	static const char text[] = START "METHOD:CANCEL\r\nX-A:a\0b\r\n" EVENT END;
	struct calendar calendar;
	struct problem why = {.text = ""};

	(void)state;
	assert_false(calendar_accept(&calendar, (struct span){text, sizeof(text) - 1}, &anybody, &why));
	calendar_free(&calendar);
	assert_false(calendar_accept(&calendar, (struct span){NULL, 0}, &anybody, &why));
	calendar_free(&calendar);
}

/* `count` times ";A=b" in one line. */
static bool accepts_parameters(size_t count)
{
	struct buffer text = buffer_with_maximum(100000);
	struct calendar calendar;
	struct problem why;
	bool good;

	buffer_append_text(&text, START "METHOD:CANCEL\r\n" "X-A");
	while (count-- > 0)
		buffer_append_text(&text, ";A=b");
	buffer_append_text(&text, ":v\r\n" EVENT END);
	good = calendar_accept(&calendar, buffer_span(&text), &anybody, &why);
	if (!good)
		assert_contains(why.text, "50 parameters");
	calendar_free(&calendar);
	buffer_free(&text);
	return good;
}

/* `count` times the text in the calendar, in front of the event. */
static bool accepts_repeated(const char *piece, const char *closing, size_t count, const char *says)
{
	struct buffer text = buffer_with_maximum((size_t)1 << 21);
	struct calendar calendar;
	struct problem why;
	bool good;

	buffer_append_text(&text, START "METHOD:CANCEL\r\n");
	for (size_t i = 0; i < count; i++)
		buffer_append_text(&text, piece);
	for (size_t i = 0; i < count; i++)
		buffer_append_text(&text, closing);
	buffer_append_text(&text, EVENT END);
	good = calendar_accept(&calendar, buffer_span(&text), &anybody, &why);
	if (!good)
		assert_contains(why.text, says);
	calendar_free(&calendar);
	buffer_free(&text);
	return good;
}

static void everything_has_a_bound_that_the_texts_name(void **state)
{
	char most[3][32];

	(void)state;
	assert_true(accepts_parameters(ICAL_PARAMETERS_MAXIMUM));
	assert_false(accepts_parameters(ICAL_PARAMETERS_MAXIMUM + 1));
	snprintf(most[0], sizeof(most[0]), "than %d", ICAL_DEPTH_MAXIMUM);
	assert_true(accepts_repeated("BEGIN:X-C\r\n", "END:X-C\r\n", ICAL_DEPTH_MAXIMUM - 1, ""));
	assert_false(accepts_repeated("BEGIN:X-C\r\n", "END:X-C\r\n", ICAL_DEPTH_MAXIMUM, most[0]));
	snprintf(most[1], sizeof(most[1]), "than %d", ICAL_COMPONENTS_MAXIMUM);
	assert_true(accepts_repeated("BEGIN:X-C\r\nEND:X-C\r\n", "", ICAL_COMPONENTS_MAXIMUM - 2, ""));
	assert_false(accepts_repeated("BEGIN:X-C\r\nEND:X-C\r\n", "", ICAL_COMPONENTS_MAXIMUM - 1,
				      most[1]));
	/* The calendar, VERSION, PRODID and METHOD, the event are 14 lines. */
	snprintf(most[2], sizeof(most[2]), "than %d", ICAL_LINES_MAXIMUM);
	assert_true(accepts_repeated("X-A:1\r\n", "", ICAL_LINES_MAXIMUM - 14, ""));
	assert_false(accepts_repeated("X-A:1\r\n", "", ICAL_LINES_MAXIMUM - 13, most[2]));
}

static void a_component_has_a_name_of_some_length(void **state)
{
	char begin[200], end[200];

	(void)state;
	snprintf(begin, sizeof(begin), "BEGIN:X%0*d\r\n", ICAL_NAME_MAXIMUM - 1, 0);
	snprintf(end, sizeof(end), "END:x%0*d\r\n", ICAL_NAME_MAXIMUM - 1, 0);
	assert_true(accepts_repeated(begin, end, 1, ""));
	snprintf(begin, sizeof(begin), "BEGIN:X%0*d\r\n", ICAL_NAME_MAXIMUM, 0);
	snprintf(end, sizeof(end), "END:X%0*d\r\n", ICAL_NAME_MAXIMUM, 0);
	assert_false(accepts_repeated(begin, end, 1, "names no component"));
}

static void a_line_may_be_as_long_as_the_calendar(void **state)
{
	static const char head[] = START "METHOD:CANCEL\r\n";
	const size_t length = CALENDAR_MAXIMUM - (sizeof(head) - 1) - (sizeof(EVENT END) - 1);
	char *line = text_of_length(length, 'x');
	struct buffer text = buffer_with_maximum(CALENDAR_MAXIMUM);
	struct calendar calendar;
	struct problem why;
	size_t x = 0;

	(void)state;
	memcpy(line, "ATTACH:", 7);
	memcpy(line + length - 2, "\r\n", 2);
	buffer_printf(&text, "%s%s" EVENT END, head, line);
	assert_int_equal(text.length, CALENDAR_MAXIMUM);
	if (!calendar_accept(&calendar, buffer_span(&text), &usual, &why))
		fail_msg("%s", why.text);
	assert_string_equal(calendar.warning.text, "");
	assert_string_equal(calendar.mended.text, "");
	for (size_t i = 0; i < calendar.text.length; i++)
		x += calendar.text.data[i] == 'x';
	assert_true(x >= length - 9);
	calendar_free(&calendar);
	buffer_free(&text);
	free(line);
}

static void a_long_line_in_pieces_comes_out_whole(void **state)
{
	struct buffer text = buffer_with_maximum((size_t)1 << 20);
	struct calendar calendar, again;
	struct problem why;

	(void)state;
	buffer_append_text(&text, START "METHOD:CANCEL\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:AAAA\r\n");
	for (int i = 0; i < 4000; i++)
		buffer_printf(&text, " %072d\r\n", i);
	buffer_append_text(&text, EVENT END);
	assert_true(calendar_accept(&calendar, buffer_span(&text), &usual, &why));
	assert_true(calendar_accept(&again, buffer_span(&calendar.text), &usual, &why));
	assert_true(span_equals(buffer_span(&calendar.text), buffer_span(&again.text)));
	text.length = unfold(text.data, text.length);
	calendar.text.length = unfold(calendar.text.data, calendar.text.length);
	assert_true(span_equals(buffer_span(&calendar.text), buffer_span(&text)));
	calendar_free(&calendar);
	calendar_free(&again);
	buffer_free(&text);
}

static void a_calendar_may_be_as_large_as_allowed_and_no_larger(void **state)
{
	char *line = text_of_length(10000, 'x');
	static const char head[] = START "METHOD:CANCEL\r\n" EVENT;
	const size_t room = CALENDAR_MAXIMUM - (sizeof(head) - 1) - (sizeof(END) - 1);
	struct buffer text = buffer_with_maximum(CALENDAR_MAXIMUM + 10);
	struct calendar calendar;
	struct problem why = {.text = ""};

	(void)state;
	memcpy(line, "X-A:", 4);
	memcpy(line + 9998, "\r\n", 2);
	buffer_append_text(&text, head);
	for (size_t i = 0; i < room / 10000; i++)
		buffer_append(&text, line, 10000);
	free(line);
	buffer_append_text(&text, END);
	while (text.length < CALENDAR_MAXIMUM)
		buffer_append_text(&text, "\n");
	assert_true(calendar_accept(&calendar, (struct span){text.data, text.length}, &anybody, &why));
	calendar_free(&calendar);
	buffer_append_text(&text, "\n");
	assert_false(calendar_accept(&calendar, (struct span){text.data, text.length}, &anybody, &why));
	assert_contains(why.text, "1048576");
	calendar_free(&calendar);
	buffer_free(&text);
}

/* ---- warnings ---- */

#define EVENT_WITH(lines) \
	"BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260428T093000Z\r\n" lines "END:VEVENT\r\n"
#define WHO "ORGANIZER:mailto:boss@acme.example\r\nATTENDEE:mailto:guest@b.example\r\n"
#define ZONE "BEGIN:VTIMEZONE\r\nTZID:Europe/Nowhere\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n" \
	     "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"

static const struct {
	const char *text, *warning;
} warnings[] = {
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\nSTATUS:cancelled\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\nSTATUS:CONFIRMED\r\n") END,
	 "STATUS is not CANCELLED"},
	{"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\n" EVENT END, "no PRODID; no VERSION"},
	{START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n" WHO "SEQUENCE:0\r\nEND:VEVENT\r\n" END,
	 "no DTSTAMP"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO) END, "no SEQUENCE"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\n") END,
	 "no ORGANIZER; no ATTENDEE is the recipient"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER:mailto:other@acme.example\r\n"
					      "ATTENDEE:mailto:guest@b.example\r\n") END,
	 "From is not the ORGANIZER"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER:boss@acme.example\r\n"
					      "ATTENDEE:mailto:guest@b.example\r\n") END,
	 "From is not the ORGANIZER"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:x\r\n") END, "SEQUENCE is no number"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:1\r\nSEQUENCE:2\r\n") END,
	 "an event has two of DTSTAMP, SEQUENCE, STATUS or ORGANIZER"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n") EVENT_WITH("SEQUENCE:0\r\n") END,
	 "no ORGANIZER"},
	/* a person by EMAIL=, and an address with escapes of its own */
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER;EMAIL=\"boss@acme.example\":urn:x\r\n"
					      "ATTENDEE;CN=Ada;email=Guest@b.example:urn:uuid:1d2f\r\n") END,
	 ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER:mailto:%62oss@acme.example?subject=x\r\n"
					      "ATTENDEE:mailto:guest%40b.example\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER:mailto:boss@acme.exampl%65x\r\n"
					      "ATTENDEE;EMAIL=guest@b.example.org:mailto:x@y\r\n") END,
	 "From is not the ORGANIZER; no ATTENDEE is the recipient"},
	/* any of several attendees, in any case, with any parameters */
	{START "METHOD:CANCEL\r\n" EVENT_WITH("SEQUENCE:0\r\nORGANIZER;CN=\"B, o:s;s\":MAILTO:Boss@Acme.example"
					      "\r\nATTENDEE:mailto:x@b.example\r\nATTENDEE;PARTSTAT="
					      "NEEDS-ACTION:mailto:GUEST@B.example\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" ZONE EVENT_WITH(WHO "SEQUENCE:0\r\n"
						   "DTSTART;TZID=Europe/Nowhere:20260428T093000\r\n") END,
	 ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n"
					      "DTSTART;TZID=Europe/Nowhere:20260428T093000\r\n") END,
	 "a TZID has no VTIMEZONE"},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n"
					      "DTSTART;TZID=/example.org/Nowhere:20260428T093000\r\n") END,
	 ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n"
					      "DTSTART;TZID=\"Europe/Nowhere\":20260428T093000\r\n")
	 ZONE END, ""},
	/* two COMMENTs, an alarm, an empty X- property of Exchange: nobody minds */
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\nCOMMENT:a\r\nCOMMENT:b\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\nX-MICROSOFT-CDO-X:\r\n") END, ""},
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n"
					      "TRIGGER:-PT5M\r\nDESCRIPTION:x\r\nEND:VALARM\r\n") END, ""},
	/* a second event of the same series */
	{START "METHOD:CANCEL\r\n" EVENT_WITH(WHO "SEQUENCE:0\r\n")
	 EVENT_WITH(WHO "SEQUENCE:0\r\nRECURRENCE-ID:20260428T093000Z\r\n") END, ""},
};

static void warns_of_what_programs_may_stumble_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
		struct calendar calendar = accept_text(warnings[i].text);

		if (strcmp(calendar.warning.text, warnings[i].warning) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", warnings[i].text, calendar.warning.text,
				 warnings[i].warning);
		/* Whatever is odd about it, no byte of it changes but for what is mended. */
		assert_string_equal(calendar.text.data, warnings[i].text);
		calendar_free(&calendar);
	}
}

/* ---- what is mended ---- */

static const struct {
	const char *text, *result, *mended;
} mended[] = {
	{START EVENT END, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\nPRODID:-//x//y//EN\r\n"
	 EVENT END, "METHOD:CANCEL put in"},
	{START EVENT "method;X-A=b:cancel\r\n" END,
	 "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\nPRODID:-//x//y//EN\r\n" EVENT END,
	 "METHOD:CANCEL put in front of the events"},
	{START EVENT_WITH(WHO "SEQUENCE:1\r\nMETHOD:CANCEL\r\n") END,
	 "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:CANCEL\r\nPRODID:-//x//y//EN\r\n"
	 EVENT_WITH(WHO "SEQUENCE:1\r\n") END, "METHOD:CANCEL put in front of the events"},
	{START "METHOD:CANCEL\r\nX-A:1\r\n\r\n\n 2\r\n\r\n" EVENT "\n" END,
	 START "METHOD:CANCEL\r\nX-A:12\r\n" EVENT END, "empty lines dropped"},
	{START "METHOD:CANCEL\r\nX-A;B=\"\x01\":a\x0b" "b\x0c" "c\x07" "d\x7f" "e\tf\xc2\x85\r\n" EVENT END,
	 START "METHOD:CANCEL\r\nX-A;B=\"\":abcde\tf\xc2\x85\r\n" EVENT END,
	 "control characters dropped"},
	/* a fold may cut a character */
	{START "METHOD:CANCEL\r\nX-A:\xf0\x9f\r\n \x98\x80\r\n" EVENT END,
	 START "METHOD:CANCEL\r\nX-A:\xf0\x9f\x98\x80\r\n" EVENT END, ""},
};

static void mends_what_leaves_no_doubt_and_says_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++) {
		struct calendar calendar = accept_text(mended[i].text);

		assert_string_equal(calendar.text.data, mended[i].result);
		assert_string_equal(calendar.mended.text, mended[i].mended);
		assert_string_equal(calendar.warning.text, "");
		calendar_free(&calendar);
		/* It is then one that needs no mending. */
		calendar = accept_text(mended[i].result);
		assert_string_equal(calendar.text.data, mended[i].result);
		assert_string_equal(calendar.mended.text, "");
		calendar_free(&calendar);
	}
}

/* ---- libical's turn ---- */

static int others; /* how often somebody else is at libical */

/* Instead of the C library's: the filter tries this one lock only. */
int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	return others > 0 ? others--, EBUSY : pthread_mutex_lock(mutex);
}

static bool wait_so_often(void *context)
{
	int *left = context;

	return (*left)-- > 0;
}

/* The waiting is its caller's: it is asked again and again, and nothing is proven when it ends. */
static void nobody_waits_for_libical_longer_than_it_is_let(void **state)
{
	static const struct {
		int others, patience;
		bool accepted;
	} turns[] = {{0, 0, true}, {1, 0, false}, {3, 3, true}, {3, 2, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		int left = turns[i].patience;
		const struct calendar_question question = {.wait = wait_so_often, .context = &left};
		struct calendar calendar;
		struct problem why = {.text = ""};

		others = turns[i].others;
		assert_int_equal(calendar_accept(&calendar, span_of_text(CANCEL), &question, &why),
				 turns[i].accepted);
		assert_int_equal(why.cannot_tell, !turns[i].accepted);
		calendar_free(&calendar);
	}
	others = 0;
}

static void addresses_that_are_not_known_are_not_compared(void **state)
{
	struct calendar calendar;
	struct problem why = {.text = ""};

	(void)state;
	assert_true(calendar_accept(&calendar, span_of_text(CANCEL), &anybody, &why));
	assert_string_equal(calendar.warning.text, "");
	calendar_free(&calendar);
	assert_true(calendar_accept(&calendar, span_of_text(CANCEL), &strangers, &why));
	assert_contains(calendar.warning.text, "ORGANIZER");
	assert_contains(calendar.warning.text, "ATTENDEE");
	calendar_free(&calendar);
}

static void a_very_long_uid_is_cut_for_the_log_and_a_longer_one_refused(void **state)
{
	char text[2000];
	struct problem why;
	struct calendar calendar;

	(void)state;
	snprintf(text, sizeof(text), START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:%0600d\r\nEND:VEVENT\r\n" END,
		 7);
	calendar = accept_text(text);
	assert_int_equal(strlen(calendar.uid), sizeof(calendar.uid) - 1);
	calendar_free(&calendar);
	snprintf(text, sizeof(text), START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:%01025d\r\nEND:VEVENT\r\n" END,
		 7);
	assert_false(calendar_accept(&calendar, span_of_text(text), &anybody, &why));
	assert_contains(why.text, "1024");
	calendar_free(&calendar);
}

/* libical has to read the same. */
static void a_uid_is_shown_without_its_escapes(void **state)
{
	struct calendar calendar = accept_text(START "METHOD:CANCEL\r\nBEGIN:VEVENT\r\n"
					       "UID: a\\,b\\;c\\\\d\\ne \r\nEND:VEVENT\r\n" END);

	(void)state;
	assert_string_equal(calendar.uid, "a,b;c\\d\ne");
	calendar_free(&calendar);
}

static void *accept_many(void *context)
{
	for (int i = 0; i < 30; i++) {
		struct calendar calendar;
		struct problem why = {.text = ""};

		if (!calendar_accept(&calendar, span_of_text(warnings[(size_t)i % 12].text), &anybody, &why))
			return NULL;
		calendar_free(&calendar);
	}
	return context;
}

static void several_threads_may_ask_at_once(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, accept_many, state), 0);
	for (int i = 0; i < 4; i++) {
		void *result = NULL;

		pthread_join(threads[i], &result);
		assert_ptr_equal(result, state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cancellation_comes_out_as_it_went_in),
		cmocka_unit_test(tells_what_stood_in_it_from_what_was_put_in),
		cmocka_unit_test(every_line_end_becomes_crlf),
		cmocka_unit_test(byte_order_mark_and_white_space_around_it_go),
		cmocka_unit_test(a_missing_last_line_end_comes),
		cmocka_unit_test(lines_of_75_octets_stay_and_longer_ones_are_folded),
		cmocka_unit_test(folds_never_cut_a_character),
		cmocka_unit_test(folding_changes_nothing_else),
		cmocka_unit_test(a_missing_method_is_put_behind_the_version),
		cmocka_unit_test(a_method_may_be_written_in_any_case),
		cmocka_unit_test(refuses_what_is_no_cancellation),
		cmocka_unit_test(an_empty_method_is_another_one),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(everything_has_a_bound_that_the_texts_name),
		cmocka_unit_test(a_component_has_a_name_of_some_length),
		cmocka_unit_test(a_line_may_be_as_long_as_the_calendar),
		cmocka_unit_test(a_long_line_in_pieces_comes_out_whole),
		cmocka_unit_test(a_calendar_may_be_as_large_as_allowed_and_no_larger),
		cmocka_unit_test(warns_of_what_programs_may_stumble_over),
		cmocka_unit_test(mends_what_leaves_no_doubt_and_says_so),
		cmocka_unit_test(nobody_waits_for_libical_longer_than_it_is_let),
		cmocka_unit_test(addresses_that_are_not_known_are_not_compared),
		cmocka_unit_test(a_very_long_uid_is_cut_for_the_log_and_a_longer_one_refused),
		cmocka_unit_test(a_uid_is_shown_without_its_escapes),
		cmocka_unit_test(several_threads_may_ask_at_once),
	};

	return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
