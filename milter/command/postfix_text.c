#include "postfix_text.h"

#include <ctype.h>
#include <string.h>

#define EXPANSIONS      200 /* of $names for one value, one in another included */
#define EXPANSION_DEPTH 10

static struct span take_line(struct span *rest)
{
	const char *newline = memchr(rest->at, '\n', rest->length);
	struct span line = {rest->at, newline ? (size_t)(newline - rest->at) : rest->length};
	const size_t taken = newline ? line.length + 1 : line.length;

	rest->at += taken;
	rest->length -= taken;
	return line;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Empty, or a comment: such a line may also stand between a line and what it goes on with. */
static bool says_nothing(struct span line)
{
	line = span_trim(line);
	return line.length == 0 || line.at[0] == '#';
}

/* The next logical line: a line and those behind white space that it goes on with. */
bool postfix_text_next_line(struct span *rest, struct buffer *out)
{
	bool found = false;

	buffer_clear(out);
	while (rest->length > 0) {
		struct span after = *rest, line = take_line(&after);

		if (!says_nothing(line)) {
			if (found && !is_space(line.at[0]))
				break;
			line = span_trim(line);
			if (found)
				buffer_append_text(out, " ");
			buffer_append(out, line.at, line.length);
			found = true;
		}
		*rest = after;
	}
	return found;
}

/* Cuts "name = value" in two. False if there is no = in it. */
static bool cut_assignment(struct span text, struct span *name, struct span *value)
{
	const char *equals = text.length > 0 ? memchr(text.at, '=', text.length) : NULL;

	if (!equals)
		return false;
	*name = span_trim((struct span){text.at, (size_t)(equals - text.at)});
	*value = span_trim((struct span){equals + 1, text.length - (size_t)(equals + 1 - text.at)});
	return true;
}

static bool same(struct span a, struct span b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

/* Appends what main.cf says a parameter is, as it stands there. False if it says nothing. */
static bool find_parameter(struct span main_cf, struct span wanted, struct buffer *out)
{
	struct buffer line = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM), last = line;
	struct span rest = main_cf, name, value;
	bool found = false;

	while (postfix_text_next_line(&rest, &line)) {
		if (!cut_assignment(buffer_span(&line), &name, &value) || !same(name, wanted))
			continue;
		found = true;
		buffer_clear(&last);
		buffer_append(&last, value.at, value.length);
	}
	if (found)
		buffer_append(out, last.data, last.length);
	buffer_free(&line);
	buffer_free(&last);
	return found;
}

/* $name, ${name} or $(name) at the start of `text`: the name, and how long all of it is. */
static size_t reference_at(struct span text, struct span *name)
{
	size_t begin = 1, end;
	char close = '\0';

	if (text.length < 2 || text.at[0] != '$')
		return 0;
	if (text.at[1] == '{' || text.at[1] == '(') {
		close = text.at[1] == '{' ? '}' : ')';
		begin = 2;
	}
	for (end = begin;
	     end < text.length && (isalnum((unsigned char)text.at[end]) || text.at[end] == '_');)
		end++;
	*name = (struct span){text.at + begin, end - begin};
	if (name->length == 0 || (close && (end == text.length || text.at[end] != close)))
		return 0;
	return close ? end + 1 : end;
}

/* Appends `text` with its $names replaced, as long as that is a sensible number of times. */
static void expand(struct span main_cf, struct span text, int depth, int *left, struct buffer *out)
{
	for (size_t i = 0, length; i < text.length; i += length) {
		struct buffer value = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM);
		struct span name;

		length = reference_at((struct span){text.at + i, text.length - i}, &name);
		if (length > 0 && depth<EXPANSION_DEPTH && * left> 0) {
			(*left)--;
			if (find_parameter(main_cf, name, &value))
				expand(main_cf, buffer_span(&value), depth + 1, left, out);
			buffer_free(&value);
			continue;
		}
		length = 1;
		buffer_append(out, text.at + i, 1);
	}
}

struct buffer postfix_text_expanded(struct span main_cf, struct span value)
{
	struct buffer out = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM);
	int left = EXPANSIONS;

	expand(main_cf, value, 0, &left, &out);
	return out;
}

struct buffer postfix_text_parameter(struct span main_cf, const char *name, const char *initial)
{
	struct buffer raw = buffer_with_maximum(POSTFIX_TEXT_VALUE_MAXIMUM), out;

	if (!find_parameter(main_cf, (struct span){name, strlen(name)}, &raw))
		buffer_append_text(&raw, initial);
	out = postfix_text_expanded(main_cf, buffer_span(&raw));
	buffer_free(&raw);
	return out;
}

/* A whole number, and the letter behind it; -1 if it is none. */
static long long number_of(struct span text, char *unit)
{
	long long number = 0;
	size_t i = 0;

	*unit = '\0';
	while (i < text.length && isdigit((unsigned char)text.at[i]) && i < 15)
		number = number * 10 + (text.at[i++] - '0');
	if (i == 0 || i + 1 < text.length)
		return -1;
	if (i < text.length)
		*unit = text.at[i];
	return number;
}

long long postfix_text_number(struct span main_cf, const char *name, const char *initial,
			      char *unit)
{
	struct buffer value = postfix_text_parameter(main_cf, name, initial);
	const long long number = number_of(span_trim(buffer_span(&value)), unit);

	buffer_free(&value);
	return number;
}

bool postfix_text_is_set(struct span main_cf, const char *name)
{
	struct buffer value = postfix_text_parameter(main_cf, name, "");
	const bool set = span_trim(buffer_span(&value)).length > 0;

	buffer_free(&value);
	return set;
}

bool postfix_text_has(struct span main_cf, const char *name, const char *initial, const char *word)
{
	struct buffer value = postfix_text_parameter(main_cf, name, initial);
	const bool has = value.data && strstr(value.data, word);

	buffer_free(&value);
	return has;
}

/* Cuts the next element, {in braces} or up to a separator, off the front of a list. */
bool postfix_text_next_element(struct span *rest, const char *separators, struct span *element)
{
	int depth = 0;
	size_t i = 0;

	while (rest->length > 0 && rest->at[0] && strchr(separators, rest->at[0])) {
		rest->at++;
		rest->length--;
	}
	for (; i < rest->length; i++) {
		const char c = rest->at[i];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && c && strchr(separators, c))
			break;
	}
	*element = (struct span){rest->at, i};
	rest->at += i;
	rest->length -= i;
	return i > 0;
}

/* Takes the next "-o name=value" or "-o { name = value }" off a service's arguments. */
bool postfix_text_next_option(struct span *rest, struct span *name, struct span *value)
{
	struct span word;

	while (postfix_text_next_element(rest, POSTFIX_TEXT_BLANKS, &word)) {
		if (!span_is(word, "-o") ||
		    !postfix_text_next_element(rest, POSTFIX_TEXT_BLANKS, &word))
			continue;
		if (word.length > 1 && word.at[0] == '{') {
			word.at++;
			word.length -= 2;
		}
		if (cut_assignment(word, name, value))
			return true;
	}
	return false;
}
