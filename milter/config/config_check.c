/* config_check: do the values of a configuration make sense together? */
#include "config_check.h"

#include "config_fault.h"
#include "config_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CANCEL_PATH "/v1/smart_invites"

static const char *const hosts[] = {
	[DATA_CENTER_US] = "api",    [DATA_CENTER_AU] = "api-au", [DATA_CENTER_CA] = "api-ca",
	[DATA_CENTER_DE] = "api-de", [DATA_CENTER_SG] = "api-sg", [DATA_CENTER_UK] = "api-uk",
};

static void check_ledger(const struct config *config, struct buffer *faults)
{
	if (config->ledger_required && !config->ledger_file)
		config_fault(config, faults, &config->ledger_required,
			     "there is no ledger: file = none");
	if (config->ledger_shared && !config->redis[0])
		config_fault(config, faults, &config->ledger_shared,
			     "it needs Redis; set url = redis://host in [redis]");
	/* Where stamps are made there is a key, from the first start on. */
	if (config->ledger_shared && !config->redis_secret_file[0] && !config->stamp_key &&
	    config->mode != MODE_QUEUED)
		config_fault(config, faults, &config->ledger_shared,
			     "it needs a secret that all hosts share; set secret_file = PATH in "
			     "[redis]");
}

static void check_redis(struct config *config, struct buffer *faults)
{
	struct problem why;

	/* A fault of the address itself was seen when it was read. */
	if (config->redis[0] && !redis_address_parse(&config->redis_address, config->redis, &why))
		return;
	if (strlen(config->redis_ca_file) >= sizeof(config->redis_address.ca_file))
		config_fault(config, faults, &config->redis_ca_file, "the path is too long");
	snprintf(config->redis_address.ca_file, sizeof(config->redis_address.ca_file), "%s",
		 config->redis_ca_file);
	if (config->redis_password_file[0] && config->redis_address.password[0])
		config_fault(config, faults, &config->redis_password_file,
			     "there is a password in url too; give one of them");
}

/* ---- accounts ---- */

static bool make_endpoint(struct account *account)
{
	size_t length = strlen(account->url);
	char endpoint[1024];

	while (length > 0 && account->url[length - 1] == '/')
		length--;
	if (account->url[0] == '\0')
		snprintf(endpoint, sizeof(endpoint), "https://%s.cronofy.com" CANCEL_PATH,
			 hosts[account->data_center]);
	else
		snprintf(endpoint, sizeof(endpoint), "%.*s" CANCEL_PATH, (int)length, account->url);
	account->endpoint = strdup(endpoint);
	return account->endpoint != NULL;
}

/* Each filter of a fleet can be left with its share of the rate, and that must be one at least. */
static void check_shared_rate(const struct config *config, const long long *rate,
			      struct buffer *faults)
{
	if (*rate != RATE_NONE && *rate < config->share_of)
		config_fault(config, faults, rate,
			     "%lld cannot be shared by %lld filters ([redis] share)", *rate,
			     config->share_of);
}

/* Two keys that say the same: which would be right? */
static void check_alternatives(const struct config *config, const struct account *account,
			       struct buffer *faults)
{
	if (config_line_of(config, &account->url) > 0 &&
	    config_line_of(config, &account->data_center) > 0)
		config_fault(config, faults, &account->url,
			     "there is a data_center too; give one of them");
}

static void check_account(const struct config *config, struct account *account,
			  struct buffer *faults)
{
	check_alternatives(config, account, faults);
	check_shared_rate(config, &account->requests_per_second, faults);
	check_shared_rate(config, &account->requests_per_minute, faults);
	if (strncasecmp(account->url, "http://", 7) == 0 && account->proxy[0])
		config_fault(config, faults, &account->url,
			     "http:// through a proxy would send the key unencrypted to it");
	if (!account->senders.count && !account->logins.count)
		config_fault_at(config, faults, account->line,
				"[account %s]: no senders and no logins; add those that belong to "
				"it",
				account->name);
	if (!make_endpoint(account))
		config_fault_at(config, faults, account->line, "no memory");
}

/* Two accounts that claim the same sender: which of their keys would be right? */
static void check_claims(const struct config *config, const struct account *a,
			 const struct string_list *of_a, const struct string_list *of_b,
			 struct buffer *faults)
{
	for (size_t i = 0; i < of_b->count; i++)
		for (size_t j = 0; j < of_a->count; j++)
			if (strcasecmp(of_a->items[j], of_b->items[i]) == 0)
				config_fault(config, faults, of_b,
					     "\"%s\" belongs to account %s already", of_b->items[i],
					     a->name);
}

static void check_accounts(struct config *config, struct buffer *faults)
{
	for (size_t b = 0; b < config->account_count; b++) {
		struct account *account = &config->accounts[b];

		check_account(config, account, faults);
		for (size_t a = 0; a < b; a++) {
			const struct account *other = &config->accounts[a];

			check_claims(config, other, &other->senders, &account->senders, faults);
			check_claims(config, other, &other->logins, &account->logins, faults);
		}
	}
}

void config_check(struct config *config, struct buffer *faults)
{
	config->socket_path = strncmp(config->socket, "unix:", 5) == 0 ? config->socket + 5 : NULL;
	check_ledger(config, faults);
	check_redis(config, faults);
	check_accounts(config, faults);
}
