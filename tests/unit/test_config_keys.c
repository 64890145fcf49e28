/* The table of keys: what holds for each row, whatever the row is. */
#include "config_load.h"

#include "config_keys.h"
#include "config_value.h"
#include "testing.h"

static void every_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key->name || !key->initial || key->section >= SECTION_COUNT ||
		    key->type >= TYPE_COUNT)
			fail_msg("row %zu has a hole", i);
		if ((key->type == TYPE_CHOICE) != (key->choices != NULL))
			fail_msg("%s: choices belong to a choice", key->name);
		if ((key->type == TYPE_NUMBER || key->type == TYPE_OCTAL ||
		     key->type == TYPE_RATE || key->type == TYPE_SIZE ||
		     key->type == TYPE_DURATION) != (key->most > 0))
			fail_msg("%s: a range belongs to a number", key->name);
		for (size_t j = 0; j < i; j++) {
			if (config_key_is_of(&config_keys[j], SECTION_ACCOUNT) !=
			    config_key_is_of(key, SECTION_ACCOUNT))
				continue;
			if (config_keys[j].offset == key->offset)
				fail_msg("%s and %s fill one field", config_keys[j].name,
					 key->name);
			if (config_keys[j].section == key->section &&
			    strcmp(config_keys[j].name, key->name) == 0)
				fail_msg("two rows for %s", key->name);
		}
	}
}

/* The struct that a row's field is in. */
static void *base_of(struct config *config, const struct config_key *key)
{
	return config_key_is_of(key, SECTION_ACCOUNT) ? (void *)&config->defaults : config;
}

static void every_default_can_be_read_shown_copied_and_compared(void **state)
{
	struct config *config = config_new("/x"), *other = config_new("/x");

	(void)state;
	assert_non_null(config);
	assert_non_null(other);
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		void *base = base_of(config, key), *copy = base_of(other, key);
		struct buffer shown = buffer_with_maximum(10000);
		struct problem why;

		config_value_show(key, base, &shown);
		assert_false(shown.failed);
		assert_true(config_value_is_same(key, base, copy));
		config_value_free(key, copy);
		assert_true(config_value_copy(key, copy, base));
		assert_true(config_value_is_same(key, base, copy));
		/* What is shown can be read again, and means the same. */
		if (!config_value_is_list(key)) {
			if (!config_value_set(key, copy, "/", shown.data ? shown.data : "", &why))
				fail_msg("%s: %s", key->name, why.text);
			assert_true(config_value_is_same(key, base, copy));
		}
		buffer_free(&shown);
	}
	config_release(config);
	config_release(other);
}

static void a_text_of_an_account_that_nobody_gives_is_empty(void **state)
{
	struct config *config = config_new("/x");
	const struct account *account = config_add_account(config, "acme", 1);

	(void)state;
	/* A text that the file does not give is a text all the same. */
	assert_string_equal(account->url, "");
	assert_string_equal(account->proxy, "");
	assert_string_equal(account->ca_file, "");
	assert_string_equal(account->api_key_file, "");
	config_release(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(every_default_can_be_read_shown_copied_and_compared),
		cmocka_unit_test(a_text_of_an_account_that_nobody_gives_is_empty),
	};

	return cmocka_run_group_tests_name("config_keys", tests, NULL, NULL);
}
