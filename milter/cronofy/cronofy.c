#include "cronofy.h"

#include "utf8.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cronofy_write_request(struct buffer *json, const char *invite_id, const char *recipient)
{
	cJSON *request = cJSON_CreateObject();
	cJSON *to = cJSON_AddObjectToObject(request, "recipient");
	char *text = NULL;

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

/* NULL, and why, if it is not one JSON object of clean UTF-8. `body.at` is NUL-terminated. */
static cJSON *parse_object(struct span body, struct problem *why)
{
	cJSON *json;

	if (body.length == 0) {
		problem_set(why, "the reply is empty");
		return NULL;
	}
	if (holds_nul(body) || !utf8_valid(body.at, body.length)) {
		problem_set(why, "the reply holds NUL characters or is not UTF-8");
		return NULL;
	}
	json = cJSON_ParseWithLengthOpts(body.at, body.length + 1, NULL, 1);
	if (!cJSON_IsObject(json)) {
		problem_set(why, "the reply is no JSON object");
		cJSON_Delete(json);
		return NULL;
	}
	return json;
}

static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static enum cronofy_answer read_success(struct span body, const char *invite_id,
					struct buffer *calendar, struct problem *why)
{
	cJSON *json = parse_object(body, why);
	const char *id, *text;
	enum cronofy_answer answer = CRONOFY_BAD_REPLY;

	if (!json)
		return answer;
	id = text_of(json, "smart_invite_id");
	text = text_of(cJSON_GetObjectItemCaseSensitive(json, "attachments"), "icalendar");
	if (id && strcmp(id, invite_id) != 0) {
		problem_set(why, "the reply is about another invite");
	} else if (!text || !text[0]) {
		problem_set(why, "the reply holds no iCalendar text (attachments.icalendar)");
	} else {
		buffer_append_text(calendar, text);
		if (calendar->failed)
			problem_set(why, "the reply's iCalendar text is too large");
		else
			answer = CRONOFY_CANCELLED;
	}
	cJSON_Delete(json);
	return answer;
}

/* {"errors": {"field": [{"key": "errors.required", "description": "required"}]}}, as one line. */
static void describe_errors(struct span body, struct buffer *out)
{
	struct problem ignored;
	cJSON *json = parse_object(body, &ignored);
	const cJSON *field, *entry;
	char shown[256];

	cJSON_ArrayForEach (field, cJSON_GetObjectItemCaseSensitive(json, "errors")) {
		if (!field->string || !cJSON_IsArray(field))
			continue;
		cJSON_ArrayForEach (entry, field) {
			const char *key = text_of(entry, "key");
			const char *description = text_of(entry, "description");

			problem_quote(shown, sizeof(shown), field->string, strlen(field->string));
			buffer_printf(out, "%s%s", out->length > 0 ? "; " : "", shown);
			if (description) {
				problem_quote(shown, sizeof(shown), description,
					      strlen(description));
				buffer_printf(out, ": %s", shown);
			}
			if (key) {
				problem_quote(shown, sizeof(shown), key, strlen(key));
				buffer_printf(out, " (%s)", shown);
			}
		}
	}
	cJSON_Delete(json);
}

enum cronofy_answer cronofy_read_reply(long status, struct span body, const char *invite_id,
				       struct buffer *calendar, struct problem *why)
{
	const enum cronofy_answer answer = cronofy_answer_of_status(status);
	struct buffer details = buffer_with_maximum(sizeof(why->text) / 2);

	if (status >= 200 && status < 300)
		return read_success(body, invite_id, calendar, why);
	describe_errors(body, &details);
	problem_set(why, "%s (HTTP %ld)%s%s", cronofy_meaning(answer)->text, status,
		    details.length > 0 ? ": " : "", details.length > 0 ? details.data : "");
	buffer_free(&details);
	return answer;
}
