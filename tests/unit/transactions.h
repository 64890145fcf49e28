/* transactions: a configuration made by hand, and transactions with it, for tests of message/. */
#ifndef TRANSACTIONS_H
#define TRANSACTIONS_H

#include "transaction.h"

#include <arpa/inet.h>

/* What a test changes, it changes before it begins a transaction; transactions_reset() in between. */
static struct config config;
static struct account accounts[2];

static inline void transactions_reset(void)
{
	static char *acme[] = {"app@acme.example", "@sub.acme.example"}, *login[] = {"acme-login"};
	static char *globex[] = {"@globex.example"}, *archive[] = {"archive@acme.example"};

	accounts[0] = (struct account){
		.name = "acme",
		.endpoint = "http://127.0.0.1:1/v1/smart_invites",
		.api_key = "key",
		.ca_file = "",
		.proxy = "",
		.organizer = "",
		.timeout = 1000,
		.deadline = 1000,
		.attempts = 1,
		.senders = {acme, 2},
		.logins = {login, 1},
	};
	accounts[1] = (struct account){.name = "globex", .organizer = "", .senders = {globex, 1}};
	config = (struct config){
		.references = 1,
		.header = "X-Cancel-Invite",
		.mode = MODE_QUEUED,
		.queue_daemon = "second",
		.stamp_key = "a key that is long enough to be one",
		.stamp_lifetime = 1000 * 1000,
		.archives = {archive, 1},
		.temp_dir = "/tmp",
		.body_memory = 1024 * 1024,
		.max_message_size = 10000,
		.max_active = 10,
		.trust_authenticated = true,
		.on_unavailable = FALLBACK_TEMPFAIL,
		.accounts = accounts,
		.account_count = 2,
	};
}

/* A transaction of role SUBMISSION, as long as the configuration's mode is queued. */
static inline struct transaction_origin transactions_origin(void)
{
	return (struct transaction_origin){
		.daemon = "",
		.host = "mail.acme.example",
		.login = "acme-login",
		.sender = "<app@acme.example>",
		.parsed_sender = "app@acme.example",
	};
}

static inline void transactions_begin(struct transaction *transaction,
				      const struct transaction_origin *origin)
{
	*transaction = transaction_new();
	transaction_begin(transaction, &config, origin);
}

static inline void transactions_header(struct transaction *transaction, const char *name,
				       const char *value)
{
	transaction_add_header(transaction, name, value, true);
}

#endif
