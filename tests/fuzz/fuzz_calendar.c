/*
 * An iCalendar text: what is accepted has CRLF, short lines and the content it had, and is accepted
 * again without a change.
 */
#include "calendar.h"

#include "fuzz.h"

static void check_lines(const struct buffer *text)
{
	struct span rest = buffer_span(text);

	must(text->length > 2 && memcmp(text->data + text->length - 2, "\r\n", 2) == 0);
	must(utf8_valid(text->data, text->length));
	must(!memchr(text->data, '\0', text->length));
	while (rest.length > 0) {
		struct span line = fuzz_take_line(&rest);

		must(line.length > 0 && line.at[line.length - 1] == '\r');
		must(line.length <= 76);
		must(memchr(line.at, '\r', line.length) == line.at + line.length - 1);
	}
}

/* The text without line ends, folds, and the METHOD that may have been put in. */
static void append_content(struct buffer *out, struct span text)
{
	static const char method[] = "\r\nMETHOD:CANCEL\r\n";

	for (size_t i = 0; i < text.length; i++) {
		if (text.length - i > sizeof(method) - 1 &&
		    memcmp(text.at + i, method, sizeof(method) - 1) == 0)
			i += sizeof(method) - 3;
		if (!strchr("\r\n\t ", text.at[i]))
			buffer_append(out, text.at + i, 1);
	}
}

static void check_content(struct span before, const struct buffer *after)
{
	struct buffer old = buffer_with_maximum((size_t)4 << 20);
	struct buffer new = buffer_with_maximum((size_t)4 << 20);

	if (before.length >= 3 && memcmp(before.at, "\xef\xbb\xbf", 3) == 0) {
		before.at += 3;
		before.length -= 3;
	}
	/* One that was there already may have had LF: then it stays in the old text alone. */
	if (!memmem(before.at, before.length, "METHOD:CANCEL", 13)) {
		append_content(&old, before);
		append_content(&new, buffer_span(after));
		must(old.length == new.length && memcmp(old.data, new.data, old.length) == 0);
	}
	buffer_free(&old);
	buffer_free(&new);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = fuzz_span(data, size);
	struct calendar calendar, again;
	struct problem why = {.text = ""};

	if (!calendar_accept(&calendar, text, "guest@b.example", "boss@acme.example", &why)) {
		fuzz_check_problem(&why);
		calendar_free(&calendar);
		return 0;
	}
	must(calendar.uid[0]);
	check_lines(&calendar.text);
	check_content(text, &calendar.text);
	if (calendar.text.length <= CALENDAR_MAXIMUM) {
		must(calendar_accept(&again, buffer_span(&calendar.text), "guest@b.example",
				     "boss@acme.example", &why));
		must(again.text.length == calendar.text.length &&
		     memcmp(again.text.data, calendar.text.data, again.text.length) == 0);
		must(strcmp(again.uid, calendar.uid) == 0);
		must(strcmp(again.warning.text, calendar.warning.text) == 0);
		calendar_free(&again);
	}
	calendar_free(&calendar);
	return 0;
}
