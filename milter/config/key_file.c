/* key_file: reads files that contain one key, and refuses those that others can read. */
#include "key_file.h"

#include "file_mode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where systemd keeps the credentials of our unit; root may read them there. */
#define SERVICE_CREDENTIALS "/run/credentials/cancel-invite-milter.service"

bool key_file_find_credential(char *out, size_t size, const char *name, struct problem *why)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	const char *file = name + strlen(KEY_FILE_CREDENTIAL);

	/* systemd.exec(5): an ID is short text that can be the name of a file. */
	if (file[0] == '\0' || strchr(file, '/') || strcmp(file, ".") == 0 ||
	    strcmp(file, "..") == 0 || strlen(file) > 255) {
		problem_set(why,
			    "\"%s\" is not the name of a credential; expected credential:NAME, "
			    "with LoadCredential=NAME:/path in the unit",
			    name);
		return false;
	}
	if (!directory || directory[0] != '/')
		directory = SERVICE_CREDENTIALS;
	if ((size_t)snprintf(out, size, "%s/%s", directory, file) < size)
		return true;
	problem_set(why, "the path of %s is too long", name);
	return false;
}

static char *copy_key(const char *text, size_t length, struct problem *why)
{
	char *key = strndup(text, length);

	if (!key)
		problem_set(why, "no memory for the key");
	return key;
}

static char *read_key(int file, const char *path, struct problem *why)
{
	char text[KEY_FILE_MAXIMUM + 1], *key = NULL;
	struct stat status;
	ssize_t length;
	size_t begin = 0, end;

	if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) {
		problem_set(why, "%s is not a regular file", path);
		return NULL;
	}
	if (!file_mode_forbids(&status, FILE_MODE_OTHERS_USE, path,
			       "chmod 0600 it and, if others could read it, replace the key", why))
		return NULL;
	length = read(file, text, sizeof(text));
	if (length < 0) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return NULL;
	}
	end = (size_t)length;
	/* Some editors begin a file with a byte order mark. */
	if (end >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		begin = 3;
	while (end > begin && strchr(" \t\r\n", text[end - 1]) && text[end - 1])
		end--;
	if (end == begin)
		problem_set(why, "%s is empty; it must hold the key", path);
	else if (length > KEY_FILE_MAXIMUM)
		problem_set(why, "%s is too long to be a key", path);
	else
		key = copy_key(text + begin, end - begin, why);
	for (size_t i = begin; key && i < end; i++) {
		if (text[i] > 0x20 && text[i] < 0x7f)
			continue;
		problem_set(why, "%s holds more than one word of ASCII; it must hold the key alone",
			    path);
		key_free(key);
		key = NULL;
	}
	explicit_bzero(text, sizeof(text));
	return key;
}

char *key_file_read(const char *path, struct problem *why)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *key;

	if (file < 0) {
		problem_set(why, "%s: %s", path, strerror(errno));
		return NULL;
	}
	key = read_key(file, path, why);
	close(file);
	return key;
}

void key_free(char *key)
{
	if (!key)
		return;
	explicit_bzero(key, strlen(key));
	free(key);
}
