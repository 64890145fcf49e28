/* file_mode: refuses files that others may read or change. */
#include "file_mode.h"

bool file_mode_forbids(const struct stat *status, mode_t permissions, const char *path,
		       const char *cure, struct problem *why)
{
	if (!S_ISREG(status->st_mode) || !(status->st_mode & permissions))
		return true;
	problem_set(why,
		    permissions & S_IRWXO & ~(mode_t)S_IWOTH
			    ? "%s can be read or changed by others (mode %04o); %s"
			    : "%s can be changed by others (mode %04o); %s",
		    path, (unsigned int)(status->st_mode & 07777), cure);
	return false;
}
