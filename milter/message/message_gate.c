#include "message_state.h"

#include "hex.h"
#include "stamp.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The stamp is bound to the Message-ID, and some MTAs would make one only later. */
static bool add_message_id(struct message *message)
{
	unsigned char random[16];
	char digits[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	hex_write(digits, random, sizeof(random));
	snprintf(message->headers.message_id, sizeof(message->headers.message_id), "<%s@%.200s>",
		 digits, message->host[0] ? message->host : "cancel-invite-milter.invalid");
	header_edits_add_field(&message->edits, "Message-ID", message->headers.message_id);
	return true;
}

/*
 * The sender in the one form that both listeners see: Postfix tells the first one of mail from
 * sendmail(1) "Robot@x", and the second one "robot@x". `sender` has room for it.
 */
static struct stamp_bond bond_of(const struct message *message, char sender[ADDRESS_MAXIMUM + 1])
{
	mailbox_fold(sender, ADDRESS_MAXIMUM + 1, message->sender);
	return (struct stamp_bond){
		.key = message->config->stamp_key,
		.sender = sender,
		.message_id = message->headers.message_id,
	};
}

void message_stamp(struct message *message)
{
	struct stamp stamp = {.time = (long long)time(NULL)};
	struct buffer value = buffer_with_maximum((size_t)2 * STAMP_VALUE_MAXIMUM);
	struct stamp_bond bond;
	char sender[ADDRESS_MAXIMUM + 1];

	snprintf(stamp.account, sizeof(stamp.account), "%s", message->account->name);
	snprintf(stamp.id, sizeof(stamp.id), "%s", message->tag.id);
	snprintf(stamp.recipient, sizeof(stamp.recipient), "%s", message->tag.recipient);
	stamp.probe = message->tag.probe;
	if (!message->headers.message_id[0] && !add_message_id(message)) {
		message_decide(message, OUTCOME_FAILED, "no Message-ID could be made");
		return;
	}
	bond = bond_of(message, sender);
	if (stamp_write(&stamp, &bond, &value)) {
		header_edits_replace_tags(&message->headers, message->config->header, value.data,
					  &message->edits);
		message->rerouted = message->config->route == ROUTE_DOMAIN;
		message_accept(message, OUTCOME_QUEUED);
	} else {
		message_decide(message, OUTCOME_FAILED, "no memory for the stamp");
	}
	buffer_free(&value);
}

static bool read_stamp(const struct message *message, struct stamp *stamp, struct problem *why)
{
	const struct buffer *value = &message->headers.stamp_value;
	char sender[ADDRESS_MAXIMUM + 1];
	const struct stamp_bond bond = bond_of(message, sender);

	return stamp_read(stamp, (struct span){value->data, value->length}, &bond, why);
}

bool message_has_true_stamp(const struct message *message)
{
	struct stamp stamp;
	struct problem why;

	return message->config->stamp_key && message->headers.stamps > 0 &&
	       read_stamp(message, &stamp, &why);
}

/* It is a true one, and what makes it old may be a clock that was set by mistake. */
static bool refuse_old_stamp(struct message *message)
{
	struct clock_watch *clock = message->services->clock;

	if (!clock || clock_watch_look(clock) == CLOCK_TRUSTED)
		return message_decide(message, OUTCOME_BAD_STAMP,
				      "the stamp is older than stamp_lifetime");
	return message_decide(
		message, OUTCOME_MISCONFIGURED,
		"the stamp is older than stamp_lifetime if the time of day is right; it may be "
		"wrong for an hour after the start, and for a day after it was changed");
}

static const struct account *account_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

bool message_needs_stamp(const struct message *message)
{
	return message->role == ROLE_CANCEL &&
	       (message->config->mode == MODE_QUEUED ||
		(message->config->stamp_key && message->headers.stamps > 0));
}

bool message_check_stamp(struct message *message)
{
	const struct headers *headers = &message->headers;
	struct stamp stamp;
	struct problem why;

	if (!message_check_sender(message))
		return false;
	if (headers->tags != 1 || headers->stamps != 1)
		return message_decide(
			message, OUTCOME_BAD_STAMP,
			"only mail that came in by another listener, and was stamped there, may "
			"cancel invites here");
	if (!read_stamp(message, &stamp, &why))
		return message_decide(message, OUTCOME_BAD_STAMP, "the stamp is not a true one: %s",
				      why.text);
	memcpy(message->tag.id, stamp.id, sizeof(stamp.id));
	memcpy(message->tag.recipient, stamp.recipient, sizeof(stamp.recipient));
	message->tag.probe = stamp.probe;
	if ((long long)time(NULL) - stamp.time > message->config->stamp_lifetime / 1000)
		return refuse_old_stamp(message);
	message->trusted = true; /* that was decided at the gate */
	message->account = account_named(message->config, stamp.account);
	if (message->account)
		return true;
	return message_decide(message, OUTCOME_MISCONFIGURED,
			      "account %s, in which the message was queued, is not configured",
			      stamp.account);
}
