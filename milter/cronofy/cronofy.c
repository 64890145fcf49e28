/* cronofy: the JSON of the call: the only place that knows cJSON. */
#include "cronofy.h"

#include "utf8.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any reply of Cronofy's holds. Each takes cJSON some 80 bytes, of two that were sent. */
#define VALUES_MAXIMUM 10000

/* ---- memory ---- */

/*
 * cJSON tells a text that is no JSON and a lack of memory apart by nothing, so its allocations are
 * counted where they fail. One that failed for another thread makes us say "cannot tell" where
 * "wrong" was right: both are temporary.
 */
static atomic_ulong failed_allocations;

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		atomic_fetch_add(&failed_allocations, 1);
	return memory;
}

static void set_hooks(void)
{
	cJSON_Hooks hooks = {.malloc_fn = allocate, .free_fn = free};

	cJSON_InitHooks(&hooks);
}

/* Before the first use of cJSON. */
static void count_failed_allocations(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_hooks);
}

/* ---- the request ---- */

bool cronofy_write_request(struct buffer *json, const char *invite_id, const char *recipient)
{
	cJSON *request, *to;
	char *text = NULL;

	count_failed_allocations();
	request = cJSON_CreateObject();
	to = cJSON_AddObjectToObject(request, "recipient");
	if (cJSON_AddStringToObject(request, "method", "cancel") &&
	    cJSON_AddStringToObject(request, "smart_invite_id", invite_id) &&
	    cJSON_AddStringToObject(to, "email", recipient))
		text = cJSON_PrintUnformatted(request);
	cJSON_Delete(request);
	if (!text)
		return false;
	buffer_append_text(json, text);
	cJSON_free(text);
	return !json->failed;
}

/* ---- any reply ---- */

/* A NUL in a JSON string, raw or as \u0000, would cut the C string that cJSON makes of it. */
static bool holds_nul(struct span json)
{
	if (memchr(json.at, '\0', json.length))
		return true;
	for (size_t i = 0; i + 5 < json.length; i++) {
		if (json.at[i] != '\\')
			continue;
		if (memcmp(json.at + i + 1, "u0000", 5) == 0)
			return true;
		i++;
	}
	return false;
}

/* The code unit of the escape \uXXXX that begins here; -1 if none does. */
static long escaped_unit(struct span json, size_t at)
{
	char digits[5] = "";
	char *end;
	long unit;

	if (json.length - at < 6 || json.at[at] != '\\' || json.at[at + 1] != 'u' ||
	    !isxdigit((unsigned char)json.at[at + 2]))
		return -1;
	memcpy(digits, json.at + at + 2, 4);
	unit = strtol(digits, &end, 16);
	return *end ? -1 : unit;
}

/*
 * Makes each half of a surrogate pair that stands alone (RFC 8259, 8.2) a replacement character, as
 * JavaScript's encoders do: it spoils one string, and not the whole reply as cJSON has it.
 */
static void replace_lone_surrogates(struct buffer *json)
{
	const struct span span = {json->data, json->length};

	for (size_t i = 0; i < span.length; i++) {
		const long unit = escaped_unit(span, i);
		const bool high = unit >= 0xd800 && unit <= 0xdbff;
		long next;

		if (span.at[i] != '\\')
			continue;
		next = high ? escaped_unit(span, i + 6) : -1;
		if (high && next >= 0xdc00 && next <= 0xdfff)
			i += 11;
		else if (unit >= 0xd800 && unit <= 0xdfff)
			memcpy(json->data + i + 2, "fffd", 4);
		else
			i++; /* whatever is escaped */
	}
}

static bool holds_too_many_values(struct span json)
{
	bool quoted = false;
	size_t commas = 0;

	for (size_t i = 0; i < json.length; i++) {
		if (json.at[i] == '"')
			quoted = !quoted;
		else if (quoted && json.at[i] == '\\')
			i++;
		else
			commas += !quoted && json.at[i] == ',';
	}
	return commas > VALUES_MAXIMUM;
}

/* `text` is all of it, NUL-terminated. */
static enum cronofy_answer parse(const struct buffer *text, cJSON **json, struct problem *why)
{
	const unsigned long failed = atomic_load(&failed_allocations);

	*json = cJSON_ParseWithLengthOpts(text->data, text->length + 1, NULL, 1);
	if (cJSON_IsObject(*json))
		return CRONOFY_CANCELLED;
	cJSON_Delete(*json);
	*json = NULL;
	if (atomic_load(&failed_allocations) != failed) {
		problem_cannot_tell(why, "no memory to read the reply");
		return CRONOFY_NOT_READ;
	}
	problem_set(why, "the reply is not a JSON object");
	return CRONOFY_NO_CALENDAR;
}

/* CRONOFY_CANCELLED if it is one JSON object of clean UTF-8; else NULL, and why. */
static enum cronofy_answer parse_object(struct span body, cJSON **json, struct problem *why)
{
	struct buffer text = buffer_with_maximum(body.length);
	enum cronofy_answer answer;

	*json = NULL;
	if (body.length == 0) {
		problem_set(why, "the reply is empty");
		return CRONOFY_NO_CALENDAR;
	}
	if (holds_nul(body) || !utf8_valid(body.at, body.length)) {
		problem_set(why, "the reply holds NUL characters or is not UTF-8");
		return CRONOFY_NO_CALENDAR;
	}
	if (holds_too_many_values(body)) {
		problem_set(why, "the reply holds more than %d values", VALUES_MAXIMUM);
		return CRONOFY_NO_CALENDAR;
	}
	count_failed_allocations();
	buffer_append(&text, body.at, body.length);
	if (text.failed) {
		problem_cannot_tell(why, "no memory to read the reply");
		return CRONOFY_NOT_READ;
	}
	replace_lone_surrogates(&text);
	answer = parse(&text, json, why);
	buffer_free(&text);
	return answer;
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(member(object, name));
}

/* ---- replies with a calendar ---- */

/* An invite of several recipients is made, changed and cancelled by calls of its own. */
static bool has_several_recipients(const cJSON *json)
{
	return member(json, "recipients") || member(member(json, "attachments"), "removed");
}

static enum cronofy_answer find_calendar(const cJSON *json, const char *invite_id,
					 const char **text, struct problem *why)
{
	const char *id = text_of(json, "smart_invite_id");

	*text = text_of(member(json, "attachments"), "icalendar");
	if (id && strcmp(id, invite_id) != 0) {
		problem_set(why, "the reply is about another invite");
		return CRONOFY_NO_CALENDAR;
	}
	if (*text && (*text)[0])
		return CRONOFY_CANCELLED;
	if (has_several_recipients(json)) {
		problem_set(why, "%s", cronofy_meaning(CRONOFY_SEVERAL_RECIPIENTS)->text);
		return CRONOFY_SEVERAL_RECIPIENTS;
	}
	problem_set(why, "the reply holds no iCalendar text (attachments.icalendar)");
	return CRONOFY_NO_CALENDAR;
}

static enum cronofy_answer take_calendar(struct buffer *calendar, const char *text,
					 struct problem *why)
{
	buffer_append_text(calendar, text);
	if (calendar->out_of_memory) {
		problem_cannot_tell(why, "no memory for the calendar");
		return CRONOFY_NOT_READ;
	}
	if (calendar->failed) {
		problem_set(why, "the reply's iCalendar text is too large");
		return CRONOFY_NO_CALENDAR;
	}
	return CRONOFY_CANCELLED;
}

static enum cronofy_answer read_success(struct span body, const char *invite_id,
					struct buffer *calendar, struct problem *why)
{
	cJSON *json;
	const char *text;
	enum cronofy_answer answer = parse_object(body, &json, why);

	if (answer == CRONOFY_CANCELLED)
		answer = find_calendar(json, invite_id, &text, why);
	if (answer == CRONOFY_CANCELLED)
		answer = take_calendar(calendar, text, why);
	cJSON_Delete(json);
	return answer;
}

/* ---- refusals in words ---- */

static void append_quoted(struct buffer *out, const char *before, const char *text,
			  const char *after)
{
	char shown[256];

	if (text)
		buffer_printf(out, "%s%s%s", before,
			      problem_quote(shown, sizeof(shown), text, strlen(text)), after);
}

/*
 * One fault, of a field or of none: a text, {"key": "errors.required", "description": "required"},
 * or a thing that we do not know.
 */
static void describe_entry(const char *field, const cJSON *entry, struct buffer *out)
{
	const char *text = cJSON_GetStringValue(entry);
	const char *key = text_of(entry, "key");

	if (!text)
		text = text_of(entry, "description");
	if (!field && !text && !key)
		return;
	append_quoted(out, out->length > 0 ? "; " : "", field ? field : "", "");
	append_quoted(out, field ? ": " : "", text, "");
	append_quoted(out, field || text ? " (" : "(", key, ")");
}

/* One fault, or a list of them. */
static void describe_entries(const char *field, const cJSON *value, struct buffer *out)
{
	const cJSON *entry;

	if (!cJSON_IsArray(value)) {
		describe_entry(field, value, out);
		return;
	}
	cJSON_ArrayForEach (entry, value) {
		describe_entry(field, entry, out);
	}
}

/*
 * {"errors": {"field": [{"key": "errors.required", "description": "required"}]}} is documented; a
 * list of texts, a text, and {"error": "text"} are seen.
 */
static void describe_errors(const cJSON *json, struct buffer *out)
{
	const cJSON *errors = member(json, "errors"), *field;

	if (!errors)
		errors = member(json, "error");
	if (!cJSON_IsObject(errors)) {
		describe_entries(NULL, errors, out);
		return;
	}
	cJSON_ArrayForEach (field, errors) {
		describe_entries(field->string, field, out);
	}
}

static enum cronofy_answer read_refusal(long status, struct span body, struct problem *why)
{
	enum cronofy_answer answer = cronofy_answer_of_status(status);
	struct buffer details = buffer_with_maximum(sizeof(why->text) / 2);
	cJSON *json;

	parse_object(body, &json, why);
	if (answer == CRONOFY_INVALID && member(member(json, "errors"), "recipients"))
		answer = CRONOFY_SEVERAL_RECIPIENTS;
	describe_errors(json, &details);
	problem_set(why, "%s (HTTP %ld)%s%s", cronofy_meaning(answer)->text, status,
		    details.length > 0 ? ": " : "", details.length > 0 ? details.data : "");
	buffer_free(&details);
	cJSON_Delete(json);
	return answer;
}

enum cronofy_answer cronofy_read_reply(long status, struct span body, const char *invite_id,
				       struct buffer *calendar, struct problem *why)
{
	return status >= 200 && status < 300 ? read_success(body, invite_id, calendar, why)
					     : read_refusal(status, body, why);
}
