/* config_text: values that are texts: plain, URLs, paths, sockets. */
#include "config_type.h"
#include "key_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool replace(char **field, const char *text, struct problem *why)
{
	char *copy = strdup(text);

	if (!copy)
		return config_type_no_memory(why);
	free(*field);
	*field = copy;
	return true;
}

static bool set_text(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	(void)key;
	(void)directory;
	return replace(field, text, why);
}

/* Writes the absolute path, behind what stands before it. False, and why, if it is too long. */
static bool make_absolute(char out[PATH_MAX], const char *before, const char *directory,
			  const char *path, struct problem *why)
{
	const bool is_whole = path[0] == '\0' || path[0] == '/';

	if ((size_t)snprintf(out, PATH_MAX, "%s%s%s%s", before, is_whole ? "" : directory,
			     is_whole ? "" : "/", path) < PATH_MAX)
		return true;
	problem_set(why, "the path is too long");
	return false;
}

static bool set_path(const struct config_key *key, void *field, const char *directory,
		     const char *text, struct problem *why)
{
	char path[PATH_MAX];

	(void)key;
	return make_absolute(path, "", directory, text, why) && replace(field, path, why);
}

static bool set_path_or_none(const struct config_key *key, void *field, const char *directory,
			     const char *text, struct problem *why)
{
	char **path = field;

	if (text[0] == '\0')
		return config_type_refuse(key, text, why, "expected a path, or none");
	if (strcmp(text, "none") != 0)
		return set_path(key, field, directory, text, why);
	free(*path);
	*path = NULL;
	return true;
}

static bool set_key_file(const struct config_key *key, void *field, const char *directory,
			 const char *text, struct problem *why)
{
	char path[PATH_MAX];

	if (strncmp(text, KEY_FILE_CREDENTIAL, strlen(KEY_FILE_CREDENTIAL)) != 0)
		return set_path(key, field, directory, text, why);
	return key_file_find_credential(path, sizeof(path), text, why) && replace(field, path, why);
}

/* As libmilter has it: unix:/path, inet:port@host. sockaddr_un.sun_path holds 108 bytes. */
static bool set_socket(const struct config_key *key, void *field, const char *directory,
		       const char *text, struct problem *why)
{
	const char *colon = strchr(text, ':');
	char path[PATH_MAX];
	unsigned int port;
	char tail;

	if (strncmp(text, "inet:", 5) == 0 || strncmp(text, "inet6:", 6) == 0) {
		if (sscanf(colon + 1, "%5u@%c", &port, &tail) == 2 && port > 0 && port < 65536)
			return replace(field, text, why);
	} else if ((strncmp(text, "unix:", 5) == 0 || strncmp(text, "local:", 6) == 0) &&
		   colon[1]) {
		if (!make_absolute(path, "unix:", directory, colon + 1, why))
			return false;
		if (strlen(path) - strlen("unix:") <= 107)
			return replace(field, path, why);
		return config_type_refuse(key, text, why,
					  "expected a path of at most 107 characters");
	}
	return config_type_refuse(key, text, why,
				  "expected unix:/path, inet:port@host or inet6:port@host");
}

static bool copy_text(void *field, const void *from)
{
	const char *const *text = from;
	char **to = field;

	*to = *text ? strdup(*text) : NULL;
	return *to || !*text;
}

static void free_text(void *field)
{
	char **text = field;

	free(*text);
	*text = NULL;
}

static void free_secret(void *field)
{
	char **text = field;

	key_free(*text);
	*text = NULL;
}

static bool is_same_text(const void *a, const void *b)
{
	const char *const *one = a, *const *other = b;

	return *one && *other ? strcmp(*one, *other) == 0 : *one == *other;
}

static void show_text(const struct config_key *key, const void *field, struct buffer *out)
{
	const char *const *text = field;

	(void)key;
	buffer_append_text(out, *text ? *text : "none");
}

static void show_url(const struct config_key *key, const void *field, struct buffer *out)
{
	const char *const *text = field;

	(void)key;
	config_type_redact(out, *text);
}

const struct config_operations config_type_text = {set_text,     copy_text, free_text,
						   is_same_text, show_text, false};

const struct config_operations config_type_url = {set_text,     copy_text, free_secret,
						  is_same_text, show_url,  false};

const struct config_operations config_type_path = {set_path,     copy_text, free_text,
						   is_same_text, show_text, false};

const struct config_operations config_type_path_or_none = {set_path_or_none, copy_text, free_text,
							   is_same_text,     show_text, false};

const struct config_operations config_type_key_file = {set_key_file, copy_text, free_text,
						       is_same_text, show_text, false};

const struct config_operations config_type_socket = {set_socket,   copy_text, free_text,
						     is_same_text, show_text, false};
