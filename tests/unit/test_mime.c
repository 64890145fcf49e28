/* Where in a message the calendar goes. The corpus has the shapes; here are the edges. */
#include "mime.h"

#include "random.h"
#include "scanning.h"
#include "testing.h"

/* ---- pieces ---- */

static void scan_in_all_pieces(const char *name, const struct mail *mail)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64, 4096};
	const struct span fields = span_of_buffer(&mail->fields);
	const struct outcome whole = scan(fields, mail->body);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const struct outcome other = scan_in_pieces(fields, mail->body, pieces[i]);

		if (!same_outcome(&whole, &other))
			fail_msg("%s: another outcome in pieces of %zu", name, pieces[i]);
	}
}

static void pieces_of_any_size_give_the_same_plan(void **state)
{
	(void)state;
	each_corpus_message(scan_in_all_pieces);
}

static void random_bodies_give_the_same_plan_in_pieces(void **state)
{
	static const char *const parts[] = {
		"--a", "--b", "--a--", "--b--", "\r\n", "\r\n", "\r\n", "\n", "\r", " ", "text", "-", "--",
		"Content-Type: multipart/alternative; boundary=b", "Content-Type: text/plain",
		"Content-Type: multipart/mixed; boundary=c", "--c", "--c--", "\r\n\r\n", "\xc3", "\xa4",
		"Content-Type: text/calendar; method=REQUEST", "Content-Disposition: attachment",
		"-----BEGIN PGP MESSAGE-----", "X: 0123456789012345678901234567890123456789012345678901",
	};
	uint64_t random = random_start();

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct buffer text = buffer_with_maximum(100000);
		struct mail mail;

		buffer_append_text(&text, "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
		for (size_t i = random_below(&random, 60); i > 0; i--)
			buffer_append_text(&text,
					   parts[random_below(&random, sizeof(parts) / sizeof(*parts))]);
		mail = mail_of(text.data, text.length);
		for (size_t piece = 1; piece <= 9; piece++) {
			const struct span fields = span_of_buffer(&mail.fields);
			const struct outcome whole = scan(fields, mail.body);
			const struct outcome other = scan_in_pieces(fields, mail.body, piece);

			if (!same_outcome(&whole, &other))
				fail_msg("CIM_SEED=%llu, round %d, pieces of %zu: %s",
					 (unsigned long long)random_seed(), round, piece, mail.text);
		}
		mail_free(&mail);
	}
}

/* ---- offsets ---- */

/* Where in the body of the message is this text? */
static size_t at(const char *message, const char *text)
{
	const char *body = strstr(message, "\r\n\r\n") + 4;
	const char *found = strstr(body, text);

	assert_non_null(found);
	return (size_t)(found - body);
}

static void a_text_is_wrapped_from_its_first_byte_to_its_last(void **state)
{
	const struct outcome outcome = scan_text("Subject: x\r\n\r\nhello\r\n");

	(void)state;
	assert_true(outcome.accepted);
	assert_int_equal(outcome.plan.shape, MIME_WRAP);
	assert_false(outcome.plan.keeps_mixed);
	assert_int_equal(outcome.plan.wrap_start, 0);
	assert_int_equal(outcome.plan.wrap_end, 7);
	assert_int_equal(outcome.plan.body_length, 7);
	assert_int_equal(outcome.plan.mixed_close, MIME_NOWHERE);
	assert_int_equal(outcome.plan.alternative_close, MIME_NOWHERE);
}

static void an_empty_body_is_wrapped_too(void **state)
{
	static const char *const texts[] = {"Subject: x\r\n\r\n", "Content-Type: text/html\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct outcome outcome = scan_text(texts[i]);

		assert_true(outcome.accepted);
		assert_int_equal(outcome.plan.shape, MIME_WRAP);
		assert_int_equal(outcome.plan.wrap_end, 0);
		assert_int_equal(outcome.plan.body_length, 0);
		assert_true(outcome.plan.utf8);
		assert_false(outcome.plan.eight_bit);
	}
}

static void offsets_name_the_first_byte_of_delimiter_lines(void **state)
{
	static const char text[] = "Content-Type: multipart/mixed; boundary=\"out er\"\r\n\r\n"
				   "preamble\r\n"
				   "--out er \t\r\n"
				   "Content-Type: multipart/alternative; boundary=inner\r\n\r\n"
				   "--inner\r\n\r\na\r\n"
				   "--inner\r\nContent-Type: text/html\r\n\r\nb\r\n"
				   "--inner-- \r\nepilogue\r\n"
				   "--out er\r\nContent-Type: image/png\r\n\r\nc\r\n"
				   "--out er--";
	const struct outcome outcome = scan_text(text);

	(void)state;
	assert_true(outcome.accepted);
	assert_int_equal(outcome.plan.shape, MIME_INTO);
	assert_true(outcome.plan.keeps_mixed);
	assert_int_equal(outcome.plan.alternative_close, at(text, "--inner--"));
	assert_string_equal(outcome.plan.alternative_boundary, "inner");
	assert_int_equal(outcome.plan.mixed_close, at(text, "--out er--"));
	assert_string_equal(outcome.plan.mixed_boundary, "out er");
}

static void a_part_is_wrapped_with_its_headers_up_to_the_next_delimiter(void **state)
{
	static const char text[] = "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
				   "--a\r\n"
				   "Content-Type: text/plain\r\n\r\nhello\r\n"
				   "--a\r\nContent-Type: image/png\r\n\r\nc\r\n"
				   "--a--\r\n";
	const struct outcome outcome = scan_text(text);

	(void)state;
	assert_int_equal(outcome.plan.shape, MIME_WRAP);
	assert_int_equal(outcome.plan.wrap_start, at(text, "Content-Type: text/plain"));
	assert_int_equal(outcome.plan.wrap_end, at(text, "--a\r\nContent-Type: image/png"));
}

static void a_mixed_in_a_mixed_leads_to_its_first_text(void **state)
{
	static const char text[] = "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
				   "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
				   "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
				   "--b--\r\n"
				   "--a--\r\n";
	const struct outcome outcome = scan_text(text);

	(void)state;
	assert_int_equal(outcome.plan.shape, MIME_WRAP);
	assert_true(outcome.plan.keeps_mixed);
	assert_string_equal(outcome.plan.mixed_boundary, "a");
	assert_int_equal(outcome.plan.mixed_close, at(text, "--a--"));
	assert_int_equal(outcome.plan.wrap_start, at(text, "Content-Type: text/plain"));
	assert_int_equal(outcome.plan.wrap_end, at(text, "--b--"));
}

static const struct {
	const char *part; /* the first one of a mixed, from the line behind its delimiter */
	enum mime_shape shape;
} first_parts[] = {
	{"\r\nx\r\n", MIME_WRAP},
	{"\r\n\r\n", MIME_BESIDE}, /* neither headers nor a body */
	{"\r\n", MIME_BESIDE},
	{"\n\n", MIME_BESIDE},
	{"", MIME_BESIDE},
	{"\r\n\r\n\r\n", MIME_WRAP},
	{"X: y\r\n\r\n\r\n", MIME_WRAP},
	{"Content-Type: text/plain\r\n\r\n", MIME_WRAP},
	{"Content-Type: text/plain\r\n", MIME_WRAP}, /* no empty line behind its headers */
	{"Content-Disposition: attachment\r\n\r\nx\r\n", MIME_BESIDE},
	{"Content-Type: image/png\r\n\r\nx\r\n", MIME_BESIDE},
	{"no field\r\n\r\nx\r\n", MIME_BESIDE},
};

static void the_first_part_has_to_be_a_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(first_parts) / sizeof(first_parts[0]); i++) {
		char text[300];
		struct outcome outcome;

		snprintf(text, sizeof(text),
			 "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n%s"
			 "--a\r\nContent-Type: image/png\r\n\r\nx\r\n--a--\r\n",
			 first_parts[i].part);
		outcome = scan_text(text);
		assert_true(outcome.accepted);
		if (outcome.plan.shape != first_parts[i].shape)
			fail_msg("%s: %d", text, (int)outcome.plan.shape);
	}
}

#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=b\r\n"
#define INSIDE "\r\n--b\r\n\r\nx\r\n--b--\r\n"

static const struct {
	const char *parameters, *parts;
	enum mime_shape shape;
} relateds[] = {
	{"", "--a\r\n" ALTERNATIVE INSIDE "--a--\r\n", MIME_INTO},
	{"", "--a\r\nContent-Type: text/html\r\n\r\nx\r\n--a--\r\n", MIME_WRAP},
	{"; start=\"<1>\"", "--a\r\n" ALTERNATIVE "Content-ID: <1>\r\n" INSIDE "--a--\r\n", MIME_INTO},
	/* the root is another one: it stays what it is, inside */
	{"; start=\"<2>\"", "--a\r\n" ALTERNATIVE "Content-ID: <1>\r\n" INSIDE "--a--\r\n", MIME_WRAP},
	{"; start=\"<2>\"", "--a\r\n" ALTERNATIVE INSIDE "--a--\r\n", MIME_WRAP},
	/* an alternative that is not the first part */
	{"", "--a\r\n\r\nx\r\n--a\r\n" ALTERNATIVE INSIDE "--a--\r\n", MIME_WRAP},
	/* never closed */
	{"", "--a\r\n" ALTERNATIVE "\r\n--b\r\n\r\nx\r\n--a--\r\n", MIME_BESIDE},
	{"", "--a\r\n\r\nx\r\n", MIME_BESIDE},
};

static void a_related_leads_to_an_alternative_that_is_its_root(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(relateds) / sizeof(relateds[0]); i++) {
		char text[400];
		struct outcome outcome;

		snprintf(text, sizeof(text), "Content-Type: multipart/related; boundary=a%s\r\n\r\n%s",
			 relateds[i].parameters, relateds[i].parts);
		outcome = scan_text(text);
		assert_true(outcome.accepted);
		if (outcome.plan.shape != relateds[i].shape)
			fail_msg("%s: %d", text, (int)outcome.plan.shape);
		if (relateds[i].shape != MIME_WRAP)
			continue;
		assert_int_equal(outcome.plan.wrap_start, 0);
		assert_int_equal(outcome.plan.wrap_end, outcome.plan.body_length);
	}
}

/* ---- what is a delimiter ---- */

/* An alternative with this line in the place of its close delimiter: found, or nothing? */
static bool closes(const char *line)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "Content-Type: multipart/alternative; boundary=abc\r\n\r\n--abc\r\n\r\nx\r\n%s", line);
	return scan_text(text).plan.shape == MIME_INTO;
}

static void a_close_delimiter_is_the_boundary_then_only_white_space(void **state)
{
	static const char *const good[] = {"--abc--", "--abc--\r\n", "--abc--\n", "--abc-- \t \r\n",
					   "--abc--\r\r\n", "--abc--\r\nrest"};
	static const char *const bad[] = {"--abc-", "--abc", "--abcd--", "--abc--x", "--abc---", "-abc--",
					  " --abc--", "--ABC--", "--abc --", "--abc--\x0b", "x--abc--",
					  "--abc- -"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!closes(good[i]))
			fail_msg("\"%s\" is a close delimiter", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (closes(bad[i]))
			fail_msg("\"%s\" is no close delimiter", bad[i]);
	assert_false(closes("--abc--\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t"
			    "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\tx"));
}

static void nul_is_no_white_space(void **state)
{
	static const char body[] = "--a\r\n\r\nx\r\n--a--\0\r\n";
	const struct outcome outcome =
		scan(span_of_text("Content-Type: multipart/alternative; boundary=a\n"),
		     (struct span){body, sizeof(body) - 1});

	(void)state;
	assert_true(outcome.accepted);
	assert_int_equal(outcome.plan.shape, MIME_BESIDE);
}

static void a_line_as_long_as_all_that_is_kept_of_it_is_judged_by_its_tail(void **state)
{
	static const char boundary[] =
		"0123456789012345678901234567890123456789012345678901234567890123456789";

	(void)state;
	/* White space up to any length, then nothing, or something. */
	for (size_t blanks = 0; blanks < 12; blanks++) {
		char text[600];

		for (int other = 0; other < 2; other++) {
			struct outcome outcome;

			snprintf(text, sizeof(text),
				 "Content-Type: multipart/alternative; boundary=%s\r\n\r\n"
				 "--%s\r\n\r\nx\r\n--%s--%*s%s\r\n",
				 boundary, boundary, boundary, (int)blanks, "", other ? "x" : "");
			outcome = scan_text(text);
			assert_int_equal(outcome.plan.shape, other ? MIME_BESIDE : MIME_INTO);
		}
	}
}

/* ---- limits ---- */

/* `depth` mixeds in each other, a text in the innermost. */
static struct outcome scan_nested(size_t depth)
{
	struct buffer text = buffer_with_maximum(100000);
	struct outcome outcome;

	for (size_t i = 0; i < depth; i++) {
		buffer_printf(&text, "Content-Type: multipart/mixed; boundary=level%zu.\r\n\r\n", i);
		buffer_printf(&text, "--level%zu.\r\n", i);
	}
	buffer_append_text(&text, "Content-Type: text/plain\r\n\r\nx\r\n");
	for (size_t i = depth; i-- > 0;)
		buffer_printf(&text, "--level%zu.--\r\n", i);
	outcome = scan_text(text.data);
	buffer_free(&text);
	return outcome;
}

static void nesting_as_deep_as_allowed_is_understood_and_no_deeper(void **state)
{
	(void)state;
	assert_int_equal(scan_nested(MIME_DEPTH_MAXIMUM).plan.shape, MIME_WRAP);
	assert_true(scan_nested(MIME_DEPTH_MAXIMUM).plan.keeps_mixed);
	assert_true(scan_nested(MIME_DEPTH_MAXIMUM + 1).accepted);
	assert_int_equal(scan_nested(MIME_DEPTH_MAXIMUM + 1).plan.shape, MIME_BESIDE);
	assert_false(scan_nested(MIME_DEPTH_MAXIMUM + 1).plan.keeps_mixed);
	assert_int_equal(scan_nested(500).plan.shape, MIME_BESIDE);
}

static struct outcome scan_parts(size_t parts)
{
	struct buffer text = buffer_with_maximum(1000000);
	struct outcome outcome;

	buffer_append_text(&text, "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
	for (size_t i = 0; i < parts; i++)
		buffer_append_text(&text, "--a\r\nContent-Type: text/plain\r\n\r\nx\r\n");
	buffer_append_text(&text, "--a--\r\n");
	outcome = scan_text(text.data);
	buffer_free(&text);
	return outcome;
}

static void as_many_parts_as_allowed_are_understood_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(scan_parts(1).plan.shape, MIME_WRAP);
	assert_int_equal(scan_parts(MIME_PARTS_MAXIMUM).plan.shape, MIME_WRAP);
	assert_true(scan_parts(MIME_PARTS_MAXIMUM + 1).accepted);
	assert_int_equal(scan_parts(MIME_PARTS_MAXIMUM + 1).plan.shape, MIME_BESIDE);
	assert_int_equal(scan_parts(0).plan.shape, MIME_BESIDE);
}

/* A part whose headers, with the empty line behind them, are this long. */
static struct outcome scan_part_headers(size_t length, size_t piece)
{
	static const char start[] = "Content-Type: text/plain; x=";
	struct buffer text = buffer_with_maximum(1000000);
	char *filler = text_of_length(length - (sizeof(start) - 1) - 4, 'x');
	struct outcome outcome;
	struct mail mail;

	buffer_printf(&text,
		      "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n%s%s\r\n\r\nx\r\n--a--\r\n",
		      start, filler);
	mail = mail_of(text.data, text.length);
	outcome = scan_in_pieces(span_of_buffer(&mail.fields), mail.body, piece);
	mail_free(&mail);
	free(filler);
	return outcome;
}

static void part_headers_as_long_as_allowed_are_understood_and_no_longer(void **state)
{
	static const size_t pieces[] = {1, 1000, 1000000};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const size_t most = MIME_PART_HEADERS_MAXIMUM;

		assert_int_equal(scan_part_headers(most, pieces[i]).plan.shape, MIME_WRAP);
		assert_true(scan_part_headers(most + 1, pieces[i]).accepted);
		assert_int_equal(scan_part_headers(most + 1, pieces[i]).plan.shape, MIME_BESIDE);
		assert_int_equal(scan_part_headers(3 * most, pieces[i]).plan.shape, MIME_BESIDE);
	}
}

/* ---- our boundaries ---- */

static void write_stem(char *out, size_t which)
{
	for (size_t i = 0; i < MIME_STEM_DIGITS / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", scanning_bytes()[which * MIME_STEM_DIGITS / 2 + i]);
}

/* The stem that is used when a body holds these lines; "" if it is refused. */
static const char *stem_for(const char *format, unsigned int taken)
{
	static struct outcome outcome;
	struct buffer body = buffer_with_maximum(10000);

	buffer_append_text(&body, "hello\r\n");
	for (size_t i = 0; i < MIME_STEMS; i++) {
		char stem[MIME_STEM_DIGITS + 1];

		write_stem(stem, i);
		if (taken & 1U << i)
			buffer_printf(&body, format, stem);
	}
	for (size_t piece = 1; piece < 50; piece += 6) {
		outcome = scan_in_pieces(span_of_text(""), span_of_buffer(&body), piece);
		assert_true(outcome.accepted || strstr(outcome.why.text, "every boundary"));
	}
	buffer_free(&body);
	return outcome.accepted ? outcome.plan.stem : "";
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void a_stem_that_the_body_holds_is_not_used(void **state)
{
	char stems[MIME_STEMS][MIME_STEM_DIGITS + 1];

	(void)state;
	for (size_t i = 0; i < MIME_STEMS; i++)
		write_stem(stems[i], i);
	assert_string_equal(stem_for("", 0), stems[0]);
	assert_string_equal(stem_for("--=_%s-1\r\n", 1), stems[1]);
	assert_string_equal(stem_for("--=_%s-2--\r\n", 1), stems[1]);
	assert_string_equal(stem_for("--=_%s\r\n", 3), stems[2]);
	assert_string_equal(stem_for("--=_%s-1\n", 2), stems[0]);
	assert_string_equal(stem_for("--=_%s-1\r\n", 7), stems[3]);
	assert_string_equal(stem_for("--=_%s-1", 1), stems[1]); /* where the body ends */
	assert_string_equal(stem_for("--=_%s-1\r\n", 15), "");
}

static void a_stem_counts_only_where_it_could_be_a_delimiter(void **state)
{
	char first[MIME_STEM_DIGITS + 1];

	(void)state;
	write_stem(first, 0);
	assert_string_equal(stem_for("=_%s-1\r\n", 15), first);
	assert_string_equal(stem_for(" --=_%s-1\r\n", 15), first);
}
#pragma GCC diagnostic pop

static void a_stem_is_looked_for_where_structure_no_longer_is(void **state)
{
	struct buffer text = buffer_with_maximum(1000000);
	char stem[MIME_STEM_DIGITS + 1];
	struct outcome outcome;

	(void)state;
	write_stem(stem, 0);
	buffer_append_text(&text, "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
	for (size_t i = 0; i <= MIME_PARTS_MAXIMUM; i++)
		buffer_append_text(&text, "--a\r\n\r\nx\r\n");
	buffer_printf(&text, "--=_%s-1\r\n--a--\r\n", stem);
	outcome = scan_text(text.data);
	assert_int_equal(outcome.plan.shape, MIME_BESIDE);
	assert_string_not_equal(outcome.plan.stem, stem);
	buffer_free(&text);
}

/* ---- bytes ---- */

static const struct {
	const char *body;
	size_t length;
	bool eight_bit, utf8;
} bodies[] = {
	{"abc", 3, false, true},
	{"a\0b", 3, false, true},
	{"\x7f", 1, false, true},
	{"\xc3\xa4", 2, true, true},
	{"\x80", 1, true, false},
	{"a\xc3", 2, true, false},
	{"\xe4hnlich", 7, true, false},
};

static void knows_what_kind_of_bytes_a_body_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (size_t piece = 1; piece < 9; piece++) {
			const struct outcome outcome =
				scan_in_pieces(span_of_text(""),
					       (struct span){bodies[i].body, bodies[i].length}, piece);

			assert_int_equal(outcome.plan.eight_bit, bodies[i].eight_bit);
			assert_int_equal(outcome.plan.utf8, bodies[i].utf8);
		}
	}
}

/* They move into the body. */
static void content_headers_count_among_its_bytes(void **state)
{
	const struct outcome outcome =
		scan(span_of_text("Content-Description: caf\xc3\xa9\r\n"), span_of_text("text\r\n"));

	(void)state;
	assert_true(outcome.plan.eight_bit);
}

/* ---- refusals ---- */

static const struct {
	const char *text, *says; /* NULL: accepted */
} refusals[] = {
	{"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx", "two different Content-Type"},
	{"Content-Type: text/calendar; method=REQUEST\r\n\r\nx", "already carries"},
	{"Content-Type: multipart/report; boundary=a\r\n\r\n--a--", "report"},
	{"Content-Type: message/partial\r\n\r\nx", "fragment"},
	{"Content-Type: multipart/encrypted; boundary=a\r\n\r\n--a--", "encrypted"},
	{"Content-Type: application/pkcs7-mime\r\n\r\nx", "encrypted"},
	{"Content-Type: application/ms-tnef\r\n\r\nx", "winmail.dat"},
	{"Content-Type: text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n", "PGP"},
	{"Subject: x\r\n\r\nhello\n-----BEGIN PGP MESSAGE-----", "PGP"},
	{"Subject: x\r\n\r\n-----BEGIN PGP MESSAGE----", NULL},
	{"Subject: x\r\n\r\n> -----BEGIN PGP MESSAGE-----\r\n", NULL},
	{"Content-Type: image/png\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n", NULL},
	{"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\n"
	 "Content-Type: text/calendar; method=CANCEL\r\n\r\nx\r\n--a--\r\n", "already carries"},
	/* the last part, cut off */
	{"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\n"
	 "Content-Type: text/calendar; method=CANCEL", "already carries"},
	/* an encrypted file that is attached is only a file */
	{"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a\r\n"
	 "Content-Type: application/pkcs7-mime\r\n\r\nx\r\n--a--\r\n", NULL},
	{"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
	 "Content-Type: application/pkcs7-mime\r\n\r\nx\r\n--a--\r\n", "encrypted"},
	/* structure is not looked for in a text */
	{"Subject: x\r\n\r\n--a\r\nContent-Type: text/calendar; method=CANCEL\r\n\r\n", NULL},
};

static void refuses_what_must_not_be_touched(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct outcome outcome = scan_text(refusals[i].text);

		if (outcome.accepted != (refusals[i].says == NULL))
			fail_msg("%s\n%s", refusals[i].text, outcome.why.text);
		if (refusals[i].says)
			assert_contains(outcome.why.text, refusals[i].says);
	}
}

static void the_first_reason_is_the_one_that_is_told(void **state)
{
	const struct outcome outcome =
		scan_text("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
			  "--a\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n"
			  "--a\r\nContent-Type: application/ms-tnef\r\n\r\nx\r\n--a--\r\n");

	(void)state;
	assert_contains(outcome.why.text, "PGP");
}

/* ---- work ---- */

static void time_is_linear_in_the_message(void **state)
{
	/* Each of these would be slow if a line were looked at again for each of its pieces. */
	static const char *const fillers[] = {"--a", "-", "--a\r\nX: y\r\n", "--a\r\n ", "\r\n", "--"};

	(void)state;
	for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
		struct buffer text = buffer_with_maximum((size_t)4 << 20);
		struct mail mail;

		buffer_append_text(&text, "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
		while (text.length < (size_t)1 << 20)
			buffer_append_text(&text, fillers[i]);
		mail = mail_of(text.data, text.length);
		assert_true(scan_in_pieces(span_of_buffer(&mail.fields), mail.body, 13).accepted);
		mail_free(&mail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_any_size_give_the_same_plan),
		cmocka_unit_test(random_bodies_give_the_same_plan_in_pieces),
		cmocka_unit_test(a_text_is_wrapped_from_its_first_byte_to_its_last),
		cmocka_unit_test(an_empty_body_is_wrapped_too),
		cmocka_unit_test(offsets_name_the_first_byte_of_delimiter_lines),
		cmocka_unit_test(a_part_is_wrapped_with_its_headers_up_to_the_next_delimiter),
		cmocka_unit_test(a_mixed_in_a_mixed_leads_to_its_first_text),
		cmocka_unit_test(the_first_part_has_to_be_a_body),
		cmocka_unit_test(a_related_leads_to_an_alternative_that_is_its_root),
		cmocka_unit_test(a_close_delimiter_is_the_boundary_then_only_white_space),
		cmocka_unit_test(nul_is_no_white_space),
		cmocka_unit_test(a_line_as_long_as_all_that_is_kept_of_it_is_judged_by_its_tail),
		cmocka_unit_test(nesting_as_deep_as_allowed_is_understood_and_no_deeper),
		cmocka_unit_test(as_many_parts_as_allowed_are_understood_and_no_more),
		cmocka_unit_test(part_headers_as_long_as_allowed_are_understood_and_no_longer),
		cmocka_unit_test(a_stem_that_the_body_holds_is_not_used),
		cmocka_unit_test(a_stem_counts_only_where_it_could_be_a_delimiter),
		cmocka_unit_test(a_stem_is_looked_for_where_structure_no_longer_is),
		cmocka_unit_test(knows_what_kind_of_bytes_a_body_has),
		cmocka_unit_test(content_headers_count_among_its_bytes),
		cmocka_unit_test(refuses_what_must_not_be_touched),
		cmocka_unit_test(the_first_reason_is_the_one_that_is_told),
		cmocka_unit_test(time_is_linear_in_the_message),
	};

	return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
