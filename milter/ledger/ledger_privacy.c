/* ledger_privacy: what is kept where addresses are not to be. */
#include "ledger_privacy.h"

#define REASON_MAXIMUM 4096 /* bytes */

const struct ledger_key *ledger_private_key(const struct redact *redact,
					    const struct ledger_key *key, struct private_key *out)
{
	out->key = *key;
	if (redact->form != REDACT_FULL)
		out->key.recipient = redact_address(redact, key->recipient, out->recipient);
	return &out->key;
}

const struct record *ledger_private_record(const struct redact *redact, const struct record *record,
					   struct private_record *out)
{
	const char **texts = out->record.texts;

	out->record = *record;
	out->reason = buffer_with_maximum(REASON_MAXIMUM);
	if (redact->form == REDACT_FULL)
		return &out->record;
	texts[RECORD_RECIPIENT] =
		redact_address(redact, record_text(record, RECORD_RECIPIENT), out->recipient);
	texts[RECORD_ENVELOPE_RECIPIENT] = redact_address(
		redact, record_text(record, RECORD_ENVELOPE_RECIPIENT), out->envelope_recipient);
	texts[RECORD_SENDER] =
		redact_address(redact, record_text(record, RECORD_SENDER), out->sender);
	redact_text(redact, record_text(record, RECORD_REASON), &out->reason);
	texts[RECORD_REASON] = out->reason.data;
	return &out->record;
}
