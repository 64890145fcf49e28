/*
 * An iCalendar text: what is accepted has CRLF, short lines and the content it had, is accepted again
 * without a change, and libical reads the same METHOD and UIDs in it.
 */
#include "calendar.h"

#include "fuzz.h"

#include <libical/ical.h>

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

/* The text without what is dropped from it: line ends, white space, control characters. */
static void append_content(struct buffer *out, struct span text)
{
	for (size_t i = 0; i < text.length; i++)
		if ((unsigned char)text.at[i] > ' ' && text.at[i] != 0x7f)
			buffer_append(out, text.at + i, 1);
}

static void check_content(struct span before, const struct calendar *after)
{
	struct buffer old = buffer_with_maximum((size_t)4 << 20);
	struct buffer new = buffer_with_maximum((size_t)4 << 20);

	if (before.length >= 3 && memcmp(before.at, "\xef\xbb\xbf", 3) == 0)
		span_advance(&before, 3);
	if (!strstr(after->mended.text, "METHOD")) {
		append_content(&old, before);
		append_content(&new, buffer_span(&after->text));
		must(old.length == new.length && memcmp(old.data, new.data, old.length) == 0);
	}
	buffer_free(&old);
	buffer_free(&new);
}

/* The text that is sent, all of it, says to libical what it says to us. */
static void check_with_libical(const struct calendar *calendar)
{
	icalcomponent *root;
	icalproperty *method;

	icalerror_set_errors_are_fatal(0);
	root = icalparser_parse_string(calendar->text.data);
	must(root && icalcomponent_isa(root) == ICAL_VCALENDAR_COMPONENT);
	method = icalcomponent_get_first_property(root, ICAL_METHOD_PROPERTY);
	must(method && icalproperty_get_method(method) == ICAL_METHOD_CANCEL);
	for (icalcomponent *event = icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT);
	     event; event = icalcomponent_get_next_component(root, ICAL_VEVENT_COMPONENT))
		must(strncmp(icalcomponent_get_uid(event), calendar->uid, sizeof(calendar->uid) - 1) == 0);
	icalcomponent_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct calendar_question question = {.recipient = "guest@b.example",
						   .from = "boss@acme.example"};
	const struct span text = fuzz_span(data, size);
	struct calendar calendar, again;
	struct problem why = {.text = ""};

	if (!calendar_accept(&calendar, text, &question, &why)) {
		fuzz_check_problem(&why);
		calendar_free(&calendar);
		return 0;
	}
	must(calendar.uid[0]);
	check_lines(&calendar.text);
	check_content(text, &calendar);
	if (size < 100000)
		check_with_libical(&calendar);
	if (calendar.text.length <= CALENDAR_MAXIMUM) {
		must(calendar_accept(&again, buffer_span(&calendar.text), &question, &why));
		must(again.text.length == calendar.text.length &&
		     memcmp(again.text.data, calendar.text.data, again.text.length) == 0);
		must(strcmp(again.uid, calendar.uid) == 0);
		must(strcmp(again.warning.text, calendar.warning.text) == 0);
		must(again.mended.text[0] == '\0');
		calendar_free(&again);
	}
	calendar_free(&calendar);
	return 0;
}
