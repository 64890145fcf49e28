/*
 * iCalendar text as content lines: they are clean, nested, bounded, and the same when they are written
 * down and read again.
 */
#include "ical_reader.h"

#include "fuzz.h"

static void check_span_of_line(const struct ical_line *line, struct span part)
{
	must(fuzz_inside(part, line->whole));
}

static void check_line(const struct ical_line *line)
{
	struct span parameters = line->parameters, name, value;
	size_t count = 0;

	must(line->name.length > 0);
	check_span_of_line(line, line->name);
	check_span_of_line(line, line->parameters);
	check_span_of_line(line, line->value);
	must(line->name.length + line->parameters.length + 1 + line->value.length == line->whole.length);
	must(utf8_valid(line->whole.at, line->whole.length));
	for (size_t i = 0; i < line->whole.length; i++) {
		const unsigned char c = (unsigned char)line->whole.at[i];

		must(c == '\t' || (c >= ' ' && c != 0x7f));
	}
	while (ical_next_parameter(&parameters, &name, &value)) {
		must(name.length > 0);
		check_span_of_line(line, value);
		count++;
	}
	must(parameters.length == 0 && count <= ICAL_PARAMETERS_MAXIMUM);
	must(line->depth <= ICAL_DEPTH_MAXIMUM);
	must((line->depth == 0) == (line->component[0] == '\0'));
	must(line->depth > 0 || line->kind == ICAL_LINE_END);
	must(strlen(line->component) <= ICAL_NAME_MAXIMUM);
}

/* Reads it all, writes each line into `out`. Gives what ended it. */
static enum ical_next read_all(struct span text, struct buffer *out, struct problem *why)
{
	struct ical_reader reader;
	struct ical_line line;
	enum ical_next next = ICAL_NEXT_FAULT;

	if (ical_reader_start(&reader, text, why))
		while ((next = ical_reader_next(&reader, &line, why)) == ICAL_NEXT_LINE) {
			check_line(&line);
			buffer_append(out, line.whole.at, line.whole.length);
			buffer_append_text(out, "\r\n");
		}
	must(reader.lines <= ICAL_LINES_MAXIMUM + 1);
	ical_reader_free(&reader);
	return next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer first = buffer_with_maximum((size_t)4 << 20);
	struct buffer second = buffer_with_maximum((size_t)4 << 20);
	struct problem why = {.text = ""};

	if (read_all(fuzz_span(data, size), &first, &why) == ICAL_NEXT_END) {
		must(why.text[0] == '\0');
		if (first.length <= ICAL_TEXT_MAXIMUM) {
			must(read_all(buffer_span(&first), &second, &why) == ICAL_NEXT_END);
			must(span_equals(buffer_span(&first), buffer_span(&second)));
		}
	} else {
		fuzz_check_problem(&why);
		must(!why.cannot_tell);
	}
	buffer_free(&first);
	buffer_free(&second);
	return 0;
}
