/* folder: a temporary folder for one test, with files in it. */
#ifndef FOLDER_H
#define FOLDER_H

#include "testing.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
};

static inline int folder_setup(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (!folder)
		return -1;
	memcpy(folder->path, "/tmp/cim-XXXXXX", sizeof("/tmp/cim-XXXXXX"));
	*state = folder;
	return mkdtemp(folder->path) ? 0 : -1;
}

static inline int folder_teardown(void **state)
{
	struct folder *folder = *state;
	DIR *entries = opendir(folder->path);
	const struct dirent *entry;
	char path[512];

	while (entries && (entry = readdir(entries)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder->path, entry->d_name);
		unlink(path);
	}
	if (entries)
		closedir(entries);
	rmdir(folder->path);
	free(folder);
	return 0;
}

/* Writes a file into the folder; gives its path, which stays until the next call but one. */
static inline const char *folder_write(const struct folder *folder, const char *name, mode_t mode,
				       const char *data, size_t length)
{
	static char paths[2][512];
	static unsigned int turn;
	char *path = paths[turn++ % 2];
	FILE *stream;

	snprintf(path, sizeof(paths[0]), "%s/%s", folder->path, name);
	unlink(path); /* it may have been made so that even we cannot write to it */
	stream = fopen(path, "we");
	assert_non_null(stream);
	assert_int_equal(fwrite(data, 1, length, stream), length);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static inline const char *folder_write_text(const struct folder *folder, const char *name,
					    const char *text)
{
	return folder_write(folder, name, 0600, text, strlen(text));
}

#endif
