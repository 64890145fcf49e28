#include "message_state.h"

#include <stdio.h>
#include <string.h>

/* Everything about a tagged message that can be said before its body is seen. */
bool message_check(struct message *message)
{
	const struct span value = span_trim(
		(struct span){message->headers.tag_value.data, message->headers.tag_value.length});
	struct problem why;
	char text[sizeof(why.text) + 128], shown[96];

	if (message->headers.tags > 1) {
		snprintf(text, sizeof(text), "%zu of them in one message; one invite a message",
			 message->headers.tags);
		message_reject(message, "554", "5.6.0", "bad_tag", text);
		return false;
	}
	problem_set(&why, "it is too long");
	if (message->headers.tag_value.failed || !tag_parse(&message->tag, value, &why)) {
		problem_quote(shown, sizeof(shown), value.at, value.length);
		snprintf(text, sizeof(text), shown[0] ? "%s; the value is \"%s\"" : "%s", why.text,
			 shown);
		message_reject(message, "554", "5.6.0", "bad_tag", text);
		return false;
	}
	if (!message->sender_fits) {
		message_reject(message, "550", "5.1.7", "bad_sender",
			       "the sender's address is too long");
		return false;
	}
	message->account = policy_account(message->config, message->login, message->sender);
	if (!message->account) {
		snprintf(text, sizeof(text), "sender <%s> belongs to no Cronofy account here",
			 message->sender);
		message_reject(message, "550", "5.7.1", "no_account", text);
		return false;
	}
	if (message->recipients > 1) {
		snprintf(text, sizeof(text),
			 "%zu recipients in one message, and this filter runs in direct mode, "
			 "not in queued mode: send one message to each recipient",
			 message->recipients);
		message_reject(message, "554", "5.5.3", "too_many_recipients", text);
		return false;
	}
	message->invite_recipient =
		message->tag.recipient[0] ? message->tag.recipient : message->recipient;
	if (!tag_is_address(
		    (struct span){message->invite_recipient, strlen(message->invite_recipient)})) {
		snprintf(text, sizeof(text),
			 "the recipient \"%s\" is no address of the form "
			 "user@domain; name the invite's with ;recipient=",
			 message->invite_recipient);
		message_reject(message, "554", "5.1.3", "bad_recipient", text);
		return false;
	}
	if (message->headers.content.failed) {
		message_reject(
			message, "554", "5.6.0", "bad_headers",
			"the Content-* headers of the message are too large to be understood");
		return false;
	}
	return true;
}

bool message_is_too_large(struct message *message)
{
	char text[128];

	if (message->headers.bytes + message->body.length <=
	    (size_t)message->config->max_message_size)
		return false;
	snprintf(text, sizeof(text), "the message is larger than %lld bytes; nothing was cancelled",
		 message->config->max_message_size);
	message_reject(message, "552", "5.3.4", "too_large", text);
	return true;
}
