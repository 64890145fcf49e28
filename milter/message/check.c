/* check: the checks of a tagged message, each by itself. */
#include "check.h"

#include "policy.h"
#include "queued.h"

#include <string.h>

#define ADDRESS_SHOWN 100 /* bytes of an address in a reply that names several */

bool check_suffix(const struct transaction *transaction, struct verdict *why)
{
	if (!transaction->envelope.suffixed || transaction->role != ROLE_SUBMISSION ||
	    transaction->config->route != ROUTE_DOMAIN)
		return true;
	return verdict_refuse(why, OUTCOME_RESERVED_DOMAIN,
			      "domains that end in " ENVELOPE_SUFFIX
			      " are reserved for this filter; use the recipient's real address");
}

bool check_listener(const struct transaction *transaction, struct verdict *why)
{
	if (transaction->config->mode != MODE_ROUTED)
		return true;
	if (transaction->role == ROLE_MISPLACED)
		return verdict_refuse(
			why, OUTCOME_MISCONFIGURED,
			"mode = routed, but this listener is not named like queue_daemon; run the "
			"filter on the second listener only");
	return transaction->trusted || transaction->role == ROLE_DIRECT ||
	       verdict_refuse(why, OUTCOME_MISCONFIGURED,
			      "mode = routed, but the second listener takes mail from elsewhere; "
			      "let it listen on this machine only");
}

bool check_edits(const struct transaction *transaction, struct verdict *why)
{
	const struct headers *headers = &transaction->headers;

	if (headers->bytes > HEADERS_BYTES_MAXIMUM)
		return verdict_refuse(
			why, OUTCOME_BAD_HEADERS,
			"%zu bytes of headers; this filter changes none in more than %zu",
			headers->bytes, HEADERS_BYTES_MAXIMUM);
	return headers_most_edits(headers) <= HEADERS_EDITS_MAXIMUM ||
	       verdict_refuse(why, OUTCOME_BAD_HEADERS,
			      "too many headers to change: %zu of this name, %zu Content-*, %zu "
			      "MIME-Version; send a message with at most %d of them",
			      headers->tags, headers->content_fields, headers->mime_versions,
			      HEADERS_EDITS_MAXIMUM);
}

/* A header that looks like a stamp where there should be a tag. */
static bool refuse_stamp(const struct transaction *transaction, struct verdict *why)
{
	struct stamp stamp;
	struct problem problem;

	if (queued_read_stamp(transaction, &stamp, &problem))
		return verdict_refuse(
			why, OUTCOME_MISCONFIGURED,
			transaction->role == ROLE_SUBMISSION
				? "stamped mail came to a listener that is not named like "
				  "queue_daemon"
				: "mail that was stamped in queued mode came in direct mode; keep "
				  "mode = queued until the MTA's queue is empty");
	if (problem.cannot_tell)
		return verdict_refuse(why, OUTCOME_FAILED, "the stamp: %s", problem.text);
	return verdict_refuse(why, OUTCOME_BAD_TAG,
			      "this is a stamp, which only the filter may write; give the invite's "
			      "id");
}

bool check_tag(const struct transaction *transaction, struct tag *tag, struct verdict *why)
{
	const struct headers *headers = &transaction->headers;
	const size_t tags = headers->tags - headers->stamps;
	const struct span value = span_trim(buffer_span(&headers->tag_value));
	struct problem problem;
	char shown[96];

	if (tags == 0)
		return refuse_stamp(transaction, why);
	if (tags > 1)
		return verdict_refuse(
			why, OUTCOME_BAD_TAG,
			"%zu of them in one message; send one message for each invite", tags);
	if (headers->tag_value.out_of_memory)
		return verdict_refuse(why, OUTCOME_FAILED, "no memory for the header");
	problem_set(&problem, "it is too long");
	if (!headers->tag_value.failed && tag_parse(tag, value, &problem))
		return true;
	if (problem.cannot_tell)
		return verdict_refuse(why, OUTCOME_FAILED, "%s", problem.text);
	problem_quote(shown, sizeof(shown), value.at, value.length);
	return verdict_refuse(why, OUTCOME_BAD_TAG, shown[0] ? "%s; the value is \"%s\"" : "%s",
			      problem.text, shown);
}

static bool check_reading(const struct transaction *transaction, struct verdict *why)
{
	switch (transaction->sender_reading) {
	case MAILBOX_GOOD:
		return true;
	case MAILBOX_UNKNOWN:
		return verdict_refuse(
			why, OUTCOME_MISCONFIGURED,
			"the mail server does not say how it reads sender %s; let it pass "
			"{mail_addr} to this filter",
			transaction->typed_sender);
	case MAILBOX_BAD:
		break;
	}
	return verdict_refuse(
		why, OUTCOME_BAD_SENDER,
		"sender %s is not one plain address of at most %d bytes, or the mail server reads "
		"it as another: \"%s\"",
		transaction->typed_sender, ADDRESS_MAXIMUM, transaction->sender);
}

bool check_sender(const struct transaction *transaction, struct verdict *why)
{
	if (!check_reading(transaction, why))
		return false;
	/* The MTA would put its own behind it, and the stamp would be for another sender. */
	return transaction->role != ROLE_SUBMISSION || !transaction->sender[0] ||
	       strchr(transaction->sender, '@') ||
	       verdict_refuse(why, OUTCOME_BAD_SENDER,
			      "sender <%s> has no domain; send as user@domain",
			      transaction->sender);
}

bool check_account(const struct transaction *transaction, const struct account **account,
		   struct verdict *why)
{
	if (!transaction->login_fits)
		return verdict_refuse(why, OUTCOME_NO_ACCOUNT,
				      "the login name is too long to belong to an account");
	*account = policy_account(transaction->config, transaction->login, transaction->sender);
	if (*account)
		return true;
	return verdict_refuse(why, OUTCOME_NO_ACCOUNT,
			      "sender <%s> belongs to no Cronofy account here; send as another, "
			      "or ask the administrator to add this one",
			      transaction->sender);
}

bool check_organizer(const struct transaction *transaction, const struct request *request,
		     struct verdict *why)
{
	const struct account *account = request->account;

	if (!transaction->config->strict_calendar || request->tag.probe ||
	    transaction_is_from_organizer(transaction, account))
		return true;
	return verdict_refuse(
		why, OUTCOME_NOT_ORGANIZER,
		"the invites of account %s have <%.*s> as organizer, and From is <%.*s>, so some "
		"programs would not act on the cancellation. Nothing was cancelled; send it with "
		"\"From: %.*s\"",
		account->name, ADDRESS_SHOWN, account->organizer, ADDRESS_SHOWN,
		transaction->headers.from, ADDRESS_SHOWN, account->organizer);
}

bool check_recipient_count(const struct transaction *transaction, const struct tag *tag,
			   struct verdict *why)
{
	const size_t count = transaction->envelope.count;

	if (transaction->envelope.text.out_of_memory)
		return verdict_refuse(why, OUTCOME_FAILED, "no memory for the recipients");
	if (transaction->envelope.text.failed)
		return verdict_refuse(why, OUTCOME_TOO_MANY_RECIPIENTS,
				      "too many recipients for one message; send several messages");
	if (count <= 1)
		return true;
	switch (transaction->role) {
	case ROLE_DIRECT:
		return verdict_refuse(
			why, OUTCOME_TOO_MANY_RECIPIENTS,
			"%zu recipients in one message, but this filter runs in direct mode, not "
			"in queued mode; send one message to each recipient",
			count);
	case ROLE_SUBMISSION:
		return !tag->recipient[0] ||
		       verdict_refuse(why, OUTCOME_TOO_MANY_RECIPIENTS,
				      "recipient=<%.64s> names one recipient, but the message has "
				      "%zu; send this recipient a message of its own",
				      tag->recipient, count);
	case ROLE_SECOND:
	case ROLE_MISPLACED: /* has been refused */
		break;
	}
	return verdict_refuse(why, OUTCOME_MISCONFIGURED,
			      "%zu recipients came to the second listener at once; set the MTA's "
			      "limit for it to one recipient per message",
			      count);
}

static bool check_address(const char *address, struct verdict *why)
{
	return mailbox_is_plain(address) ||
	       verdict_refuse(why, OUTCOME_BAD_RECIPIENT,
			      "the recipient \"%s\" is not of the form user@domain; name the "
			      "invite's recipient with ;recipient=",
			      address);
}

/* The way to the second listener is by the recipient's domain: there must be a fit one. */
static bool check_reroute(const struct envelope_recipient *recipient, struct verdict *why)
{
	return (mailbox_is_plain(recipient->address) && envelope_can_reroute(recipient)) ||
	       verdict_refuse(why, OUTCOME_BAD_RECIPIENT,
			      "the recipient \"%s\" cannot be queued: it must be user@domain with "
			      "a name as the domain, of at most %zu characters",
			      recipient->address,
			      ENVELOPE_REROUTED_MAXIMUM - strlen(ENVELOPE_SUFFIX));
}

bool check_recipients(const struct transaction *transaction, const struct tag *tag,
		      struct verdict *why)
{
	const bool reroutes = transaction->config->route == ROUTE_DOMAIN;
	struct envelope_recipient recipient;
	size_t at = 0;

	if (tag->recipient[0] && !reroutes)
		return true;
	while (envelope_next(&transaction->envelope, &at, &recipient))
		if (reroutes ? !check_reroute(&recipient, why)
			     : !check_address(recipient.address, why))
			return false;
	return true;
}

bool check_invite_recipient(const struct transaction *transaction, const struct tag *tag,
			    char *recipient, struct verdict *why)
{
	struct envelope_recipient first;
	size_t at = 0;

	if (tag->recipient[0]) {
		memcpy(recipient, tag->recipient, sizeof(tag->recipient));
		return true;
	}
	recipient[0] = '\0';
	if (envelope_next(&transaction->envelope, &at, &first)) {
		/* Aliases were expanded on the way: the invite is that of whom they stand for. */
		if (transaction->role == ROLE_SECOND &&
		    envelope_original(&first, recipient, ADDRESS_MAXIMUM + 1))
			return true;
		memcpy(recipient, first.address, strlen(first.address) + 1);
	}
	return check_address(recipient, why);
}

bool check_content(const struct transaction *transaction, struct verdict *why)
{
	const struct buffer *content = &transaction->headers.content;

	if (content->out_of_memory)
		return verdict_refuse(why, OUTCOME_FAILED, "no memory for the headers");
	return !content->failed ||
	       verdict_refuse(why, OUTCOME_BAD_HEADERS,
			      "the Content-* headers of the message are too large to be "
			      "understood; make them shorter");
}

bool check_size(const struct transaction *transaction, size_t body_length, struct verdict *why)
{
	const long long limit = transaction->config->max_message_size;
	const long long seen = (long long)transaction->headers.bytes + (long long)body_length;
	/* The first listener does not see the body: it knows what the client announced. */
	const long long announced = transaction->role == ROLE_SUBMISSION ? transaction->size : 0;

	return (seen <= limit && announced <= limit) ||
	       verdict_refuse(why, OUTCOME_TOO_LARGE,
			      "the message is larger than %lld bytes, so nothing was cancelled; "
			      "make it smaller",
			      limit);
}

bool check_shape(struct attach *attach, struct verdict *why)
{
	struct problem problem;

	if (attach_check(attach, &problem))
		return true;
	return verdict_refuse(why, problem.cannot_tell ? OUTCOME_FAILED : OUTCOME_BAD_SHAPE,
			      "the message cannot take a calendar: %s", problem.text);
}
