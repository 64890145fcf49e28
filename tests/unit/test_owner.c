/* The owner of a file, also in a sandbox that forbids to change owners. */
#include "owner.h"

#include "folder.h"
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_USER  ((uid_t)-1)
#define NO_GROUP ((gid_t)-1)

/* As SystemCallFilter=~@privileged with SystemCallErrorNumber=EPERM does, for this process. */
static bool forbid_changes_of_owner(void)
{
#define FORBID(call)                                                                               \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                                         \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_chown
		FORBID(SYS_chown),
		FORBID(SYS_lchown),
#endif
		FORBID(SYS_fchown),
		FORBID(SYS_fchownat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(rules) / sizeof(rules[0]), rules};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What owner_set() gives there: 0, its errno, or 255 if there can be no sandbox here. */
static int set_in_sandbox(int file, uid_t user, gid_t group)
{
	pid_t child = fork();
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		if (!forbid_changes_of_owner())
			_exit(255);
		_exit(owner_set(file, user, group) ? 0 : errno);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void what_stays_as_it_is_needs_no_permission(void **state)
{
	const char *path = folder_write(*state, "own", 0600, "x", 1);
	const int flags[] = {O_RDONLY | O_CLOEXEC, O_PATH | O_CLOEXEC};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const int file = open(path, flags[i]);

		assert_true(file >= 0);
		assert_int_equal(set_in_sandbox(file, getuid(), getgid()), 0);
		assert_int_equal(set_in_sandbox(file, getuid(), NO_GROUP), 0);
		assert_int_equal(set_in_sandbox(file, NO_USER, NO_GROUP), 0);
		assert_int_equal(set_in_sandbox(file, getuid() + 1, NO_GROUP), EPERM);
		assert_int_equal(set_in_sandbox(file, NO_USER, getgid() + 1), EPERM);
		close(file);
	}
}

static void root_gives_files_away(void **state)
{
	const char *path = folder_write(*state, "given", 0600, "x", 1);
	const int file = open(path, O_PATH | O_CLOEXEC);
	struct stat status;

	assert_true(file >= 0);
	if (geteuid() != 0)
		skip();
	assert_true(owner_set(file, 12345, NO_GROUP));
	assert_true(owner_set(file, NO_USER, 23456));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, 12345);
	assert_int_equal(status.st_gid, 23456);
	close(file);
}

static void says_why_not(void **state)
{
	(void)state;
	assert_false(owner_set(-1, NO_USER, NO_GROUP));
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_as_it_is_needs_no_permission),
		cmocka_unit_test(root_gives_files_away),
		cmocka_unit_test(says_why_not),
	};

	return cmocka_run_group_tests_name("owner", tests, folder_setup, folder_teardown);
}
