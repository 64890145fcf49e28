/* The stamps' secret is made once, for its owner's eyes only. */
#include "stamp_key.h"

#include "folder.h"
#include "key_file.h"
#include "testing.h"

#include <dirent.h>
#include <unistd.h>

#define NOBODY_ELSE ((uid_t)-1), ((gid_t)-1)

static size_t files_in(const char *folder)
{
	DIR *directory = opendir(folder);
	size_t count = 0;

	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void makes_a_secret_that_only_its_owner_can_read(void **state)
{
	const struct folder *folder = *state;
	char path[512];
	struct problem why;
	struct stat status;
	const size_t before = files_in(folder->path);
	char *key;

	snprintf(path, sizeof(path), "%s/stamp.key", folder->path);
	assert_true(stamp_key_make(path, NOBODY_ELSE, &why));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	key = key_file_read(path, &why);
	assert_non_null(key);
	assert_int_equal(strlen(key), 64);
	assert_int_equal(strspn(key, "0123456789abcdef"), 64);
	key_free(key);
	assert_int_equal(files_in(folder->path), before + 1); /* no draft is left */
}

static void leaves_a_secret_that_is_there(void **state)
{
	const char *path = folder_write(*state, "old.key", 0600, "old", 3);
	struct problem why;
	char *key;

	assert_true(stamp_key_make(path, NOBODY_ELSE, &why));
	key = key_file_read(path, &why);
	assert_string_equal(key, "old");
	key_free(key);
}

static void two_secrets_differ(void **state)
{
	const struct folder *folder = *state;
	char paths[2][512], *keys[2];
	struct problem why;

	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d.key", folder->path, i);
		assert_true(stamp_key_make(paths[i], NOBODY_ELSE, &why));
		keys[i] = key_file_read(paths[i], &why);
	}
	assert_string_not_equal(keys[0], keys[1]);
	key_free(keys[0]);
	key_free(keys[1]);
}

static void says_where_it_cannot_be_made(void **state)
{
	char path[512];
	struct problem why;

	snprintf(path, sizeof(path), "%s/missing/stamp.key", ((const struct folder *)*state)->path);
	assert_false(stamp_key_make(path, NOBODY_ELSE, &why));
	assert_contains(why.text, path);
	assert_contains(why.text, "No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_a_secret_that_only_its_owner_can_read),
		cmocka_unit_test(leaves_a_secret_that_is_there),
		cmocka_unit_test(two_secrets_differ),
		cmocka_unit_test(says_where_it_cannot_be_made),
	};

	return cmocka_run_group_tests_name("stamp_key", tests, folder_setup, folder_teardown);
}
