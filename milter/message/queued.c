/* queued: stamps made at submission, and read again after the queue. */
#include "queued.h"

#include <stdio.h>
#include <string.h>

/*
 * The sender in the one form that both listeners see: Postfix tells the first one of mail from
 * sendmail(1) "Robot@x", and the second one "robot@x". `sender` has room for it.
 */
static struct stamp_bond bond_of(const struct transaction *transaction,
				 char sender[ADDRESS_MAXIMUM + 1])
{
	mailbox_fold(sender, ADDRESS_MAXIMUM + 1, transaction->sender);
	return (struct stamp_bond){
		.key = transaction->config->stamp_key,
		.previous = transaction->config->stamp_key_previous,
		.sender = sender,
		.message_id = transaction->headers.message_id,
	};
}

/* ---- submission ---- */

bool queued_stamp(const struct transaction *transaction, const struct request *request,
		  long long now, struct header_edits *edits, struct verdict *why)
{
	const struct headers *headers = &transaction->headers;
	char sender[ADDRESS_MAXIMUM + 1];
	const struct stamp_bond bond = bond_of(transaction, sender);
	struct stamp stamp = {.time = now, .probe = request->tag.probe};
	struct buffer value = buffer_with_maximum((size_t)2 * STAMP_VALUE_MAXIMUM);
	bool good;

	snprintf(stamp.account, sizeof(stamp.account), "%s", request->account->name);
	snprintf(stamp.id, sizeof(stamp.id), "%s", request->tag.id);
	snprintf(stamp.recipient, sizeof(stamp.recipient), "%s", request->tag.recipient);
	good = stamp_write(&stamp, &bond, &value);
	if (good && transaction->made_message_id)
		header_edits_add_field(edits, "Message-ID", headers->message_id);
	if (good)
		header_edits_replace_tags(headers, transaction->config->header, value.data, edits);
	buffer_free(&value);
	return good || verdict_refuse(why, OUTCOME_FAILED, "no memory for the stamp");
}

/* ---- after the queue ---- */

bool queued_needs_stamp(const struct transaction *transaction)
{
	const struct config *config = transaction->config;

	return transaction->role == ROLE_SECOND &&
	       (config->mode == MODE_QUEUED ||
		(config->stamp_key && transaction->headers.stamps > 0));
}

bool queued_read_stamp(const struct transaction *transaction, struct stamp *stamp,
		       struct problem *why)
{
	const struct headers *headers = &transaction->headers;
	char sender[ADDRESS_MAXIMUM + 1];
	const struct stamp_bond bond = bond_of(transaction, sender);

	if (!transaction->config->stamp_key || headers->stamps == 0) {
		problem_set(why, "there is none, or no key for it");
		return false;
	}
	if (headers->stamp_value.out_of_memory) {
		problem_cannot_tell(why, "no memory for it");
		return false;
	}
	return stamp_read(stamp, buffer_span(&headers->stamp_value), &bond, why);
}

static const struct account *account_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

bool queued_check_header(const struct transaction *transaction, struct verdict *why)
{
	const struct headers *headers = &transaction->headers;

	if (headers->tags == 0)
		return verdict_refuse(
			why, OUTCOME_MISCONFIGURED,
			"mail without this header came to the second listener; was it "
			"renamed while mail was queued?");
	return (headers->tags == 1 && headers->stamps == 1) ||
	       verdict_refuse(why, OUTCOME_BAD_STAMP,
			      "this listener cancels invites only for mail that the submission "
			      "listener stamped");
}

static bool check_stamp(const struct transaction *transaction, struct stamp *stamp,
			struct queued_now now, struct verdict *why)
{
	struct problem problem;

	if (!queued_read_stamp(transaction, stamp, &problem))
		return verdict_refuse(why, problem.cannot_tell ? OUTCOME_FAILED : OUTCOME_BAD_STAMP,
				      "the stamp is not valid: %s", problem.text);
	if (now.time - stamp->time <= transaction->config->stamp_lifetime / 1000)
		return true;
	if (now.trusted)
		return verdict_refuse(why, OUTCOME_BAD_STAMP,
				      "the stamp is older than stamp_lifetime");
	return verdict_refuse(
		why, OUTCOME_MISCONFIGURED,
		"the stamp is older than stamp_lifetime, unless the time of day is wrong; it is "
		"not trusted for an hour after the start, and for a day after it was changed");
}

bool queued_check_stamp(const struct transaction *transaction, struct queued_now now,
			struct request *request, struct verdict *why)
{
	struct stamp stamp = {.time = 0};

	if (!check_stamp(transaction, &stamp, now, why))
		return false;
	memcpy(request->tag.id, stamp.id, sizeof(stamp.id));
	memcpy(request->tag.recipient, stamp.recipient, sizeof(stamp.recipient));
	request->tag.probe = stamp.probe;
	request->stamped = true;
	request->account = account_named(transaction->config, stamp.account);
	if (!request->account)
		return verdict_refuse(
			why, OUTCOME_MISCONFIGURED,
			"account %s, for which the message was queued, is not configured",
			stamp.account);
	/* It waits: it must not go out with its stamp and without its calendar. */
	return !transaction->config->dry_run || stamp.probe ||
	       verdict_refuse(why, OUTCOME_MISCONFIGURED,
			      "dry_run = yes, but this mail is stamped; it is deferred until "
			      "dry_run = no");
}
