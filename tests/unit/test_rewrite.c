/* The texts that are inserted, and where they come out. */
#include "rewrite.h"

#include "random.h"
#include "scanning.h"
#include "testing.h"

static const char calendar_text[] = "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n";

struct writing {
	struct buffer out;
	size_t calls_left; /* until it refuses one */
};

static bool write_to(void *context, const char *data, size_t length)
{
	struct writing *writing = context;

	assert_true(length > 0);
	buffer_append(&writing->out, data, length);
	return writing->calls_left-- > 1;
}

/*
 * The new body, written in pieces of this size. `closed`: the last piece is told to be the last;
 * else an empty one comes behind it.
 */
static struct buffer write_in_pieces(const struct rewrite *rewrite, struct span body, size_t piece,
				     bool closed)
{
	struct writing writing = {buffer_with_maximum((size_t)64 << 20), SIZE_MAX};
	size_t offset = 0;

	while (offset < body.length) {
		size_t length = body.length - offset < piece ? body.length - offset : piece;
		bool last = closed && offset + length == body.length;

		assert_true(rewrite_write(rewrite, offset, (struct span){body.at + offset, length},
					  last, write_to, &writing));
		offset += length;
	}
	if (!closed || body.length == 0)
		assert_true(rewrite_write(rewrite, offset, (struct span){body.at, 0}, true, write_to,
					  &writing));
	assert_false(writing.out.failed);
	return writing.out;
}

/* The new body, put together by hand. */
static struct buffer put_together(const struct rewrite *rewrite, struct span body)
{
	struct buffer out = buffer_with_maximum((size_t)64 << 20);
	size_t done = 0;

	for (size_t i = 0; i < rewrite->count; i++) {
		const size_t offset = rewrite->insertions[i].offset;

		assert_in_range(offset, done, body.length);
		buffer_append(&out, body.at + done, offset - done);
		buffer_append(&out, rewrite->insertions[i].text.data,
			      rewrite->insertions[i].text.length);
		done = offset;
	}
	buffer_append(&out, body.at + done, body.length - done);
	return out;
}

static struct rewrite make(const struct mail *mail, struct span calendar)
{
	const struct span fields = span_of_buffer(&mail->fields);
	const struct outcome outcome = scan(fields, mail->body);
	struct rewrite rewrite;

	assert_true(outcome.accepted);
	assert_true(rewrite_make(&rewrite, &outcome.plan, fields, calendar));
	return rewrite;
}

/* The whole new message; headers other than the Content-* ones are left out. */
static struct buffer rewritten(const char *text, struct span calendar)
{
	struct mail mail = mail_of_text(text);
	struct rewrite rewrite = make(&mail, calendar);
	struct buffer body = put_together(&rewrite, mail.body);
	struct buffer out = buffer_with_maximum((size_t)64 << 20);

	if (rewrite.content_type[0])
		buffer_printf(&out, "Content-Type: %s\r\n", rewrite.content_type);
	else
		buffer_append(&out, mail.fields.data, mail.fields.length);
	if (rewrite.transfer_encoding[0])
		buffer_printf(&out, "Content-Transfer-Encoding: %s\r\n", rewrite.transfer_encoding);
	buffer_append_text(&out, "\r\n");
	buffer_append(&out, body.data, body.length);
	buffer_free(&body);
	rewrite_free(&rewrite);
	mail_free(&mail);
	return out;
}

#define STEM "000102030405060708090a0b0c0d0e0f"

static const char calendar_part[] =
	"Content-Type: text/calendar; charset=\"UTF-8\"; method=CANCEL\r\n"
	"Content-Transfer-Encoding: 7bit\r\n"
	"\r\n"
	"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n"
	"\r\n";

static const char attachment_part[] =
	"Content-Type: application/ics; charset=\"UTF-8\"; method=CANCEL;\r\n"
	" name=\"invite.ics\"\r\n"
	"Content-Disposition: attachment; filename=\"invite.ics\"\r\n"
	"Content-Transfer-Encoding: base64\r\n"
	"\r\n"
	"QkVHSU46VkNBTEVOREFSDQpNRVRIT0Q6Q0FOQ0VMDQpFTkQ6VkNBTEVOREFSDQo=\r\n"
	"\r\n";

static void a_text_becomes_an_alternative_in_a_mixed(void **state)
{
	struct buffer out = rewritten("Subject: x\r\n\r\nhello\r\n", span_of_text(calendar_text));
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "Content-Type: multipart/mixed; boundary=\"=_" STEM "-1\"\r\n"
		 "\r\n"
		 "--=_" STEM "-1\r\n"
		 "Content-Type: multipart/alternative;\r\n"
		 " boundary=\"=_" STEM "-2\"\r\n"
		 "\r\n"
		 "--=_" STEM "-2\r\n"
		 "Content-Type: text/plain; charset=us-ascii\r\n"
		 "\r\n"
		 "hello\r\n"
		 "\r\n"
		 "--=_" STEM "-2\r\n%s"
		 "--=_" STEM "-2--\r\n"
		 "--=_" STEM "-1\r\n%s"
		 "--=_" STEM "-1--\r\n",
		 calendar_part, attachment_part);
	assert_string_equal(out.data, expected);
	buffer_free(&out);
}

static void a_mixed_with_a_text_keeps_its_own_boundary(void **state)
{
	struct buffer out = rewritten("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
				      "--a\r\nContent-Type: text/html\r\n\r\nhello\r\n--a--\r\nbye",
				      span_of_text(calendar_text));
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "Content-Type: multipart/mixed; boundary=a\n"
		 "\r\n"
		 "--a\r\n"
		 "Content-Type: multipart/alternative;\r\n"
		 " boundary=\"=_" STEM "-2\"\r\n"
		 "\r\n"
		 "--=_" STEM "-2\r\n"
		 "Content-Type: text/html\r\n\r\nhello\r\n"
		 "--=_" STEM "-2\r\n%s"
		 "--=_" STEM "-2--\r\n"
		 "--a\r\n%s"
		 "--a--\r\nbye",
		 calendar_part, attachment_part);
	assert_string_equal(out.data, expected);
	buffer_free(&out);
}

static void an_alternative_gets_the_calendar_as_its_last_part(void **state)
{
	struct buffer out = rewritten("Content-Type: multipart/alternative; boundary=a\r\n\r\n"
				      "--a\r\n\r\nhello\r\n--a--",
				      span_of_text(calendar_text));
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "Content-Type: multipart/mixed; boundary=\"=_" STEM "-1\"\r\n"
		 "\r\n"
		 "--=_" STEM "-1\r\n"
		 "Content-Type: multipart/alternative; boundary=a\r\n"
		 "\r\n"
		 "--a\r\n\r\nhello\r\n"
		 "--a\r\n%s"
		 "--a--\r\n"
		 "--=_" STEM "-1\r\n%s"
		 "--=_" STEM "-1--\r\n",
		 calendar_part, attachment_part);
	assert_string_equal(out.data, expected);
	buffer_free(&out);
}

static void a_file_gets_the_calendar_beside_it(void **state)
{
	struct buffer out = rewritten("Content-Type: image/png\r\nContent-Length: 3\r\n\r\n\x89PN",
				      span_of_text(calendar_text));
	char expected[4096];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "Content-Type: multipart/mixed; boundary=\"=_" STEM "-1\"\r\n"
		 "Content-Transfer-Encoding: 8bit\r\n"
		 "\r\n"
		 "--=_" STEM "-1\r\n"
		 "Content-Type: image/png\r\n"
		 "\r\n"
		 "\x89PN\r\n"
		 "--=_" STEM "-1\r\n%s"
		 "--=_" STEM "-1\r\n%s"
		 "--=_" STEM "-1--\r\n",
		 calendar_part, attachment_part);
	assert_string_equal(out.data, expected);
	buffer_free(&out);
}

static const struct {
	const char *text, *inner; /* the header of the inner part */
} untyped[] = {
	{"Subject: x\r\n\r\nascii", "Content-Type: text/plain; charset=us-ascii\r\n\r\n"},
	{"Subject: x\r\n\r\n\xc3\xa4",
	 "Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
	{"Subject: x\r\n\r\n\xe4",
	 "Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"},
	/* what is encoded may be anything */
	{"Content-Transfer-Encoding: base64\r\n\r\nYQ==",
	 "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n"},
	{"Content-Language: de\r\n\r\nascii",
	 "Content-Language: de\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"},
};

static void an_untyped_text_gets_a_type_that_is_true(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(untyped) / sizeof(untyped[0]); i++) {
		struct buffer out = rewritten(untyped[i].text, span_of_text(calendar_text));

		assert_contains(out.data, untyped[i].inner);
		buffer_free(&out);
	}
}

static void inner_fields_keep_their_order_and_folding(void **state)
{
	struct buffer out = rewritten("content-LANGUAGE:de\r\nContent-Type: text/plain;\r\n\tcharset=x\r\n"
				      "Content-Class: y\r\nContent-Length: 5\r\nContent-ID:  <1> \r\n"
				      "\r\nhello",
				      span_of_text(calendar_text));

	(void)state;
	assert_contains(out.data, "-2\r\ncontent-LANGUAGE:de\r\nContent-Type: text/plain;\r\n"
				  "\tcharset=x\r\nContent-ID:  <1> \r\n\r\nhello");
	buffer_free(&out);
}

/* ---- the calendar's own encoding ---- */

static size_t count(const char *text, const char *part)
{
	size_t found = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		found++;
	return found;
}

static void a_calendar_is_7bit_if_it_can_be(void **state)
{
	static const struct {
		size_t line;
		const char *sign;
		bool plain;
	} calendars[] = {{900, "x", true}, {996, "x", true}, {997, "x", false}, {10, "\xc3\xa4", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(calendars) / sizeof(calendars[0]); i++) {
		char *filler = text_of_length(calendars[i].line, 'x');
		char calendar[2000];
		struct buffer out;

		/* A line of `line` + 2 characters before its CR. */
		snprintf(calendar, sizeof(calendar), "A\r\nX:%s\r\n%s\r\n", filler, calendars[i].sign);
		out = rewritten("Subject: x\r\n\r\nhello\r\n", span_of_text(calendar));
		if (calendars[i].plain != (strstr(out.data, calendar) != NULL))
			fail_msg("a line of %zu", calendars[i].line + 2);
		assert_int_equal(count(out.data, "Content-Transfer-Encoding: base64\r\n"),
				 calendars[i].plain ? 1 : 2);
		buffer_free(&out);
		free(filler);
	}
}

/* A plain decoder for what append_base64() wrote; all else is a failure. */
static struct buffer decode_base64(const char *text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buffer out = buffer_with_maximum(1000000);

	while (*text != '\r') {
		size_t line = 0;

		for (; *text != '\r'; text += 4, line += 4) {
			unsigned int bits = 0;
			size_t signs = 0;

			for (size_t i = 0; i < 4; i++) {
				const char *found = text[i] != '=' ? strchr(alphabet, text[i]) : NULL;

				assert_true(text[i] == '=' || found);
				signs += found != NULL;
				bits = bits << 6 | (found ? (unsigned int)(found - alphabet) : 0);
			}
			for (size_t i = 0; i + 1 < signs; i++) {
				char c = (char)(bits >> (16 - 8 * i) & 0xff);

				buffer_append(&out, &c, 1);
			}
		}
		assert_in_range(line, 4, 76);
		assert_memory_equal(text, "\r\n", 2);
		text += 2;
	}
	return out;
}

static void both_copies_say_the_same(void **state)
{
	char calendar[400] = "";

	(void)state;
	/* Every length, so every end of a base64 line and every padding. */
	for (size_t length = 1; length < 350; length++) {
		struct buffer out, decoded;
		const char *start;

		memcpy(calendar + length - 1, "\xfe", 2);
		out = rewritten("Subject: x\r\n\r\nhello\r\n", span_of_text(calendar));
		start = strstr(out.data, "filename=\"invite.ics\"\r\nContent-Transfer-Encoding: base64"
					 "\r\n\r\n");
		assert_non_null(start);
		decoded = decode_base64(strstr(start, "\r\n\r\n") + 4);
		assert_int_equal(decoded.length, length);
		assert_memory_equal(decoded.data, calendar, length);
		buffer_free(&decoded);
		start = strstr(out.data, "method=CANCEL\r\nContent-Transfer-Encoding: base64\r\n\r\n");
		assert_non_null(start);
		decoded = decode_base64(strstr(start, "\r\n\r\n") + 4);
		assert_string_equal(decoded.data, calendar);
		buffer_free(&decoded);
		buffer_free(&out);
	}
}

/* ---- writing ---- */

static void check_writing(const char *name, const struct mail *mail)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4096, SIZE_MAX / 2};
	const struct span fields = span_of_buffer(&mail->fields);
	const struct outcome outcome = scan(fields, mail->body);
	struct rewrite rewrite;
	struct buffer whole;

	if (!outcome.accepted)
		return;
	assert_true(rewrite_make(&rewrite, &outcome.plan, fields, span_of_text(calendar_text)));
	assert_in_range(rewrite.count, 1, REWRITE_INSERTIONS);
	for (size_t i = 1; i < rewrite.count; i++)
		assert_true(rewrite.insertions[i - 1].offset < rewrite.insertions[i].offset);
	whole = put_together(&rewrite, mail->body);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (int closed = 0; closed < 2; closed++) {
			struct buffer out = write_in_pieces(&rewrite, mail->body, pieces[i], closed);

			if (out.length != whole.length ||
			    memcmp(out.data, whole.data, whole.length) != 0)
				fail_msg("%s: another body in pieces of %zu", name, pieces[i]);
			buffer_free(&out);
		}
	}
	buffer_free(&whole);
	rewrite_free(&rewrite);
}

static void pieces_of_any_size_give_the_same_new_body(void **state)
{
	(void)state;
	each_corpus_message(check_writing);
}

/* A message that was rewritten holds a calendar: a second pass sees it, and refuses. */
static void check_second_pass(const char *name, const struct mail *mail)
{
	const struct span fields = span_of_buffer(&mail->fields);
	struct outcome outcome = scan(fields, mail->body);
	struct rewrite rewrite;
	struct buffer body;
	char type[200];

	/* Beyond a limit nobody looks any more. */
	if (!outcome.accepted || strstr(name, "1001-parts") || strstr(name, "levels") ||
	    strstr(name, "deep") || strstr(name, "nest"))
		return;
	assert_true(rewrite_make(&rewrite, &outcome.plan, fields, span_of_text(calendar_text)));
	body = put_together(&rewrite, mail->body);
	snprintf(type, sizeof(type), "Content-Type: %s\n", rewrite.content_type);
	outcome = scan(rewrite.content_type[0] ? span_of_text(type) : fields, span_of_buffer(&body));
	if (outcome.accepted || !strstr(outcome.why.text, "already carries"))
		fail_msg("%s: %s", name, outcome.accepted ? "accepted again" : outcome.why.text);
	buffer_free(&body);
	rewrite_free(&rewrite);
}

static void a_message_is_not_rewritten_twice(void **state)
{
	(void)state;
	each_corpus_message(check_second_pass);
}

/* A rewrite with texts of one letter at these offsets. */
static struct rewrite insert_at(const size_t *offsets, size_t count_of_them)
{
	struct rewrite rewrite = {.count = count_of_them};

	for (size_t i = 0; i < count_of_them; i++) {
		const char letter = (char)('A' + i);

		rewrite.insertions[i].offset = offsets[i];
		rewrite.insertions[i].text = buffer_with_maximum(10);
		buffer_append(&rewrite.insertions[i].text, &letter, 1);
	}
	return rewrite;
}

static void insertions_at_the_edges_of_pieces_come_once(void **state)
{
	static const size_t offsets[] = {0, 3, 6, 9};
	struct rewrite rewrite = insert_at(offsets, 4);

	(void)state;
	for (size_t piece = 1; piece <= 10; piece++) {
		for (int closed = 0; closed < 2; closed++) {
			struct buffer out =
				write_in_pieces(&rewrite, span_of_text("012345678"), piece, closed);

			assert_string_equal(out.data, "A012B345C678D");
			buffer_free(&out);
		}
	}
	rewrite_free(&rewrite);
}

static void an_empty_body_takes_its_insertions_with_the_last_piece(void **state)
{
	static const size_t offsets[] = {0};
	struct rewrite rewrite = insert_at(offsets, 1);
	struct writing writing = {buffer_with_maximum(100), SIZE_MAX};

	(void)state;
	assert_true(rewrite_write(&rewrite, 0, (struct span){"", 0}, false, write_to, &writing));
	assert_int_equal(writing.out.length, 0);
	assert_true(rewrite_write(&rewrite, 0, (struct span){"", 0}, true, write_to, &writing));
	assert_string_equal(writing.out.data, "A");
	buffer_free(&writing.out);
	rewrite_free(&rewrite);
}

static void stops_when_the_writer_says_so(void **state)
{
	static const size_t offsets[] = {0, 2, 4};
	struct rewrite rewrite = insert_at(offsets, 3);

	(void)state;
	/* A, 01, B, 23, C */
	for (size_t calls = 1; calls <= 5; calls++) {
		struct writing writing = {buffer_with_maximum(100), calls};

		assert_false(rewrite_write(&rewrite, 0, span_of_text("0123"), true, write_to, &writing));
		assert_int_equal(writing.calls_left, 0);
		assert_memory_equal(writing.out.data, "A01B23C", writing.out.length);
		buffer_free(&writing.out);
	}
	rewrite_free(&rewrite);
}

static void knows_which_fields_move(void **state)
{
	static const char *const move[] = {"Content-Type", "content-x", "CONTENT-Length", "Content-"};
	static const char *const stay[] = {"Content-Class", "content-CLASS", "Content", "X-Content-Type", "",
					   "Content-a b", "Content-\xc3\xa4"};

	(void)state;
	for (size_t i = 0; i < sizeof(move) / sizeof(move[0]); i++)
		assert_true(field_is_content(span_of_text(move[i])));
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_false(field_is_content(span_of_text(stay[i])));
}

static void the_largest_calendar_fits(void **state)
{
	char *calendar = text_of_length((size_t)2 << 20, '\xe4');
	struct buffer out = rewritten("Subject: x\r\n\r\nhello\r\n", span_of_text(calendar));

	(void)state;
	assert_true(out.length > (size_t)5 << 20);
	buffer_free(&out);
	free(calendar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_becomes_an_alternative_in_a_mixed),
		cmocka_unit_test(a_mixed_with_a_text_keeps_its_own_boundary),
		cmocka_unit_test(an_alternative_gets_the_calendar_as_its_last_part),
		cmocka_unit_test(a_file_gets_the_calendar_beside_it),
		cmocka_unit_test(an_untyped_text_gets_a_type_that_is_true),
		cmocka_unit_test(inner_fields_keep_their_order_and_folding),
		cmocka_unit_test(a_calendar_is_7bit_if_it_can_be),
		cmocka_unit_test(both_copies_say_the_same),
		cmocka_unit_test(pieces_of_any_size_give_the_same_new_body),
		cmocka_unit_test(a_message_is_not_rewritten_twice),
		cmocka_unit_test(insertions_at_the_edges_of_pieces_come_once),
		cmocka_unit_test(an_empty_body_takes_its_insertions_with_the_last_piece),
		cmocka_unit_test(stops_when_the_writer_says_so),
		cmocka_unit_test(knows_which_fields_move),
		cmocka_unit_test(the_largest_calendar_fits),
	};

	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
