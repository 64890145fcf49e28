/* command_show: the commands that print tables: the configuration, its keys, what can become of mail. */
#include "command.h"
#include "config_show.h"
#include "invocation.h"
#include "outcome.h"
#include "output.h"

#define TABLE_MAXIMUM ((size_t)64 * 1024 * 1024) /* bytes; accounts can be many */

int command_show_config(const struct invocation *invocation)
{
	struct buffer out = buffer_with_maximum(TABLE_MAXIMUM);

	config_show(invocation->config, &out);
	return output_buffer(&out);
}

int command_keys(const struct invocation *invocation)
{
	struct buffer out = buffer_with_maximum(TABLE_MAXIMUM);

	(void)invocation;
	config_show_keys(&out);
	return output_buffer(&out);
}

int command_outcomes(const struct invocation *invocation)
{
	struct buffer out = buffer_with_maximum(TABLE_MAXIMUM);

	(void)invocation;
	outcome_write_table(&out);
	return output_buffer(&out);
}
