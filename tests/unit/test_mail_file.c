/* Messages in files. */
#include "mail_file.h"

#include "folder.h"
#include "testing.h"

struct message {
	struct buffer headers, body;
};

static void take_header(void *context, const char *name, const char *value)
{
	struct message *message = context;

	buffer_printf(&message->headers, "<%s|%s>", name, value);
}

static bool take_piece(void *context, const char *data, size_t length)
{
	struct message *message = context;

	assert_true(length > 0);
	buffer_append(&message->body, data, length);
	return true;
}

static const struct {
	const char *text, *headers, *body;
} messages[] = {
	{"A: 1\r\nB:2\r\n\r\nbody\r\n", "<A| 1><B|2>", "body\r\n"},
	{"A: 1\r\n\r\n", "<A| 1>", ""},
	{"A: 1\r\n", "<A| 1>", ""},
	{"A: 1", "<A| 1>", ""},
	{"A: 1\r\n folded\r\n\tagain\r\n\r\nx", "<A| 1\n folded\n\tagain>", "x"},
	/* with CRLF in the first line every byte stays */
	{"A: 1\r\n\r\na\nb\r\nc\rd\r\r\n", "<A| 1>", "a\nb\r\nc\rd\r\r\n"},
	{"A: 1\r\nB: 2\nC: 3\r\n\r\nx\n", "<A| 1><B| 2><C| 3>", "x\n"},
	/* a Unix text file */
	{"A: 1\nB: 2\n\nbody\n\nend", "<A| 1><B| 2>", "body\r\n\r\nend"},
	{"A: 1\n folded\n\nx\r\ny\n\r\n", "<A| 1\n folded>", "x\r\ny\r\n\r\n"},
	{"A: 1\n\n\n\nx\n", "<A| 1>", "\r\n\r\nx\r\n"},
	/* a line that is no header begins the body, as MTAs see it */
	{"A: 1\r\nno header\r\nB: 2\r\n\r\nx", "<A| 1>", "no header\r\nB: 2\r\n\r\nx"},
	{"A: 1\nno header\nx\n", "<A| 1>", "no header\r\nx\r\n"},
	{"A: 1\n: x\n", "<A| 1>", ": x\r\n"},
	/* of an mbox */
	{"From a@b Mon\nA: 1\n\nx\n", "<A| 1>", "x\r\n"},
	{"From: a@b\n\nx\n", "<From| a@b>", "x\r\n"},
	{"A: 1\nFrom a@b Mon\n\nx\n", "<A| 1>", "From a@b Mon\r\n\r\nx\r\n"},
	/* obsolete, but seen */
	{"A : 1\r\n\r\n", "<A| 1>", ""},
	{"A:\r\n\r\nx", "<A|>", "x"},
};

static void reads_headers_and_body(void **state)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		const char *path = folder_write_text(*state, "mail", messages[i].text);
		struct message message = {buffer_with_maximum(1000), buffer_with_maximum(1000)};
		struct mail_file file;
		struct problem why = {.text = ""};

		if (!mail_file_open(&file, path, &why))
			fail_msg("\"%s\": %s", messages[i].text, why.text);
		assert_true(mail_file_each_header(&file, take_header, &message, &why));
		assert_true(mail_file_each_piece(&file, take_piece, &message, &why));
		assert_string_equal(message.headers.data, messages[i].headers);
		buffer_append(&message.body, "", 0);
		assert_string_equal(message.body.data, messages[i].body);
		buffer_free(&message.headers);
		buffer_free(&message.body);
		mail_file_close(&file);
	}
}

static void refuses_what_is_no_message(void **state)
{
	static const char *const texts[] = {"", "\n", "\r\nbody", "no header\n", " A: 1\n\n", "From a@b\n",
					    ": x\n\n"};
	struct mail_file file;
	struct problem why;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(mail_file_open(&file, folder_write_text(*state, "mail", texts[i]), &why));
		assert_contains(why.text, "no headers");
		mail_file_close(&file);
	}
	assert_false(mail_file_open(&file, "/nonexistent", &why));
	assert_contains(why.text, "/nonexistent");
	mail_file_close(&file);
	assert_false(mail_file_open(&file, "/tmp", &why));
	mail_file_close(&file);
}

static void a_line_end_across_two_reads_is_widened_once(void **state)
{
	/* Pieces are of some power of two: each offset near one is tried. */
	for (size_t shift = 65530; shift < 65545; shift++) {
		char *text = text_of_length(shift + 4, 'x');
		struct message message = {buffer_with_maximum(100), buffer_with_maximum(100000)};
		struct mail_file file;
		struct problem why = {.text = ""};

		memcpy(text, "A: 1\n\n", 6);
		memcpy(text + shift, "\r\n\nz", 4);
		assert_true(mail_file_open(&file, folder_write_text(*state, "mail", text), &why));
		assert_true(mail_file_each_piece(&file, take_piece, &message, &why));
		assert_int_equal(message.body.length, shift + 4 - 6 + 1);
		assert_string_equal(message.body.data + message.body.length - 5, "\r\n\r\nz");
		buffer_free(&message.body);
		mail_file_close(&file);
		free(text);
	}
}

/* The header block that is written with these edits. */
static struct buffer write_with(void **state, const char *text, struct header_edit *items,
				size_t count)
{
	const struct header_edits edits = {.items = items, .count = count};
	struct buffer out = buffer_with_maximum(10000);
	struct mail_file file;
	struct problem why = {.text = ""};
	char *written = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&written, &length);

	if (!mail_file_open(&file, folder_write_text(*state, "mail", text), &why))
		fail_msg("%s", why.text);
	mail_file_write_headers(&file, &edits, stream);
	fclose(stream);
	buffer_append(&out, written, length);
	free(written);
	mail_file_close(&file);
	return out;
}

static void writes_headers_as_they_were(void **state)
{
	static const char text[] = "A: 1\r\n folded\r\nb:2\r\nA : 3\r\n\r\n";
	struct buffer out = write_with(state, text, NULL, 0);

	assert_string_equal(out.data, text);
	buffer_free(&out);
	out = write_with(state, "A: 1\n folded\nB: 2\n\nx", NULL, 0);
	assert_string_equal(out.data, "A: 1\r\n folded\r\nB: 2\r\n\r\n");
	buffer_free(&out);
}

static void writes_headers_changed(void **state)
{
	struct header_edit edits[] = {
		{.kind = HEADER_DELETE, .name = "tag", .first = 1, .last = 2},
		{.kind = HEADER_DELETE, .name = "Twice", .first = 2, .last = 3},
		{.kind = HEADER_CHANGE, .name = "Twice", .value = "new"},
		{.kind = HEADER_ADD, .name = "Added", .value = "last"},
	};
	struct buffer out = write_with(state,
				       "Tag: 1\r\n folded\r\nA: 1\r\nTWICE: 1\r\nTAG: 2\r\n"
				       "Twice: 2\r\n folded\r\nB: 2\r\nTwice: 3\r\n\r\nx",
				       edits, 4);

	assert_string_equal(out.data, "A: 1\r\nTwice: new\r\nB: 2\r\nAdded: last\r\n\r\n");
	buffer_free(&out);
}

static void headers_that_end_with_the_file_end_with_a_line(void **state)
{
	struct header_edit added = {.kind = HEADER_ADD, .name = "Added", .value = "last"};
	struct buffer out = write_with(state, "A: 1\r\nB: 2", &added, 1);

	assert_string_equal(out.data, "A: 1\r\nB: 2\r\nAdded: last\r\n\r\n");
	buffer_free(&out);
}

static void headers_without_end_are_refused(void **state)
{
	char *text = text_of_length(MAIL_FILE_HEADERS_MAXIMUM + 100, 'x');
	struct mail_file file;
	struct problem why = {.text = ""};

	memcpy(text, "A: 1\r\nB:", 8);
	assert_false(mail_file_open(&file, folder_write_text(*state, "mail", text), &why));
	assert_contains(why.text, "too large");
	mail_file_close(&file);
	free(text);
}

static bool refuse_piece(void *context, const char *data, size_t length)
{
	(void)context;
	(void)data;
	(void)length;
	return false;
}

static void says_when_the_body_was_not_taken(void **state)
{
	struct mail_file file;
	struct problem why = {.text = ""};

	assert_true(mail_file_open(&file, folder_write_text(*state, "mail", "A: 1\n\nx"), &why));
	assert_false(mail_file_each_piece(&file, refuse_piece, NULL, &why));
	assert_contains(why.text, "not taken");
	mail_file_close(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_headers_and_body),
		cmocka_unit_test(refuses_what_is_no_message),
		cmocka_unit_test(a_line_end_across_two_reads_is_widened_once),
		cmocka_unit_test(writes_headers_as_they_were),
		cmocka_unit_test(writes_headers_changed),
		cmocka_unit_test(headers_that_end_with_the_file_end_with_a_line),
		cmocka_unit_test(headers_without_end_are_refused),
		cmocka_unit_test(says_when_the_body_was_not_taken),
	};

	return cmocka_run_group_tests_name("mail_file", tests, folder_setup, folder_teardown);
}
