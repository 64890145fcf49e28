/* Secrets in files of their own. */
#include "key_file.h"

#include "folder.h"
#include "testing.h"

static char *read_as(void **state, mode_t mode, const char *data, size_t length, struct problem *why)
{
	return key_file_read(folder_write(*state, "key", mode, data, length), why);
}

static const struct {
	const char *content, *key;
} keys[] = {
	{"CRN_abc123", "CRN_abc123"},
	{"CRN_abc123\n", "CRN_abc123"},
	{"CRN_abc123\r\n", "CRN_abc123"},
	{"CRN_abc123 \t\n\n", "CRN_abc123"},
	{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
};

static void reads_the_one_word_in_the_file(void **state)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct problem why;
		char *key = read_as(state, 0600, keys[i].content, strlen(keys[i].content), &why);

		assert_non_null(key);
		assert_string_equal(key, keys[i].key);
		key_free(key);
	}
}

static const struct {
	const char *content;
	size_t length;
	const char *says;
} faulty[] = {
	{"", 0, "empty"},
	{"\n \n", 3, "empty"},
	{"two words\n", 10, "more than one word"},
	{"one\ntwo\n", 8, "more than one word"},
	{" key", 4, "more than one word"},
	{"k\xc3\xa9y", 4, "more than one word"},
	{"k\0y", 3, "more than one word"},
	{"key\0", 4, "more than one word"},
	{"k\x7fy", 3, "more than one word"},
};

static void refuses_what_is_no_key(void **state)
{
	for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
		struct problem why;

		assert_null(read_as(state, 0600, faulty[i].content, faulty[i].length, &why));
		assert_contains(why.text, faulty[i].says);
	}
}

static void a_complaint_never_shows_the_key(void **state)
{
	struct problem why;

	assert_null(read_as(state, 0600, "secret word", 11, &why));
	assert_null(strstr(why.text, "secret"));
	assert_null(read_as(state, 0644, "secret", 6, &why));
	assert_null(strstr(why.text, "secret"));
}

static void refuses_a_file_that_others_can_use(void **state)
{
	static const struct {
		mode_t mode;
		bool good;
	} modes[] = {
		{0600, true},  {0400, true},  {0700, true},  {0640, true},  {0440, true},
		{0604, false}, {0602, false}, {0601, false}, {0620, false}, {0660, false},
		{0644, false}, {0666, false}, {0777, false},
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct problem why;
		char *key = read_as(state, modes[i].mode, "key", 3, &why);

		assert_int_equal(key != NULL, modes[i].good);
		if (!key)
			assert_contains(why.text, "chmod 0600");
		key_free(key);
	}
}

static void refuses_a_file_that_is_too_long(void **state)
{
	char *text = text_of_length(3 * KEY_FILE_MAXIMUM, 'k');
	struct problem why;
	char *key;

	text[KEY_FILE_MAXIMUM - 1] = '\n';
	key = read_as(state, 0600, text, KEY_FILE_MAXIMUM, &why);
	assert_non_null(key);
	assert_int_equal(strlen(key), KEY_FILE_MAXIMUM - 1);
	key_free(key);
	text[KEY_FILE_MAXIMUM - 1] = 'k';
	assert_null(read_as(state, 0600, text, KEY_FILE_MAXIMUM + 1, &why));
	assert_contains(why.text, "too long");
	assert_null(read_as(state, 0600, text, 3 * KEY_FILE_MAXIMUM, &why));
	/* Nor is a beginning taken for the whole. */
	memset(text + 3, '\n', 3 * KEY_FILE_MAXIMUM - 6);
	key = read_as(state, 0600, text, 3 * KEY_FILE_MAXIMUM, &why);
	assert_null(key);
	free(text);
}

static void refuses_what_is_no_file(void **state)
{
	const struct folder *folder = *state;
	struct problem why;
	char path[128];

	assert_null(key_file_read(folder->path, &why));
	assert_contains(why.text, "not a regular file");
	snprintf(path, sizeof(path), "%s/none", folder->path);
	assert_null(key_file_read(path, &why));
	assert_contains(why.text, path);
	/* A pipe without a writer must not make it wait. */
	snprintf(path, sizeof(path), "%s/pipe", folder->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(key_file_read(path, &why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_one_word_in_the_file),
		cmocka_unit_test(refuses_what_is_no_key),
		cmocka_unit_test(a_complaint_never_shows_the_key),
		cmocka_unit_test(refuses_a_file_that_others_can_use),
		cmocka_unit_test(refuses_a_file_that_is_too_long),
		cmocka_unit_test(refuses_what_is_no_file),
	};

	return cmocka_run_group_tests_name("key_file", tests, folder_setup, folder_teardown);
}
