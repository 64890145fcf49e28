/* show_config: the commands that print the configuration. */
#include "show_config.h"

#include "config_load.h"
#include "config_show.h"

#include <stdio.h>
#include <sysexits.h>

#define OUTPUT_MAXIMUM ((size_t)64 * 1024 * 1024) /* bytes */

/* Prints it whole or not at all, frees it, and gives an exit code. */
static int print(struct buffer *text)
{
	int exit_code = EX_OK;

	if (text->failed)
		exit_code = EX_OSERR;
	else if (fwrite(text->data, 1, text->length, stdout) != text->length || fflush(stdout) != 0)
		exit_code = EX_IOERR;
	buffer_free(text);
	return exit_code;
}

int show_config(const char *file)
{
	struct buffer out = buffer_with_maximum(OUTPUT_MAXIMUM);
	struct buffer faults = buffer_with_maximum((size_t)64 * 1024);
	struct config *config = config_read(file, &faults);

	if (config)
		config_show(config, &out);
	else
		fputs(faults.data ? faults.data : "no memory\n", stderr);
	buffer_free(&faults);
	if (!config)
		return EX_CONFIG;
	config_release(config);
	return print(&out);
}

int show_keys(void)
{
	struct buffer out = buffer_with_maximum(OUTPUT_MAXIMUM);

	config_show_keys(&out);
	return print(&out);
}
