/* A configuration file: it is good, or there is a fault in a line that can be shown. */
#include "config_load.h"

#include "memory_file.h"

#include <strings.h>

#define KEY_FILE 100 /* what seeds call their api_key_file, beside which the configuration stands */

static int open_files(void)
{
	const int key = memory_file_new();

	memory_file_set(key, "CRN_key\n", 8);
	must(dup2(key, KEY_FILE) == KEY_FILE);
	close(key);
	return memory_file_new();
}

static void check_faults(const struct buffer *faults, const char *path)
{
	struct span rest = buffer_span(faults);

	must(rest.length > 0);
	must(utf8_valid(rest.at, rest.length));
	must(faults->failed || rest.at[rest.length - 1] == '\n');
	while (rest.length > 0) {
		const struct span line = fuzz_take_line(&rest);

		must(line.length > strlen(path) && memcmp(line.at, path, strlen(path)) == 0);
		for (size_t i = 0; i < line.length; i++)
			must((unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f);
	}
}

static void check_config(const struct config *config)
{
	must(config->account_count > 0);
	must(config->max_active > 0);
	must(config->on_unavailable != FALLBACK_REJECT);
	must(config_log_facility(config) >= 0);
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		must(account->name[0] && account->api_key[0] && account->attempts > 0);
		must(strncasecmp(account->endpoint, "http", 4) == 0);
		must(account->senders.count + account->logins.count > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	struct buffer faults = buffer_with_maximum(65536);
	struct config *config;
	char path[64];

	if (file < 0)
		file = open_files();
	memory_file_set(file, data, size);
	memory_file_path(file, path, sizeof(path));
	config = config_load(path, &faults);
	if (config) {
		must(faults.length == 0);
		check_config(config);
	} else {
		check_faults(&faults, path);
	}
	config_release(config);
	buffer_free(&faults);
	return 0;
}
