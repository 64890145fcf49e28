#include "attempt.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const attempt_names[ATTEMPT_TEXTS] = {
	[ATTEMPT_RESULT] = "result",       [ATTEMPT_KEPT] = "kept",
	[ATTEMPT_ACCOUNT] = "account",     [ATTEMPT_INVITE] = "invite",
	[ATTEMPT_RECIPIENT] = "recipient", [ATTEMPT_ENVELOPE_RECIPIENT] = "envelope_recipient",
	[ATTEMPT_SENDER] = "sender",       [ATTEMPT_MESSAGE_ID] = "message_id",
	[ATTEMPT_QUEUE_ID] = "queue_id",   [ATTEMPT_UID] = "uid",
	[ATTEMPT_SEQUENCE] = "sequence",   [ATTEMPT_REPLY] = "reply",
	[ATTEMPT_REASON] = "reason",
};

const char *attempt_text(const struct attempt *attempt, enum attempt_text which)
{
	return attempt->texts[which] ? attempt->texts[which] : "";
}

struct attempt *attempt_copy(const struct attempt *attempt)
{
	size_t size = sizeof(*attempt);
	struct attempt *copy;
	char *end;

	for (int i = 0; i < ATTEMPT_TEXTS; i++)
		size += strlen(attempt_text(attempt, (enum attempt_text)i)) + 1;
	copy = malloc(size);
	if (!copy)
		return NULL;
	*copy = *attempt;
	end = (char *)(copy + 1);
	for (int i = 0; i < ATTEMPT_TEXTS; i++) {
		const char *text = attempt_text(attempt, (enum attempt_text)i);
		const size_t length = strlen(text) + 1;

		memcpy(end, text, length);
		copy->texts[i] = end;
		end += length;
	}
	return copy;
}

long long attempt_time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
