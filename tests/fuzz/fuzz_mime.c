/*
 * A whole message: every size of pieces gives the same plan; the new body without what was inserted
 * is the old one; and a second pass finds the calendar that the first one put in.
 */
#include "fuzz.h"
#include "mime.h"
#include "rewrite.h"

#include <strings.h>

static const char calendar_text[] = "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n";

/* Splits a message into its block of Content-* fields and its body. */
static void split(struct span message, struct buffer *fields, struct span *body)
{
	struct span rest = message, headers, name, value;

	*body = message;
	while (body->length > 0) {
		struct span line = fuzz_take_line(body);

		if (line.length == 0 || (line.length == 1 && line.at[0] == '\r'))
			break;
	}
	headers = (struct span){message.at, message.length - body->length};
	for (rest = headers; field_next(&rest, &name, &value);) {
		if (!field_is_content(name) || name.length > 79)
			continue;
		buffer_append(fields, name.at, (size_t)(value.at + value.length - name.at));
		buffer_append_text(fields, "\n");
	}
}

struct outcome {
	bool accepted;
	struct mime_plan plan;
	struct problem why;
};

static struct outcome scan(struct span fields, struct span body, size_t piece)
{
	static const unsigned char random[MIME_STEMS * MIME_STEM_DIGITS / 2] = "0123456789abcdef0123";
	struct mime_scanner *scanner = mime_scanner_new(fields, random);
	struct outcome outcome = {.accepted = false};

	must(scanner);
	for (size_t i = 0; i < body.length; i += piece)
		mime_scanner_add(scanner, body.at + i,
				 body.length - i < piece ? body.length - i : piece);
	outcome.accepted = mime_scanner_finish(scanner, &outcome.plan, &outcome.why);
	mime_scanner_free(scanner);
	return outcome;
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
	must(a->accepted == b->accepted);
	if (!a->accepted) {
		must(strcmp(a->why.text, b->why.text) == 0);
		return;
	}
	must(a->plan.shape == b->plan.shape);
	must(a->plan.keeps_mixed == b->plan.keeps_mixed);
	must(a->plan.mixed_close == b->plan.mixed_close);
	must(a->plan.wrap_start == b->plan.wrap_start);
	must(a->plan.wrap_end == b->plan.wrap_end);
	must(a->plan.alternative_close == b->plan.alternative_close);
	must(strcmp(a->plan.mixed_boundary, b->plan.mixed_boundary) == 0);
	must(strcmp(a->plan.alternative_boundary, b->plan.alternative_boundary) == 0);
	must(a->plan.body_length == b->plan.body_length);
	must(a->plan.eight_bit == b->plan.eight_bit);
	must(a->plan.utf8 == b->plan.utf8);
	must(strcmp(a->plan.stem, b->plan.stem) == 0);
}

static bool append_piece(void *context, const char *data, size_t length)
{
	buffer_append(context, data, length);
	return true;
}

/* The new body, written in pieces. */
static struct buffer write_body(const struct rewrite *rewrite, struct span body, size_t piece)
{
	struct buffer out = buffer_with_maximum((size_t)64 << 20);
	size_t offset = 0;

	for (; offset < body.length; offset += piece)
		must(rewrite_write(rewrite, offset,
				   (struct span){body.at + offset, body.length - offset < piece
									   ? body.length - offset
									   : piece},
				   body.length - offset <= piece, append_piece, &out));
	if (body.length == 0)
		must(rewrite_write(rewrite, 0, body, true, append_piece, &out));
	must(!out.failed);
	return out;
}

/* Takes the insertions out again: what is left must be the old body. */
static void check_old_bytes(const struct rewrite *rewrite, struct span body, const struct buffer *new)
{
	size_t at = 0, done = 0;

	for (size_t i = 0; i < rewrite->count; i++) {
		const struct buffer *text = &rewrite->insertions[i].text;
		const size_t offset = rewrite->insertions[i].offset;

		must(offset >= done && offset <= body.length);
		must(i == 0 || offset > rewrite->insertions[i - 1].offset);
		must(new->length - at >= offset - done + text->length);
		must(memcmp(new->data + at, body.at + done, offset - done) == 0);
		at += offset - done;
		must(memcmp(new->data + at, text->data, text->length) == 0);
		at += text->length;
		done = offset;
	}
	must(new->length - at == body.length - done);
	must(memcmp(new->data + at, body.at + done, body.length - done) == 0);
}

/* So many delimiters, so deep a nesting, or so long a header that a second pass could give up. */
static bool is_near_a_limit(struct span message)
{
	size_t delimiters = 0, multiparts = 0;
	struct span rest = message;

	while (rest.length > 0) {
		struct span line = fuzz_take_line(&rest);

		delimiters += line.length > 2 && memcmp(line.at, "--", 2) == 0;
		for (size_t i = 0; i + 9 <= line.length; i++)
			multiparts += strncasecmp(line.at + i, "multipart", 9) == 0;
	}
	return delimiters > 900 || multiparts > 15 || message.length > 60000;
}

static void check_second_pass(const struct rewrite *rewrite, struct span fields,
			      const struct buffer *new)
{
	char type[200];
	struct outcome outcome;

	snprintf(type, sizeof(type), "Content-Type: %s\n", rewrite->content_type);
	outcome = scan(rewrite->content_type[0] ? (struct span){type, strlen(type)} : fields,
		       buffer_span(new), SIZE_MAX / 2);
	must(!outcome.accepted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64};
	struct buffer block = buffer_with_maximum((size_t)1 << 20);
	const struct span message = fuzz_span(data, size);
	struct span fields, body;
	struct outcome outcome;
	struct rewrite rewrite;

	split(message, &block, &body);
	fields = buffer_span(&block);
	outcome = scan(fields, body, SIZE_MAX / 2);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const struct outcome other = scan(fields, body, pieces[i]);

		check_same(&outcome, &other);
	}
	if (!outcome.accepted) {
		fuzz_check_problem(&outcome.why);
	} else {
		struct buffer new, other;

		must(outcome.plan.body_length == body.length);
		must(rewrite_make(&rewrite, &outcome.plan, fields,
				  (struct span){calendar_text, sizeof(calendar_text) - 1}));
		new = write_body(&rewrite, body, SIZE_MAX / 2);
		check_old_bytes(&rewrite, body, &new);
		other = write_body(&rewrite, body, 1 + size % 100);
		must(new.length == other.length && memcmp(new.data, other.data, new.length) == 0);
		if (!is_near_a_limit(message))
			check_second_pass(&rewrite, fields, &new);
		buffer_free(&new);
		buffer_free(&other);
		rewrite_free(&rewrite);
	}
	buffer_free(&block);
	return 0;
}
