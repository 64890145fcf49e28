/* server: puts a configuration in force in all parts of the process. */
#include "server.h"

#include "log.h"

#include <time.h>

struct config *server_config(struct server *server)
{
	struct config *config;

	pthread_mutex_lock(&server->lock);
	config = config_hold(server->config);
	pthread_mutex_unlock(&server->lock);
	return config;
}

/* What parts of the process keep of it for themselves. */
static void pass_on(const struct message_services *services, const struct config *config)
{
	log_open((enum log_target)config->log, config_log_facility(config),
		 (enum log_level)config->log_level, (enum log_format)config->log_format);
	for (size_t i = 0; i < config->account_count; i++)
		metrics_add_account(services->metrics, config->accounts[i].name);
	metrics_set_config_loaded(services->metrics, (long long)time(NULL));
	if (!pace_configure(services->pace, config))
		log_write(LOG_LEVEL_ERROR, "no memory for the rates of all accounts");
	if (services->ledger)
		ledger_set_keep(services->ledger, config->ledger_keep);
}

void server_put_in_force(struct server *server, struct config *config)
{
	struct config *old;

	pthread_mutex_lock(&server->lock);
	old = server->config;
	server->config = config;
	pthread_mutex_unlock(&server->lock);
	pass_on(&server->services, config);
	if (old != config)
		config_release(old);
}
