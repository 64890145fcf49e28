#include "message_state.h"

#include "policy.h"

#include <stdio.h>
#include <string.h>

static bool check_tag(struct message *message)
{
	const size_t tags = message->headers.tags - message->headers.stamps;
	const struct span value = span_trim(
		(struct span){message->headers.tag_value.data, message->headers.tag_value.length});
	struct problem why;
	char text[sizeof(why.text) + 128], shown[96];

	if (tags == 0 && message_has_true_stamp(message)) {
		message_decide(
			message, OUTCOME_MISCONFIGURED,
			message->role == ROLE_GATE
				? "mail that was stamped already came to a listener that is not "
				  "named like queue_daemon"
				: "mail that was stamped in queued mode came after mode = direct; "
				  "let it be queued until the MTA's queue is empty");
		return false;
	}
	if (tags == 0) {
		message_decide(
			message, OUTCOME_BAD_TAG,
			"this is a stamp that the filter itself makes of the header; give the "
			"invite's id");
		return false;
	}
	if (tags > 1) {
		snprintf(text, sizeof(text), "%zu of them in one message; one invite a message",
			 tags);
		message_decide(message, OUTCOME_BAD_TAG, "%s", text);
		return false;
	}
	problem_set(&why, "it is too long");
	if (message->headers.tag_value.failed || !tag_parse(&message->tag, value, &why)) {
		problem_quote(shown, sizeof(shown), value.at, value.length);
		snprintf(text, sizeof(text), shown[0] ? "%s; the value is \"%s\"" : "%s", why.text,
			 shown);
		message_decide(message, OUTCOME_BAD_TAG, "%s", text);
		return false;
	}
	return true;
}

bool message_check_sender(struct message *message)
{
	switch (message->sender_reading) {
	case MAILBOX_GOOD:
		return true;
	case MAILBOX_UNKNOWN:
		return message_decide(
			message, OUTCOME_MISCONFIGURED,
			"the mail server does not tell how it reads sender %s: it gives this filter no "
			"{mail_addr}",
			message->typed_sender);
	case MAILBOX_BAD:
		break;
	}
	return message_decide(
		message, OUTCOME_BAD_SENDER,
		"sender %s is not one plain address of at most %d bytes, or is another one to the mail "
		"server: \"%s\"",
		message->typed_sender, ADDRESS_MAXIMUM, message->sender);
}

/* Whose account it is. */
static bool check_account(struct message *message)
{
	char text[sizeof(message->sender) + 64];

	if (!message_check_sender(message))
		return false;
	if (!message->login_fits) {
		message_decide(message, OUTCOME_NO_ACCOUNT,
			       "the login's name is too long to be one of an account's");
		return false;
	}
	/* The MTA would put its own behind it, and the stamp would be for another sender. */
	if (message->role == ROLE_GATE && message->sender[0] && !strchr(message->sender, '@')) {
		snprintf(text, sizeof(text), "sender <%s> has no domain", message->sender);
		message_decide(message, OUTCOME_BAD_SENDER, "%s", text);
		return false;
	}
	message->account = policy_account(message->config, message->login, message->sender);
	if (message->account)
		return true;
	snprintf(text, sizeof(text), "sender <%s> belongs to no Cronofy account here",
		 message->sender);
	message_decide(message, OUTCOME_NO_ACCOUNT, "%s", text);
	return false;
}

static bool check_recipient_count(struct message *message)
{
	const size_t count = message->envelope.count;
	char text[192];

	if (message->envelope.text.failed) {
		message_decide(message, OUTCOME_TOO_MANY_RECIPIENTS,
			       "more recipients than this filter takes in one message");
		return false;
	}
	if (count <= 1)
		return true;
	if (message->role == ROLE_DIRECT) {
		snprintf(text, sizeof(text),
			 "%zu recipients in one message, and this filter runs in direct mode, "
			 "not in queued mode: send one message to each recipient",
			 count);
		message_decide(message, OUTCOME_TOO_MANY_RECIPIENTS, "%s", text);
		return false;
	}
	if (message->role == ROLE_GATE && !message->tag.recipient[0])
		return true;
	if (message->role == ROLE_GATE) {
		snprintf(
			text, sizeof(text),
			"recipient=<%.64s> names one recipient, but the message has %zu: send it a "
			"message of its own",
			message->tag.recipient, count);
		message_decide(message, OUTCOME_TOO_MANY_RECIPIENTS, "%s", text);
		return false;
	}
	snprintf(
		text, sizeof(text),
		"%zu recipients came to the second listener at once; the MTA's limit for it must be "
		"one recipient a message",
		count);
	message_decide(message, OUTCOME_MISCONFIGURED, "%s", text);
	return false;
}

static bool check_address(struct message *message, const char *address)
{
	char text[ADDRESS_MAXIMUM + 128];

	if (mailbox_is_plain(address))
		return true;
	snprintf(text, sizeof(text),
		 "the recipient \"%s\" is no address of the form user@domain; name the invite's "
		 "with ;recipient=",
		 address);
	message_decide(message, OUTCOME_BAD_RECIPIENT, "%s", text);
	return false;
}

/* The way to the second listener is by the recipient's domain: there must be a fit one. */
static bool check_reroute(struct message *message, const struct envelope_recipient *recipient)
{
	const char *address = recipient->address;
	char text[ADDRESS_MAXIMUM + 192];

	if (mailbox_is_plain(address) && envelope_can_reroute(recipient))
		return true;
	snprintf(text, sizeof(text),
		 "the recipient \"%s\" cannot be queued: it must be user@domain with a name as the "
		 "domain, of at most %zu characters",
		 address, ENVELOPE_REROUTED_MAXIMUM - strlen(ENVELOPE_SUFFIX));
	message_decide(message, OUTCOME_BAD_RECIPIENT, "%s", text);
	return false;
}

/* Whose invite it is; at the gate, whether each recipient can be one. */
static bool check_recipients(struct message *message)
{
	struct envelope_recipient recipient;
	size_t at = 0;

	if (message->role == ROLE_GATE) {
		const bool reroutes = message->config->route == ROUTE_DOMAIN;

		if (message->tag.recipient[0] && !reroutes)
			return true;
		while (envelope_next(&message->envelope, &at, &recipient))
			if (reroutes ? !check_reroute(message, &recipient)
				     : !check_address(message, recipient.address))
				return false;
		return true;
	}
	snprintf(message->invite_recipient, sizeof(message->invite_recipient), "%s",
		 message->tag.recipient[0] ? message->tag.recipient
					   : envelope_first(&message->envelope));
	/* Aliases were expanded on the way here: the invite is that of the address they stand for. */
	if (message->role == ROLE_CANCEL && !message->tag.recipient[0] &&
	    envelope_next(&message->envelope, &at, &recipient)) {
		char original[sizeof(message->invite_recipient)];

		if (envelope_original(&recipient, original, sizeof(original)))
			memcpy(message->invite_recipient, original, sizeof(original));
	}
	return message->tag.recipient[0] || check_address(message, message->invite_recipient);
}

bool message_check(struct message *message)
{
	if (!message_needs_stamp(message) && (!check_tag(message) || !check_account(message)))
		return false;
	if (!check_recipient_count(message) || !check_recipients(message))
		return false;
	if (message->headers.content.failed) {
		message_decide(message, OUTCOME_BAD_HEADERS,
			       "the Content-* headers of the message are too large to be "
			       "understood");
		return false;
	}
	return message->role != ROLE_GATE || !message_is_too_large(message);
}

bool message_check_edits(struct message *message)
{
	const struct headers *headers = &message->headers;

	if (headers_most_edits(headers) <= HEADERS_EDITS_MAXIMUM)
		return true;
	return message_decide(
		message, OUTCOME_BAD_HEADERS,
		"too many headers that this filter would have to change: %zu of this name, %zu "
		"Content-*, %zu MIME-Version; it makes at most %d changes",
		headers->tags, headers->content_fields, headers->mime_versions,
		HEADERS_EDITS_MAXIMUM);
}

bool message_check_shape(struct message *message)
{
	struct problem why;
	char text[sizeof(why.text) + 64];

	if (mime_scanner_finish(message->scanner, &message->plan, &why))
		return true;
	snprintf(text, sizeof(text), "the message cannot take a calendar: %s", why.text);
	message_decide(message, OUTCOME_BAD_SHAPE, "%s", text);
	return false;
}

bool message_is_too_large(struct message *message)
{
	const long long limit = message->config->max_message_size;
	const long long seen = (long long)message->headers.bytes + (long long)message->body.length;
	char text[128];

	/* The gate does not see the body; all that it knows is what the client announced. */
	if (seen <= limit && (message->role != ROLE_GATE || message->announced_size <= limit))
		return false;
	snprintf(text, sizeof(text), "the message is larger than %lld bytes; nothing was cancelled",
		 limit);
	message_decide(message, OUTCOME_TOO_LARGE, "%s", text);
	return true;
}

bool message_refuse_suffix(struct message *message)
{
	if (message->role != ROLE_GATE || message->config->route != ROUTE_DOMAIN)
		return false;
	message_decide(message, OUTCOME_RESERVED_DOMAIN,
		       "domains that end in " ENVELOPE_SUFFIX " are for this filter alone");
	return true;
}
