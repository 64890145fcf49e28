/* Changes the owner of a file, if it has another one. */
#include "owner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool owner_set(int file, uid_t user, gid_t group)
{
	struct stat status;

	if (fstat(file, &status) < 0)
		return false;
	if ((user == (uid_t)-1 || user == status.st_uid) &&
	    (group == (gid_t)-1 || group == status.st_gid))
		return true;
	return fchownat(file, "", user, group, AT_EMPTY_PATH) == 0;
}
