/* A line of the log: any value makes one line, in JSON one that reads back as it was. */
#include "log_line.h"

#include "fuzz.h"

#include <cjson/cJSON.h>

static void check_printable(const struct buffer *text)
{
	must(!text->failed && text->length <= LOG_LINE_MAXIMUM);
	must(utf8_valid(text->data, text->length));
	for (size_t i = 0, n; i < text->length; i += n) {
		n = utf8_sequence(text->data + i, text->length - i);
		must(!utf8_is_control(text->data + i, n));
	}
}

static void check_json(const struct buffer *members, const char *value)
{
	struct buffer whole = buffer_with_maximum(LOG_LINE_MAXIMUM + 2);
	cJSON *read, *number;

	buffer_printf(&whole, "{%s}", members->data);
	read = cJSON_ParseWithOpts(whole.data, NULL, 1);
	must(read != NULL);
	number = cJSON_GetObjectItem(read, "ms");
	must(cJSON_IsNumber(number) && number->valueint == 86);
	if (strlen(value) < 512 && utf8_valid(value, strlen(value)))
		must(strcmp(cJSON_GetObjectItem(read, "value")->valuestring, value) == 0);
	cJSON_Delete(read);
	buffer_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_line text = log_line_begin(LOG_FORMAT_TEXT);
	struct log_line json = log_line_begin(LOG_FORMAT_JSON);
	char *value = malloc(size + 1);

	must(value != NULL);
	if (size > 0)
		memcpy(value, data, size);
	value[size] = '\0';
	log_field(&text, "value", value);
	log_number(&text, "ms", 86);
	log_field(&json, "value", value);
	log_number(&json, "ms", 86);
	check_printable(&text.text);
	check_printable(&json.text);
	check_json(&json.text, value);
	log_line_free(&text);
	log_line_free(&json);
	free(value);
	return 0;
}
