/* ledger_trouble: what is wrong with the ledger's file, with the cure. */
#include "ledger_trouble.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MOVE_IT_AWAY "move it away, with its -wal and -shm; the filter makes a new one"

static void explain_place(const char *path, int error, struct problem *why)
{
	char directory[PATH_MAX];
	struct stat status;
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash)
		*slash = '\0';
	if (error == ENOENT && slash && stat(directory, &status) < 0)
		problem_set(why,
			    "%.300s: there is no directory %.300s; make it, and give it to the "
			    "user that the filter runs as",
			    path, directory);
	else if (error == EACCES || error == EPERM || error == EROFS)
		problem_set(why,
			    "%.300s: %s; the file, its -wal and -shm and their directory must "
			    "belong to the user that the filter runs as",
			    path, strerror(error));
	else
		problem_set(why, "%.300s: %s", path, error ? strerror(error) : "cannot be opened");
}

void ledger_trouble_explain(enum ledger_trouble trouble, const char *path, int error,
			    const char *detail, struct problem *why)
{
	switch (trouble) {
	case LEDGER_TROUBLE_PLACE:
		explain_place(path, error, why);
		break;
	case LEDGER_TROUBLE_LOCKED:
		problem_set(why, "%.300s: another process keeps it locked", path);
		break;
	case LEDGER_TROUBLE_FULL:
		problem_set(why, "%.300s: there is no room left on its disk", path);
		break;
	case LEDGER_TROUBLE_DAMAGED:
		problem_set(why, "%.300s: it is damaged, or no ledger (%.100s); " MOVE_IT_AWAY,
			    path, detail);
		break;
	case LEDGER_TROUBLE_FOREIGN:
		problem_set(why, "%.300s: it is another program's database; " MOVE_IT_AWAY, path);
		break;
	case LEDGER_TROUBLE_LATER:
		problem_set(why,
			    "%.300s: it was made by a later version of this program; use that one, "
			    "or " MOVE_IT_AWAY,
			    path);
		break;
	case LEDGER_TROUBLE_EARLIER:
		problem_set(why,
			    "%.300s: it was made by an earlier version, or is empty; start the "
			    "filter to upgrade it",
			    path);
		break;
	default:
		problem_set(why, "%.300s: %.100s%s%s", path, detail, error ? ": " : "",
			    error ? strerror(error) : "");
	}
}
