/* A message in a file: unchanged it comes out as it was, but for line ends and an mbox line. */
#include "mail_file.h"

#include "memory_file.h"

static void append_header(void *context, const char *name, const char *value)
{
	must(name[0]);
	buffer_printf(context, "%s:%s\n", name, value);
}

static bool append_piece(void *context, const char *data, size_t length)
{
	must(length > 0);
	buffer_append(context, data, length);
	return true;
}

/* What the input is as a whole, with the line ends that it should come out with. */
static struct buffer expected_text(struct span text, bool unix_lines)
{
	struct buffer out = buffer_with_maximum((size_t)16 << 20);
	struct span rest = text;

	if (text.length >= 5 && memcmp(text.at, "From ", 5) == 0)
		fuzz_take_line(&rest);
	for (size_t i = 0; i < rest.length; i++) {
		if (unix_lines && rest.at[i] == '\n' && (i == 0 || rest.at[i - 1] != '\r'))
			buffer_append_text(&out, "\r");
		buffer_append(&out, rest.at + i, 1);
	}
	return out;
}

/* Headers and body, one behind the other, without the empty line that may stand between them. */
static void check_whole(struct span text, const struct mail_file *file, const struct buffer *body)
{
	struct buffer expected = expected_text(text, file->unix_lines);
	const size_t headers = file->headers.length;

	/* Headers that end with the file get the line end that they lack. */
	if (expected.length + 2 == headers)
		buffer_append_text(&expected, "\r\n");
	must(expected.length >= headers + body->length);
	must(memcmp(expected.data, file->headers.data, headers) == 0);
	must(expected.length - headers - body->length <= 2);
	must(body->length == 0 ||
	     memcmp(expected.data + expected.length - body->length, body->data, body->length) == 0);
	buffer_free(&expected);
}

static void check_headers(struct mail_file *file, struct span headers)
{
	const struct header_edits none = {.count = 0};
	struct buffer seen = buffer_with_maximum((size_t)16 << 20);
	char *written = NULL;
	struct problem why;
	size_t length = 0;
	FILE *out = open_memstream(&written, &length);

	must(out);
	must(mail_file_each_header(file, append_header, &seen, &why));
	mail_file_write_headers(file, &none, out);
	fclose(out);
	must(length == headers.length + 2);
	must(memcmp(written, headers.at, headers.length) == 0);
	must(memcmp(written + length - 2, "\r\n", 2) == 0 && written[length - 3] == '\n');
	free(written);
	buffer_free(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int memory = -1;
	struct buffer body = buffer_with_maximum((size_t)16 << 20);
	struct mail_file file;
	struct problem why = {.text = ""};
	char path[64];

	if (memory < 0)
		memory = memory_file_new();
	memory_file_set(memory, data, size);
	memory_file_path(memory, path, sizeof(path));
	if (mail_file_open(&file, path, &why)) {
		must(mail_file_each_piece(&file, append_piece, &body, &why));
		check_whole(fuzz_span(data, size), &file, &body);
		check_headers(&file, buffer_span(&file.headers));
	} else {
		fuzz_check_problem(&why);
	}
	mail_file_close(&file);
	buffer_free(&body);
	return 0;
}
