/* Header field values: media type, parameters, first word, address. */
#include "field.h"

#include <string.h>
#include <strings.h>

/* White space and comments, which nest (RFC 5322, 3.2.2). */
static void skip_comments(struct span *rest)
{
	size_t depth = 0;

	while (rest->length > 0) {
		char c = rest->at[0];

		if (c == '(') {
			depth++;
		} else if (depth > 0 && c == ')') {
			depth--;
		} else if (depth > 0 && c == '\\' && rest->length > 1) {
			span_advance(rest, 1);
		} else if (depth == 0 && !span_is_space(c)) {
			return;
		}
		span_advance(rest, 1);
	}
}

/* RFC 2045, 5.1: a token is anything printable but white space and tspecials. */
static bool is_token_character(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static struct span take_token(struct span *rest)
{
	struct span token = {rest->at, 0};

	while (rest->length > 0 && is_token_character(rest->at[0])) {
		span_advance(rest, 1);
		token.length++;
	}
	return token;
}

bool field_media_type(struct span value, struct span *type, struct span *subtype)
{
	skip_comments(&value);
	*type = take_token(&value);
	skip_comments(&value);
	if (type->length == 0 || value.length == 0 || value.at[0] != '/')
		return false;
	span_advance(&value, 1);
	skip_comments(&value);
	*subtype = take_token(&value);
	return subtype->length > 0;
}

struct span field_first_token(struct span value)
{
	skip_comments(&value);
	return take_token(&value);
}

/* Writes into a text of fixed size; remembers that something did not fit. */
struct writer {
	char *out;
	size_t size, used;
	bool full;
};

static void put(struct writer *writer, char c)
{
	if (writer->used + 1 < writer->size)
		writer->out[writer->used++] = c;
	else
		writer->full = true;
}

/* The value of a parameter; true if it is one well-formed value that fits. */
static bool take_parameter_value(struct span *rest, struct writer *writer)
{
	if (rest->length > 0 && rest->at[0] == '"') {
		span_advance(rest, 1);
		while (rest->length > 0 && rest->at[0] != '"') {
			if (rest->at[0] == '\\' && rest->length > 1)
				span_advance(rest, 1);
			if (rest->at[0] != '\r' && rest->at[0] != '\n')
				put(writer, rest->at[0]);
			span_advance(rest, 1);
		}
		if (rest->length == 0)
			return false;
		span_advance(rest, 1);
	} else {
		/* Real mail leaves boundaries with = and / unquoted: take all up to a space or ;. */
		while (rest->length > 0 && !span_is_space(rest->at[0]) && rest->at[0] != ';' &&
		       rest->at[0] != '(' && rest->at[0] != '"') {
			put(writer, rest->at[0]);
			span_advance(rest, 1);
		}
	}
	skip_comments(rest);
	return !writer->full && (rest->length == 0 || rest->at[0] == ';');
}

/* To the next ; outside quotes and comments, and past it. */
static void skip_to_next_parameter(struct span *rest)
{
	bool quoted = false;

	while (rest->length > 0) {
		char c = rest->at[0];

		if (!quoted && c == '(') {
			skip_comments(rest);
			continue;
		}
		span_advance(rest, c == '\\' && quoted && rest->length > 1 ? 2 : 1);
		if (c == '"')
			quoted = !quoted;
		else if (c == ';' && !quoted)
			return;
	}
}

enum field_parameter field_parameter(struct span value, const char *name, char *out, size_t size)
{
	enum field_parameter result = FIELD_PARAMETER_ABSENT;
	const size_t name_length = strlen(name);

	for (skip_to_next_parameter(&value); value.length > 0; skip_to_next_parameter(&value)) {
		struct writer writer = {.out = out, .size = size};
		struct span found;

		skip_comments(&value);
		found = take_token(&value);
		if (found.length > name_length && found.at[name_length] == '*' &&
		    strncasecmp(found.at, name, name_length) == 0)
			return FIELD_PARAMETER_UNUSABLE;
		if (!span_is(found, name))
			continue;
		skip_comments(&value);
		if (result != FIELD_PARAMETER_ABSENT || value.length == 0 || value.at[0] != '=')
			return FIELD_PARAMETER_UNUSABLE;
		span_advance(&value, 1);
		skip_comments(&value);
		if (!take_parameter_value(&value, &writer))
			return FIELD_PARAMETER_UNUSABLE;
		out[writer.used] = '\0';
		result = FIELD_PARAMETER_FOUND;
	}
	return result;
}

struct span field_address(struct span value)
{
	bool quoted = false;

	for (size_t i = 0; i < value.length; i++) {
		const char *end;

		if (value.at[i] == '\\' && quoted) {
			i++;
		} else if (value.at[i] == '"') {
			quoted = !quoted;
		} else if (value.at[i] == '<' && !quoted) {
			span_advance(&value, i + 1);
			end = memchr(value.at, '>', value.length);
			if (!end)
				return (struct span){value.at, 0};
			value.length = (size_t)(end - value.at);
			return span_trim(value);
		}
	}
	value = span_trim(value);
	if (!memchr(value.at, '@', value.length) || memchr(value.at, ' ', value.length))
		value.length = 0;
	return value;
}

bool field_is_content(struct span name)
{
	static const char prefix[] = "Content-";

	for (size_t i = 0; i < name.length; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f)
			return false;
	return name.length >= sizeof(prefix) - 1 &&
	       strncasecmp(name.at, prefix, sizeof(prefix) - 1) == 0 &&
	       !span_is(name, "Content-Class");
}

bool field_next(struct span *block, struct span *name, struct span *value)
{
	size_t colon = 0, name_end, end;

	/* RFC 5322, 2.2: a field name is printable ASCII; white space before the colon is obsolete. */
	while (colon < block->length && block->at[colon] > 0x20 && block->at[colon] < 0x7f &&
	       block->at[colon] != ':')
		colon++;
	name_end = colon;
	while (colon < block->length && (block->at[colon] == ' ' || block->at[colon] == '\t'))
		colon++;
	if (name_end == 0 || colon == block->length || block->at[colon] != ':')
		return false;
	*name = (struct span){block->at, name_end};
	for (end = colon + 1; end < block->length; end++)
		if (block->at[end] == '\n' &&
		    (end + 1 == block->length ||
		     (block->at[end + 1] != ' ' && block->at[end + 1] != '\t')))
			break;
	*value = (struct span){block->at + colon + 1, end - colon - 1};
	if (value->length > 0 && value->at[value->length - 1] == '\r')
		value->length--;
	span_advance(block, end < block->length ? end + 1 : end);
	return true;
}
