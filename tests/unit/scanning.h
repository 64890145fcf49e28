/* scanning: messages through the scanner, in pieces of any size; what comes out, compared. */
#ifndef SCANNING_H
#define SCANNING_H

#include "buffer.h"
#include "mime.h"
#include "rewrite.h"
#include "testing.h"

#include <dirent.h>

/* A message, its Content-* fields apart from its body. */
struct mail {
	char *text; /* the whole */
	size_t length;
	struct span headers;
	struct buffer fields;
	struct span body;
};

/* Takes over `text`, which malloc() made. */
static inline struct mail mail_of(char *text, size_t length)
{
	struct mail mail = {.text = text, .length = length, .body = {text + length, 0}};
	struct span rest, name, value;
	size_t end = 0;

	mail.fields = buffer_with_maximum((size_t)1 << 20);
	/* The headers end at an empty line. */
	while (end < length) {
		const char *newline = memchr(text + end, '\n', length - end);
		const size_t next = newline ? (size_t)(newline - text) + 1 : length;

		if (text[end] == '\n' || (text[end] == '\r' && next == end + 2)) {
			mail.body = (struct span){text + next, length - next};
			break;
		}
		end = next;
	}
	mail.headers = (struct span){text, end};
	for (rest = mail.headers; field_next(&rest, &name, &value);) {
		if (!field_is_content(name))
			continue;
		buffer_append(&mail.fields, name.at, (size_t)(value.at + value.length - name.at));
		buffer_append_text(&mail.fields, "\n");
	}
	return mail;
}

static inline struct mail mail_of_text(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return mail_of(copy, strlen(copy));
}

static inline void mail_free(struct mail *mail)
{
	free(mail->text);
	buffer_free(&mail->fields);
}

static inline struct span span_of_buffer(const struct buffer *buffer)
{
	return (struct span){buffer->data ? buffer->data : "", buffer->length};
}

/* Random bytes that are the same in each run: 0, 1, 2, ... */
static inline const unsigned char *scanning_bytes(void)
{
	static unsigned char bytes[MIME_STEMS * MIME_STEM_DIGITS / 2];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	return bytes;
}

/* A scan's whole outcome. Plans are zeroed first, so that two can be compared as memory. */
struct outcome {
	bool accepted;
	struct mime_plan plan;
	struct problem why;
};

static inline struct outcome scan_in_pieces(struct span fields, struct span body, size_t piece)
{
	struct mime_scanner *scanner = mime_scanner_new(fields, scanning_bytes());
	struct outcome outcome;

	memset(&outcome, 0, sizeof(outcome));
	assert_non_null(scanner);
	for (size_t i = 0; i < body.length; i += piece)
		mime_scanner_add(scanner, body.at + i,
				 body.length - i < piece ? body.length - i : piece);
	outcome.accepted = mime_scanner_finish(scanner, &outcome.plan, &outcome.why);
	mime_scanner_free(scanner);
	return outcome;
}

static inline struct outcome scan(struct span fields, struct span body)
{
	return scan_in_pieces(fields, body, body.length + 1);
}

static inline struct outcome scan_text(const char *text)
{
	struct mail mail = mail_of_text(text);
	struct outcome outcome = scan(span_of_buffer(&mail.fields), mail.body);

	mail_free(&mail);
	return outcome;
}

static inline bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	if (!a->accepted || !b->accepted)
		return a->accepted == b->accepted && strcmp(a->why.text, b->why.text) == 0;
	return a->plan.shape == b->plan.shape && a->plan.keeps_mixed == b->plan.keeps_mixed &&
	       a->plan.mixed_close == b->plan.mixed_close &&
	       a->plan.wrap_start == b->plan.wrap_start && a->plan.wrap_end == b->plan.wrap_end &&
	       a->plan.alternative_close == b->plan.alternative_close &&
	       strcmp(a->plan.mixed_boundary, b->plan.mixed_boundary) == 0 &&
	       strcmp(a->plan.alternative_boundary, b->plan.alternative_boundary) == 0 &&
	       a->plan.body_length == b->plan.body_length &&
	       a->plan.eight_bit == b->plan.eight_bit && a->plan.utf8 == b->plan.utf8 &&
	       strcmp(a->plan.stem, b->plan.stem) == 0;
}

/* A whole file; the caller frees it by mail_free(). */
static inline struct mail mail_of_file(const char *path)
{
	FILE *stream = fopen(path, "re");
	struct buffer text = buffer_with_maximum((size_t)64 << 20);
	char piece[16384];
	size_t length;

	if (!stream)
		fail_msg("%s cannot be read; tests run in the top folder", path);
	while ((length = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(&text, piece, length);
	fclose(stream);
	buffer_append(&text, "", 0);
	return mail_of(text.data, text.length);
}

/* Every message of tests/corpus. */
static inline void each_corpus_message(void (*take)(const char *name, const struct mail *mail))
{
	DIR *entries = opendir("tests/corpus");
	const struct dirent *entry;
	size_t count = 0;

	if (!entries)
		fail_msg("tests/corpus cannot be read; tests run in the top folder");
	while ((entry = readdir(entries)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');
		char path[512];
		struct mail mail;

		if (!dot || strcmp(dot, ".eml") != 0)
			continue;
		snprintf(path, sizeof(path), "tests/corpus/%s", entry->d_name);
		mail = mail_of_file(path);
		take(entry->d_name, &mail);
		mail_free(&mail);
		count++;
	}
	closedir(entries);
	assert_true(count > 100);
}

#endif
