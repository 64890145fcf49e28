/* Header field values: media type, parameters, first word, address. */
#include "field.h"

#include "hex.h"

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

/* A parameter as it is written: name, *section, * (RFC 2231, 7). */
struct attribute {
	struct span name;
	bool sectioned, extended;
	size_t section;
};

/* Splits `name*3*`. False if what is behind the first * is neither a section nor the end. */
static bool read_attribute(struct span text, struct attribute *attribute)
{
	const char *star = memchr(text.at, '*', text.length);
	size_t digits = 0;

	*attribute = (struct attribute){.name = text};
	if (!star)
		return true;
	attribute->name.length = (size_t)(star - text.at);
	span_advance(&text, attribute->name.length + 1);
	for (; digits < text.length && text.at[digits] >= '0' && text.at[digits] <= '9'; digits++)
		if (digits < 3)
			attribute->section =
				attribute->section * 10 + (size_t)(text.at[digits] - '0');
	/* RFC 2231, 3: no leading zeros. */
	if (digits > 3 || (digits > 1 && text.at[0] == '0'))
		return false;
	attribute->sectioned = digits > 0;
	span_advance(&text, digits);
	attribute->extended = !attribute->sectioned || text.length > 0;
	return text.length == 0 || (text.length == 1 && text.at[0] == '*' && attribute->sectioned);
}

/* %XX decoded, and without charset'language' in front, which the first section has. */
static bool put_extended(struct writer *writer, struct span text, bool first)
{
	for (int quotes = 0; first && quotes < 2; quotes++) {
		const char *quote = memchr(text.at, '\'', text.length);

		if (!quote)
			return false;
		span_advance(&text, (size_t)(quote - text.at) + 1);
	}
	while (text.length > 0) {
		if (text.at[0] == '%') {
			const int byte = text.length < 3 ? -1 : hex_byte(text.at + 1);

			/* No line ends, nor other control characters, by way of an encoding. */
			if (byte < ' ' || byte == 0x7f)
				return false;
			put(writer, (char)byte);
			span_advance(&text, 2);
		} else {
			put(writer, text.at[0]);
		}
		span_advance(&text, 1);
	}
	return !writer->full;
}

/* Which of a parameter's forms is wanted. */
enum form {
	FORM_PLAIN,         /* name=value */
	FORM_EXTENDED,      /* name*=charset'language'value */
	FORM_SECTION,       /* name*N=value or name*N*=value */
	FORM_LATER_SECTION, /* the same with a higher N */
};

static bool is_form(const struct attribute *attribute, enum form form, size_t section)
{
	if (form == FORM_SECTION)
		return attribute->sectioned && attribute->section == section;
	if (form == FORM_LATER_SECTION)
		return attribute->sectioned && attribute->section > section;
	return !attribute->sectioned && attribute->extended == (form == FORM_EXTENDED);
}

/*
 * Looks for a parameter in one form and appends its value. `*number` of those that there are are left
 * out first; it is then one more.
 */
static enum field_parameter take_form(struct span value, const char *name, enum form form,
				      size_t section, size_t *number, struct writer *writer)
{
	size_t seen = 0;

	for (skip_to_next_parameter(&value); value.length > 0; skip_to_next_parameter(&value)) {
		struct attribute attribute;
		struct span found;
		char text[FIELD_SECTION_MAXIMUM];
		struct writer piece = {.out = text, .size = sizeof(text)};
		bool good;

		skip_comments(&value);
		found = take_token(&value);
		good = read_attribute(found, &attribute);
		if (!span_is(attribute.name, name) ||
		    (good && !is_form(&attribute, form, section)) || seen++ < *number)
			continue;
		++*number;
		skip_comments(&value);
		if (!good || value.length == 0 || value.at[0] != '=')
			return FIELD_PARAMETER_UNUSABLE;
		span_advance(&value, 1);
		skip_comments(&value);
		if (!attribute.extended)
			return take_parameter_value(&value, writer) ? FIELD_PARAMETER_FOUND
								    : FIELD_PARAMETER_UNUSABLE;
		return take_parameter_value(&value, &piece) &&
				       put_extended(writer, (struct span){text, piece.used},
						    section == 0)
			       ? FIELD_PARAMETER_FOUND
			       : FIELD_PARAMETER_UNUSABLE;
	}
	return FIELD_PARAMETER_ABSENT;
}

/* The one value of this form, all its sections in their order. */
static enum field_parameter read_form(struct span value, const char *name, enum form form,
				      struct writer *writer)
{
	enum field_parameter result = FIELD_PARAMETER_ABSENT, found;
	size_t section = 0;

	for (; section <= FIELD_SECTIONS_MAXIMUM; section++) {
		struct writer nowhere = {.out = NULL};
		size_t number = 0;

		found = take_form(value, name, form, section, &number, writer);
		/* No section may be missing. */
		if (found == FIELD_PARAMETER_ABSENT && form == FORM_SECTION &&
		    take_form(value, name, FORM_LATER_SECTION, section, &number, &nowhere) !=
			    FIELD_PARAMETER_ABSENT)
			return FIELD_PARAMETER_UNUSABLE;
		if (found == FIELD_PARAMETER_ABSENT)
			return result;
		result = found;
		/* Twice: programs disagree on which counts. */
		if (found == FIELD_PARAMETER_UNUSABLE ||
		    take_form(value, name, form, section, &number, &nowhere) !=
			    FIELD_PARAMETER_ABSENT)
			return FIELD_PARAMETER_UNUSABLE;
		if (form != FORM_SECTION)
			return result;
	}
	return FIELD_PARAMETER_UNUSABLE;
}

enum field_parameter field_parameter(struct span value, const char *name, char *out, size_t size)
{
	enum field_parameter result = FIELD_PARAMETER_ABSENT;

	for (int form = FORM_PLAIN; form <= FORM_SECTION; form++) {
		struct writer writer = {.out = out, .size = size};
		enum field_parameter found = read_form(value, name, (enum form)form, &writer);

		if (found == FIELD_PARAMETER_ABSENT)
			continue;
		if (found == FIELD_PARAMETER_UNUSABLE || result != FIELD_PARAMETER_ABSENT)
			return FIELD_PARAMETER_UNUSABLE;
		out[writer.used] = '\0';
		result = FIELD_PARAMETER_FOUND;
	}
	return result;
}

bool field_parameter_each(struct span value, const char *name, struct field_cursor *cursor,
			  char *out, size_t size)
{
	while (cursor->form <= FORM_SECTION) {
		const enum form form = (enum form)cursor->form;
		struct writer writer = {.out = out, .size = size};
		const size_t number = cursor->number;
		enum field_parameter found;

		if (form == FORM_SECTION)
			found = read_form(value, name, form, &writer);
		else
			found = take_form(value, name, form, 0, &cursor->number, &writer);
		if (form == FORM_SECTION || cursor->number == number ||
		    cursor->number == FIELD_SECTIONS_MAXIMUM)
			*cursor = (struct field_cursor){.form = cursor->form + 1};
		if (found == FIELD_PARAMETER_FOUND) {
			out[writer.used] = '\0';
			return true;
		}
	}
	return false;
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
