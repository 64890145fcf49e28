/* record: the texts of one record, and copies of it. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

const char *const record_names[RECORD_TEXTS] = {
	[RECORD_RESULT] = "result",       [RECORD_KEPT] = "kept",
	[RECORD_ACCOUNT] = "account",     [RECORD_INVITE] = "invite",
	[RECORD_RECIPIENT] = "recipient", [RECORD_ENVELOPE_RECIPIENT] = "envelope_recipient",
	[RECORD_SENDER] = "sender",       [RECORD_MESSAGE_ID] = "message_id",
	[RECORD_QUEUE_ID] = "queue_id",   [RECORD_UID] = "uid",
	[RECORD_SEQUENCE] = "sequence",   [RECORD_REPLY] = "reply",
	[RECORD_REASON] = "reason",
};

const char *record_text(const struct record *record, enum record_text which)
{
	return record->texts[which] ? record->texts[which] : "";
}

struct record *record_copy(const struct record *record)
{
	size_t size = sizeof(*record);
	struct record *copy;
	char *end;

	for (int i = 0; i < RECORD_TEXTS; i++)
		size += strlen(record_text(record, (enum record_text)i)) + 1;
	copy = malloc(size);
	if (!copy)
		return NULL;
	*copy = *record;
	end = (char *)(copy + 1);
	for (int i = 0; i < RECORD_TEXTS; i++) {
		const char *text = record_text(record, (enum record_text)i);
		const size_t length = strlen(text) + 1;

		memcpy(end, text, length);
		copy->texts[i] = end;
		end += length;
	}
	return copy;
}
