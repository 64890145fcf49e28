/* The value of an X-Cancel-Invite header. */
#include "tag.h"

#include "buffer.h"
#include "encoded_word.h"
#include "utf8.h"

#include <string.h>

/* More than this in one tag is no id with an address: refused before any work is done on it. */
#define VALUE_MAXIMUM 8192

/* Cuts `"quoted"` or plain text up to the next ; off the front of `rest`; false if malformed. */
static bool take_text(struct span *rest, char *out, size_t size, struct problem *why)
{
	size_t used = 0;

	*rest = span_trim(*rest);
	if (rest->length > 0 && rest->at[0] == '"') {
		size_t i = 1;

		for (; i < rest->length && rest->at[i] != '"'; i++) {
			if (rest->at[i] == '\\' && i + 1 < rest->length)
				i++;
			if (used + 1 < size)
				out[used] = rest->at[i];
			used++;
		}
		if (i == rest->length) {
			problem_set(why, "a quotation mark is never closed");
			return false;
		}
		rest->at += i + 1;
		rest->length -= i + 1;
		*rest = span_trim(*rest);
	} else {
		const char *end = memchr(rest->at, ';', rest->length);
		struct span text = *rest;

		if (end)
			text.length = (size_t)(end - rest->at);
		rest->at += text.length;
		rest->length -= text.length;
		text = span_trim(text);
		if (text.length > 0 && memchr(text.at, '"', text.length)) {
			problem_set(why, "a quotation mark (\") inside a value that is not quoted");
			return false;
		}
		used = text.length;
		if (used < size)
			memcpy(out, text.at, used);
	}
	if (used >= size) {
		problem_set(why, "longer than %zu bytes", size - 1);
		return false;
	}
	out[used] = '\0';
	if (rest->length > 0 && rest->at[0] != ';') {
		char shown[64];

		problem_set(why, "unexpected text \"%s\" after a quoted value",
			    problem_quote(shown, sizeof(shown), rest->at, rest->length));
		return false;
	}
	return true;
}

/* The value of recipient= off the front of `rest`. */
static bool take_recipient(struct tag *tag, struct span *rest, struct problem *why)
{
	char shown[64];

	if (tag->recipient[0]) {
		problem_set(why, "the parameter recipient is given twice");
		return false;
	}
	if (!take_text(rest, tag->recipient, sizeof(tag->recipient), why))
		return false;
	if (address_is_valid((struct span){tag->recipient, strlen(tag->recipient)}))
		return true;
	problem_set(why, "recipient=\"%s\" is not an address",
		    problem_quote(shown, sizeof(shown), tag->recipient, strlen(tag->recipient)));
	return false;
}

/*
 * The value of probe= off the front of `rest`. A message whose tag asks for it is never delivered,
 * so nobody is to ask for it by mistake: the id has to say the same.
 */
static bool take_probe(struct tag *tag, struct span *rest, struct problem *why)
{
	char value[64];

	if (!take_text(rest, value, sizeof(value), why))
		return false;
	if (strcmp(value, "yes") != 0 ||
	    strncmp(tag->id, TAG_PROBE_PREFIX, strlen(TAG_PROBE_PREFIX)) != 0) {
		problem_set(why, "probe=yes goes with an id that begins with " TAG_PROBE_PREFIX
				 ", and takes no other value");
		return false;
	}
	tag->probe = true;
	return true;
}

static bool take_parameters(struct tag *tag, struct span rest, struct problem *why)
{
	char shown[64];

	while (rest.length > 0) {
		struct span name;
		const char *equals;

		rest.at++;
		rest.length--;
		rest = span_trim(rest);
		if (rest.length == 0)
			return true;
		equals = memchr(rest.at, '=', rest.length);
		name = (struct span){rest.at, equals ? (size_t)(equals - rest.at) : rest.length};
		name = span_trim(name);
		if (!equals || !(span_is(name, "recipient") || span_is(name, "probe"))) {
			problem_set(
				why,
				"unknown parameter \"%s\"; the only parameter is recipient=ADDRESS",
				problem_quote(shown, sizeof(shown), name.at, name.length));
			return false;
		}
		rest.length -= (size_t)(equals + 1 - rest.at);
		rest.at = equals + 1;
		if (span_is(name, "probe") ? !take_probe(tag, &rest, why)
					   : !take_recipient(tag, &rest, why))
			return false;
	}
	return true;
}

/* Is there a line end inside what stands in front of the first ";" that is not quoted? */
static bool is_folded_in_id(struct span value)
{
	bool quoted = false;
	size_t end = 0;

	for (; end < value.length && (quoted || value.at[end] != ';'); end++) {
		if (value.at[end] == '"')
			quoted = !quoted;
		else if (value.at[end] == '\\' && quoted)
			end++;
	}
	value.length = end < value.length ? end : value.length;
	value = span_trim(value);
	return value.length > 0 && memchr(value.at, '\n', value.length);
}

bool tag_parse(struct tag *tag, struct span value, struct problem *why)
{
	struct buffer decoded = buffer_with_maximum(VALUE_MAXIMUM);
	struct span rest;
	char shown[128];
	bool good = false;

	*tag = (struct tag){0};
	value = span_trim(value);
	if (!encoded_word_decode_value(value, &decoded, why))
		goto out;
	rest = (struct span){decoded.data ? decoded.data : "", decoded.length};
	problem_quote(shown, sizeof(shown), rest.at, rest.length);
	if (!utf8_valid(rest.at, rest.length)) {
		problem_set(why, "not valid UTF-8: \"%s\"", shown);
		goto out;
	}
	if (utf8_has_control(rest.at, rest.length)) {
		problem_set(why, "a control character in \"%s\"", shown);
		goto out;
	}
	if (!take_text(&rest, tag->id, sizeof(tag->id), why))
		goto out;
	if (!tag->id[0]) {
		problem_set(why, "it is empty; it must hold the invite's id (smart_invite_id)");
		goto out;
	}
	tag->folded_in_id = strchr(tag->id, ' ') && is_folded_in_id(value);
	good = take_parameters(tag, rest, why);
out:
	buffer_free(&decoded);
	return good;
}

const char *tag_fold_hint(const struct tag *tag)
{
	if (tag->folded_in_id)
		return "; the header was folded inside the id, which put a blank there";
	if (strchr(tag->id, ' '))
		return "; the id has a blank in it: was the header folded there?";
	return "";
}

bool tag_is_id(struct span text)
{
	return text.length > 0 && text.length <= TAG_ID_MAXIMUM &&
	       utf8_valid(text.at, text.length) && !utf8_has_control(text.at, text.length);
}
