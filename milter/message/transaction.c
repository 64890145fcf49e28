/* transaction: gathers what the MTA reports about one message. */
#include "transaction.h"

#include "clock.h"
#include "hex.h"
#include "policy.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct transaction transaction_new(void)
{
	return (struct transaction){.headers = headers_new(), .envelope = envelope_new()};
}

void transaction_clear(struct transaction *transaction)
{
	struct headers headers = transaction->headers;
	struct envelope envelope = transaction->envelope;

	config_release(transaction->config);
	headers_clear(&headers);
	envelope_clear(&envelope);
	memset(transaction, 0, sizeof(*transaction));
	transaction->headers = headers;
	transaction->envelope = envelope;
}

void transaction_free(struct transaction *transaction)
{
	config_release(transaction->config);
	headers_free(&transaction->headers);
	envelope_free(&transaction->envelope);
}

static enum role role_of(const struct config *config, const struct transaction_origin *origin)
{
	if (config->mode == MODE_DIRECT || origin->by_administrator)
		return ROLE_DIRECT;
	if (strcmp(origin->daemon, config->queue_daemon) == 0)
		return ROLE_SECOND;
	return config->mode == MODE_ROUTED ? ROLE_MISPLACED : ROLE_SUBMISSION;
}

static bool is_trusted(const struct config *config, const struct transaction_origin *origin)
{
	if (origin->by_administrator)
		return true;
	/* Routed mode: who may cancel, the MTA decides; only its own mail is the second listener's. */
	if (config->mode == MODE_ROUTED)
		return network_is_loopback(origin->client);
	return policy_is_trusted(config, origin->client, origin->login);
}

static void copy_client(struct sockaddr_storage *to, const struct sockaddr *client)
{
	if (client && client->sa_family == AF_INET)
		memcpy(to, client, sizeof(struct sockaddr_in));
	else if (client && client->sa_family == AF_INET6)
		memcpy(to, client, sizeof(struct sockaddr_in6));
}

void transaction_begin(struct transaction *transaction, struct config *config,
		       const struct transaction_origin *origin)
{
	transaction_clear(transaction);
	transaction->config = config_hold(config);
	transaction->begun = clock_now();
	transaction->role = role_of(config, origin);
	transaction->trusted = is_trusted(config, origin);
	copy_client(&transaction->client, origin->client);
	transaction->login_fits = strlen(origin->login) < sizeof(transaction->login);
	if (transaction->login_fits)
		memcpy(transaction->login, origin->login, strlen(origin->login) + 1);
	snprintf(transaction->host, sizeof(transaction->host), "%s", origin->host);
	transaction->size = origin->size;
	transaction->sender_reading = mailbox_read(transaction->sender, sizeof(transaction->sender),
						   origin->sender, origin->parsed_sender);
	if (transaction->sender_reading != MAILBOX_GOOD)
		problem_quote(transaction->typed_sender, sizeof(transaction->typed_sender),
			      origin->sender, strlen(origin->sender));
}

void transaction_add_recipient(struct transaction *transaction, const char *recipient,
			       char *const *parameters)
{
	envelope_add(&transaction->envelope, recipient, parameters);
}

void transaction_add_header(struct transaction *transaction, const char *name, const char *value,
			    bool space_cut)
{
	headers_add(&transaction->headers, transaction->config->header, name, value, space_cut);
}

void transaction_end_headers(struct transaction *transaction, const char *queue_id)
{
	snprintf(transaction->queue_id, sizeof(transaction->queue_id), "%s", queue_id);
}

bool transaction_ensure_message_id(struct transaction *transaction)
{
	struct headers *headers = &transaction->headers;
	const char *host =
		transaction->host[0] ? transaction->host : "cancel-invite-milter.invalid";
	unsigned char random[16];
	char digits[2 * sizeof(random) + 1];

	if (headers->message_id[0])
		return true;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	hex_write(digits, random, sizeof(random));
	snprintf(headers->message_id, sizeof(headers->message_id), "<%s@%.200s>", digits, host);
	transaction->made_message_id = true;
	return true;
}

bool transaction_is_for_archive(const struct transaction *transaction)
{
	return transaction->envelope.count == 1 &&
	       policy_is_archive(transaction->config, envelope_first(&transaction->envelope));
}

bool transaction_is_from_organizer(const struct transaction *transaction,
				   const struct account *account)
{
	return !account->organizer[0] ||
	       strcasecmp(account->organizer, transaction->headers.from) == 0;
}
