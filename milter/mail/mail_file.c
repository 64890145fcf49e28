/* mail_file: reads a message from a file, with line ends as an MTA makes them. */
#include "mail_file.h"

#include "field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE ((size_t)64 * 1024)

static bool is_empty_line(const char *line)
{
	return strcmp(line, "\n") == 0 || strcmp(line, "\r\n") == 0;
}

/* A line that may stand among headers: a field, or the continuation of one. */
static bool is_header_line(const struct mail_file *file, const char *line, size_t length)
{
	struct span block = {line, length}, name, value;

	if (file->headers.length > 0 && (line[0] == ' ' || line[0] == '\t'))
		return true;
	return field_next(&block, &name, &value);
}

static void append_line(const struct mail_file *file, struct buffer *to, const char *line,
			size_t length)
{
	if (file->unix_lines && length > 0 && line[length - 1] == '\n' &&
	    (length < 2 || line[length - 2] != '\r')) {
		buffer_append(to, line, length - 1);
		buffer_append_text(to, "\r\n");
	} else {
		buffer_append(to, line, length);
	}
}

/* False if memory ran out. */
static bool read_headers(struct mail_file *file)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	bool first = true;

	while ((length = getline(&line, &capacity, file->stream)) > 0) {
		if (first) {
			file->unix_lines = line[length - 1] == '\n' &&
					   (length < 2 || line[length - 2] != '\r');
			first = false;
			if (strncmp(line, "From ", 5) == 0) /* of an mbox; no header */
				continue;
		}
		if (is_empty_line(line))
			break;
		if (!is_header_line(file, line, (size_t)length)) {
			/* As MTAs do: the headers are over, and this line is the body's first. */
			append_line(file, &file->piece, line, (size_t)length);
			break;
		}
		append_line(file, &file->headers, line, (size_t)length);
		if (file->headers.failed)
			break;
	}
	if (file->headers.length > 0 && file->headers.data[file->headers.length - 1] != '\n')
		buffer_append_text(&file->headers, "\r\n");
	free(line);
	/* getline() says no more than that there is no line. */
	return (length > 0 || feof(file->stream) || ferror(file->stream)) &&
	       !file->headers.out_of_memory && !file->piece.out_of_memory;
}

bool mail_file_open(struct mail_file *file, const char *path, struct problem *why)
{
	*file = (struct mail_file){
		.headers = buffer_with_maximum(MAIL_FILE_HEADERS_MAXIMUM),
		.piece = buffer_with_maximum(MAIL_FILE_HEADERS_MAXIMUM),
	};
	file->stream = fopen(path, "re");
	if (!file->stream) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return false;
	}
	if (!read_headers(file)) {
		problem_cannot_tell(why, "%s: no memory for its headers", path);
		return false;
	}
	if (ferror(file->stream)) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return false;
	}
	if (file->headers.failed || file->piece.failed || file->headers.length == 0) {
		problem_set(why, "%s: %s", path,
			    file->headers.failed || file->piece.failed ? "its headers are too large"
						 : "it has no headers");
		return false;
	}
	return true;
}

void mail_file_close(struct mail_file *file)
{
	if (file->stream)
		fclose(file->stream);
	buffer_free(&file->headers);
	buffer_free(&file->piece);
}

/* The value folded with LF, as NUL-terminated text; NULL if there is no memory. */
static char *copy_value(struct span value)
{
	char *text = malloc(value.length + 1), *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < value.length; i++)
		if (value.at[i] != '\r' || i + 1 == value.length || value.at[i + 1] != '\n')
			*to++ = value.at[i];
	*to = '\0';
	return text;
}

bool mail_file_each_header(struct mail_file *file,
			   void (*take)(void *context, const char *name, const char *value),
			   void *context, struct problem *why)
{
	struct span block = buffer_span(&file->headers), name, value;
	bool good = true;

	while (good && field_next(&block, &name, &value)) {
		char *name_text = strndup(name.at, name.length);
		char *value_text = copy_value(value);

		good = name_text && value_text;
		if (good)
			take(context, name_text, value_text);
		free(name_text);
		free(value_text);
	}
	if (!good)
		problem_cannot_tell(why, "no memory for the message's headers");
	return good;
}

/* Makes CRLF of every bare LF. `out` has room for twice as much. */
static size_t widen(struct mail_file *file, const char *data, size_t length, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\n' && !file->after_carriage_return)
			out[used++] = '\r';
		out[used++] = data[i];
		file->after_carriage_return = data[i] == '\r';
	}
	return used;
}

bool mail_file_each_piece(struct mail_file *file,
			  bool (*take)(void *context, const char *data, size_t length),
			  void *context, struct problem *why)
{
	char *piece = malloc(3 * PIECE), *wide;
	bool good = true;
	size_t length;

	if (!piece) {
		problem_cannot_tell(why, "no memory to read the message");
		return false;
	}
	wide = piece + PIECE;
	if (file->piece.length > 0)
		good = take(context, file->piece.data, file->piece.length);
	while (good && (length = fread(piece, 1, PIECE, file->stream)) > 0) {
		if (file->unix_lines)
			good = take(context, wide, widen(file, piece, length, wide));
		else
			good = take(context, piece, length);
	}
	free(piece);
	if (good && ferror(file->stream)) {
		problem_set(why, "the message cannot be read: %s", strerror(errno));
		return false;
	}
	if (!good)
		problem_set(why, "the message was not taken");
	return good;
}

/* What becomes of number `index` of the headers of this name. NULL: it stays. */
static const struct header_edit *edit_of(const struct header_edits *edits, struct span name,
					 size_t index)
{
	for (size_t i = 0; i < edits->count; i++) {
		const struct header_edit *edit = &edits->items[i];

		if (!span_is(name, edit->name))
			continue;
		if (edit->kind == HEADER_DELETE && index >= edit->first && index <= edit->last)
			return edit;
		if (edit->kind == HEADER_CHANGE && index == 1)
			return edit;
	}
	return NULL;
}

/* Which of the headers with its name is the one at `name`? Counted from 1. */
static size_t number_of(const struct mail_file *file, struct span name)
{
	struct span block = {file->headers.data, file->headers.length}, other, value;
	size_t number = 0;

	while (field_next(&block, &other, &value) && other.at <= name.at)
		number += other.length == name.length &&
			  strncasecmp(other.at, name.at, name.length) == 0;
	return number;
}

void mail_file_write_headers(struct mail_file *file, const struct header_edits *edits, FILE *out)
{
	struct span block = {file->headers.data, file->headers.length}, name, value;
	const char *start = block.at;

	while (field_next(&block, &name, &value)) {
		const struct header_edit *edit = edit_of(edits, name, number_of(file, name));

		if (!edit)
			fwrite(start, 1, (size_t)(block.at - start), out);
		else if (edit->kind == HEADER_CHANGE)
			fprintf(out, "%s: %s\r\n", edit->name, edit->value);
		start = block.at;
	}
	for (size_t i = 0; i < edits->count; i++)
		if (edits->items[i].kind == HEADER_ADD)
			fprintf(out, "%s: %s\r\n", edits->items[i].name, edits->items[i].value);
	fputs("\r\n", out);
}
