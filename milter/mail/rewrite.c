/* The text that is inserted into a message. */
#include "rewrite.h"

#include "base64.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Two copies of the largest calendar in base64, and 64 KiB of header fields. */
#define INSERTION_MAXIMUM ((size_t)8 * 1024 * 1024)

#define SMTP_LINE 998 /* RFC 5321, 4.5.3.1.6, the CRLF not counted */

/*
 * Can it travel as it is, ASCII in lines fit for SMTP? Spam filters punish needless base64. A line
 * that begins with "--" may be a delimiter of the message around it (RFC 2046, 5.1.1) or one of ours:
 * in base64 there is no such line.
 */
static bool is_fit_for_7bit(struct span text)
{
	if (!utf8_is_ascii(text.at, text.length))
		return false;
	while (text.length > 0) {
		const char *newline = memchr(text.at, '\n', text.length);
		const size_t length = newline ? (size_t)(newline - text.at) + 1 : text.length;

		if (length > SMTP_LINE + 2 || (length >= 2 && memcmp(text.at, "--", 2) == 0))
			return false;
		span_advance(&text, length);
	}
	return true;
}

/* CAL: the part that calendars act on. Without a disposition or a name: Apple Mail, Evolution. */
static void append_calendar_part(struct buffer *out, const char *boundary, struct span calendar)
{
	const bool plain = is_fit_for_7bit(calendar);

	buffer_printf(out,
		      "--%s\r\n"
		      "Content-Type: text/calendar; charset=\"UTF-8\"; method=CANCEL\r\n"
		      "Content-Transfer-Encoding: %s\r\n"
		      "\r\n",
		      boundary, plain ? "7bit" : "base64");
	if (plain)
		buffer_append(out, calendar.at, calendar.length);
	else
		base64_append_lines(out, calendar);
	buffer_append_text(out, "\r\n");
}

/* ATT: the same calendar for programs, and people, that look at attachments. */
static void append_attachment_part(struct buffer *out, const char *boundary, struct span calendar)
{
	buffer_printf(out,
		      "--%s\r\n"
		      "Content-Type: application/ics; charset=\"UTF-8\"; method=CANCEL;\r\n"
		      " name=\"invite.ics\"\r\n"
		      "Content-Disposition: attachment; filename=\"invite.ics\"\r\n"
		      "Content-Transfer-Encoding: base64\r\n"
		      "\r\n",
		      boundary);
	base64_append_lines(out, calendar);
	buffer_append_text(out, "\r\n");
}

/* The fields that describe E go inside with it; E without a Content-Type gets one that is true. */
static void append_inner_fields(struct buffer *out, const struct mime_plan *plan,
				struct span fields)
{
	bool typed = false, encoded = false;
	struct span name, value;

	while (field_next(&fields, &name, &value)) {
		if (!field_is_content(name) || span_is(name, "Content-Length"))
			continue;
		typed |= span_is(name, "Content-Type");
		encoded |= span_is(name, "Content-Transfer-Encoding");
		buffer_append(out, name.at, name.length);
		buffer_append_text(out, ":");
		for (size_t i = 0; i < value.length; i++) {
			if (value.at[i] == '\n' && (i == 0 || value.at[i - 1] != '\r'))
				buffer_append_text(out, "\r");
			buffer_append(out, value.at + i, 1);
		}
		buffer_append_text(out, "\r\n");
	}
	if (!typed) {
		const char *charset = "";

		if (!encoded && !plan->eight_bit)
			charset = "; charset=us-ascii";
		else if (!encoded && plan->utf8)
			charset = "; charset=UTF-8";
		buffer_printf(out, "Content-Type: text/plain%s\r\n", charset);
		if (!encoded && plan->eight_bit)
			buffer_append_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	}
	buffer_append_text(out, "\r\n");
}

/* RFC 2045, 6.4: a container says what the most demanding of its parts does. */
static const char *container_encoding(const struct mime_plan *plan)
{
	if (plan->binary)
		return "binary";
	return plan->eight_bit ? "8bit" : "";
}

/* The header of an alternative that is put around an entity, and its first delimiter. */
static void append_alternative_start(struct buffer *out, const struct mime_plan *plan,
				     const char *boundary)
{
	const char *encoding = container_encoding(plan);

	buffer_printf(out, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n", boundary);
	if (encoding[0])
		buffer_printf(out, "Content-Transfer-Encoding: %s\r\n", encoding);
	buffer_printf(out, "\r\n--%s\r\n", boundary);
}

/* The insertion at this offset; those made earlier are at this one or before. */
static struct buffer *insertion_at(struct rewrite *rewrite, size_t offset)
{
	if (rewrite->count > 0 && rewrite->insertions[rewrite->count - 1].offset == offset)
		return &rewrite->insertions[rewrite->count - 1].text;
	rewrite->insertions[rewrite->count].offset = offset;
	rewrite->insertions[rewrite->count].text = buffer_with_maximum(INSERTION_MAXIMUM);
	return &rewrite->insertions[rewrite->count++].text;
}

bool rewrite_make(struct rewrite *rewrite, const struct mime_plan *plan, struct span fields,
		  struct span calendar)
{
	char outer[MIME_BOUNDARY_MAXIMUM + 1], inner[MIME_BOUNDARY_MAXIMUM + 1];
	const char *mixed = plan->keeps_mixed ? plan->mixed_boundary : outer;
	struct buffer *text;

	*rewrite = (struct rewrite){.transfer_encoding = container_encoding(plan)};
	snprintf(outer, sizeof(outer), "=_%s-1", plan->stem);
	snprintf(inner, sizeof(inner), "=_%s-2", plan->stem);

	if (!plan->keeps_mixed) {
		snprintf(rewrite->content_type, sizeof(rewrite->content_type),
			 "multipart/mixed; boundary=\"%s\"", outer);
		buffer_printf(insertion_at(rewrite, 0), "--%s\r\n", outer);
	}
	if (plan->shape == MIME_WRAP)
		append_alternative_start(insertion_at(rewrite, plan->wrap_start), plan, inner);
	if (!plan->keeps_mixed)
		append_inner_fields(insertion_at(rewrite, 0), plan, fields);

	if (plan->shape == MIME_WRAP) {
		text = insertion_at(rewrite, plan->wrap_end);
		/* Inside a mixed, the line end that is there already becomes the delimiter's own. */
		if (!plan->keeps_mixed)
			buffer_append_text(text, "\r\n");
		append_calendar_part(text, inner, calendar);
		buffer_printf(text, "--%s--\r\n", inner);
	} else if (plan->shape == MIME_INTO) {
		append_calendar_part(insertion_at(rewrite, plan->alternative_close),
				     plan->alternative_boundary, calendar);
	}

	text = insertion_at(rewrite, plan->keeps_mixed ? plan->mixed_close : plan->body_length);
	if (!plan->keeps_mixed && plan->shape != MIME_WRAP)
		buffer_append_text(text, "\r\n");
	if (plan->shape == MIME_BESIDE)
		append_calendar_part(text, outer, calendar);
	append_attachment_part(text, mixed, calendar);
	if (!plan->keeps_mixed)
		buffer_printf(text, "--%s--\r\n", outer);

	for (size_t i = 0; i < rewrite->count; i++)
		if (rewrite->insertions[i].text.failed)
			return false;
	return true;
}

void rewrite_free(struct rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->count; i++)
		buffer_free(&rewrite->insertions[i].text);
	rewrite->count = 0;
}

bool rewrite_write(const struct rewrite *rewrite, size_t offset, struct span piece, bool last,
		   rewrite_writer *write, void *context)
{
	for (size_t i = 0; i < rewrite->count; i++) {
		const struct buffer *text = &rewrite->insertions[i].text;
		size_t at = rewrite->insertions[i].offset, before;

		if (at < offset || at > offset + piece.length ||
		    (at == offset + piece.length && !last))
			continue;
		before = at - offset;
		if (before > 0 && !write(context, piece.at, before))
			return false;
		if (!write(context, text->data, text->length))
			return false;
		piece.at += before;
		piece.length -= before;
		offset = at;
	}
	return piece.length == 0 || write(context, piece.at, piece.length);
}
