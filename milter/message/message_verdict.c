#include "message_state.h"

#include <stdio.h>

void message_decide(struct message *message, enum message_action action, const char *code,
		    const char *enhanced, const char *reason)
{
	message->decided = true;
	message->verdict.action = action;
	message->verdict.code = code;
	message->verdict.enhanced = enhanced;
	snprintf(message->verdict.text, sizeof(message->verdict.text), "%s: %s",
		 message->config->header, reason);
}

void message_accept(struct message *message, const char *result)
{
	message->result = result;
	message->level = LOG_LEVEL_INFO;
	message->decided = true;
	message->verdict.action = MESSAGE_ACCEPT;
}

void message_reject(struct message *message, const char *code, const char *enhanced,
		    const char *result, const char *reason)
{
	message->result = result;
	message->level = LOG_LEVEL_INFO;
	message_decide(message, MESSAGE_REJECT, code, enhanced, reason);
}

void message_tempfail(struct message *message, const char *enhanced, const char *result,
		      enum log_level level, const char *reason)
{
	message->result = result;
	message->level = level;
	message_decide(message, MESSAGE_TEMPFAIL, "451", enhanced, reason);
}

void message_fail_here(struct message *message, const char *reason)
{
	message_tempfail(message, "4.3.0", "failed", LOG_LEVEL_ERROR, reason);
}

void message_fall_back(struct message *message, int fallback, const char *enhanced,
		       const char *reason)
{
	switch (fallback) {
	case FALLBACK_REJECT:
		message_decide(message, MESSAGE_REJECT, "554", enhanced, reason);
		break;
	case FALLBACK_HOLD:
		message_decide(message, MESSAGE_HOLD, "", "", reason);
		break;
	case FALLBACK_DELIVER:
		header_edits_strip_tags(&message->headers, message->config->header, &message->edits);
		message->level = LOG_LEVEL_WARNING;
		message_decide(message, MESSAGE_ACCEPT, "", "", reason);
		break;
	default:
		message_tempfail(message, enhanced[0] == '5' ? "4.5.0" : enhanced, message->result,
				 message->level, reason);
		break;
	}
}
