/* config: the configuration, made empty, shared and freed. */
#include "config.h"

#include "config_value.h"
#include "key_file.h"

#include <stdlib.h>
#include <string.h>

static bool is_of_account(const struct config_key *key)
{
	return config_key_is_of(key, SECTION_ACCOUNT);
}

/* Sets every field of the config, or of an account, to its default. */
static bool set_initial(void *base, bool (*is_wanted)(const struct config_key *))
{
	bool good = true;

	for (size_t i = 0; i < config_key_count && good; i++)
		if (is_wanted(&config_keys[i]))
			good = config_value_set_initial(&config_keys[i], base);
	return good;
}

static void free_values(void *base, bool (*is_wanted)(const struct config_key *))
{
	for (size_t i = 0; i < config_key_count; i++)
		if (is_wanted(&config_keys[i]))
			config_value_free(&config_keys[i], base);
}

static bool is_of_config(const struct config_key *key)
{
	return !is_of_account(key);
}

static void free_account(struct account *account)
{
	free_values(account, is_of_account);
	key_free(account->api_key);
	free(account->name);
	free(account->endpoint);
	free(account->lines);
}

static bool make_account(struct account *account, const char *name, size_t line)
{
	*account = (struct account){
		.name = strdup(name),
		.line = line,
		.lines = calloc(config_key_count, sizeof(*account->lines)),
	};
	return account->name && account->lines && set_initial(account, is_of_account);
}

struct account *config_add_account(struct config *config, const char *name, size_t line)
{
	const size_t count = config->account_count;
	struct account *accounts = realloc(config->accounts, (count + 1) * sizeof(*accounts));

	if (!accounts)
		return NULL;
	config->accounts = accounts;
	if (make_account(&accounts[count], name, line)) {
		config->account_count++;
		return &accounts[count];
	}
	free_account(&accounts[count]);
	return NULL;
}

struct config *config_new(const char *file)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->references = 1;
	config->file = strdup(file);
	config->lines = calloc(config_key_count, sizeof(*config->lines));
	if (config->file && config->lines && set_initial(config, is_of_config) &&
	    make_account(&config->defaults, "cronofy", 0))
		return config;
	config_release(config);
	return NULL;
}

struct config *config_hold(struct config *config)
{
	atomic_fetch_add(&config->references, 1);
	return config;
}

void config_release(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->references, 1) != 1)
		return;
	for (size_t i = 0; i < config->account_count; i++)
		free_account(&config->accounts[i]);
	free(config->accounts);
	free_account(&config->defaults);
	free_values(config, is_of_config);
	key_free(config->stamp_key);
	key_free(config->stamp_key_previous);
	key_free(config->address_key);
	key_free(config->redis_password);
	key_free(config->redis_secret);
	explicit_bzero(&config->redis_address, sizeof(config->redis_address));
	free(config->file);
	free(config->lines);
	free(config);
}

int config_log_facility(const struct config *config)
{
	return log_facility(config->syslog_facility);
}
