/*
 * inject: makes one call of a program fail, from outside: LD_PRELOAD=inject.so CIM_TORTURE=FILE.
 *
 * FILE is shared memory that holds a struct torture: the driver (inject.py) says which class of calls
 * is to fail, at which position and with which errno, and reads how many there were. While `armed` is
 * 0 nothing is counted and nothing fails. Where the call that failed came from is written to FILE.site.
 * While none is to fail, each call leaves a hash of the stack that it came from: thousands of positions
 * come from some hundred places.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call_class {
	ALLOCATE,
	OPEN,
	READ,
	WRITE,
	FSYNC,
	RENAME,
	MMAP,
	SOCKET,
	CONNECT,
	ACCEPT,
	POLL,
	THREAD,
	RANDOM,
	CLASSES,
};

#define STACKS 65536 /* of each class that are told apart */
#define FRAMES 24    /* of a stack that count */

struct torture {
	_Atomic uint32_t armed;
	uint32_t call_class; /* that fails */
	uint32_t lasting;    /* 1: also all after that position */
	int32_t error;       /* errno */
	uint64_t at;         /* position, from 1; 0: none fails */
	int64_t clock_step;  /* seconds, by which the wall clock is wrong */
	_Atomic uint64_t failed;
	_Atomic uint64_t counts[CLASSES];
	uint64_t stacks[CLASSES][STACKS];
};

/* What glibc's own names lead to: dlsym() itself allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct torture none;
static struct torture *torture = &none;
static char site[512];
static _Thread_local bool inside; /* what inject itself calls does not count */

static void write_site(void)
{
	void *frames[40];
	const int count = backtrace(frames, 40);
	const int file = open(site, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (file < 0)
		return;
	backtrace_symbols_fd(frames, count, file);
	close(file);
}

/* FNV-1a over the return addresses. */
static uint64_t hash_stack(void)
{
	void *frames[FRAMES];
	uint64_t hash = UINT64_C(14695981039346656037);
	int count;

	inside = true;
	count = backtrace(frames, FRAMES);
	inside = false;
	for (int i = 0; i < count; i++)
		hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(1099511628211);
	return hash;
}

/* Is this call to fail? Then errno is set. */
static bool fails(enum call_class call_class)
{
	uint64_t number;

	if (!atomic_load_explicit(&torture->armed, memory_order_relaxed) || inside)
		return false;
	number = atomic_fetch_add(&torture->counts[call_class], 1) + 1;
	if (torture->at == 0 && number <= STACKS)
		torture->stacks[call_class][number - 1] = hash_stack();
	if (torture->call_class != call_class || torture->at == 0 || number < torture->at ||
	    (number > torture->at && !torture->lasting))
		return false;
	if (atomic_fetch_add(&torture->failed, 1) == 0) {
		inside = true;
		write_site();
		inside = false;
	}
	errno = torture->error;
	return true;
}

/* The same of a call on a descriptor: a disk is never reset by its peer, nor a socket full. */
static bool fails_on(enum call_class call_class, int file)
{
	const bool of_a_disk = torture->error == ENOSPC || torture->error == EIO;
	struct stat status;

	if (!fails(call_class))
		return false;
	if (fstat(file, &status) == 0 &&
	    (of_a_disk ? S_ISREG(status.st_mode) : S_ISSOCK(status.st_mode))) {
		errno = torture->error;
		return true;
	}
	return false;
}

static void *next(const char *name)
{
	void *found;

	inside = true;
	found = dlsym(RTLD_NEXT, name);
	inside = false;
	return found;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("CIM_TORTURE");
	void *frames[2], *shared;
	int file;

	if (!path)
		return;
	inside = true;
	snprintf(site, sizeof(site), "%s.site", path);
	backtrace(frames, 2); /* which allocates the first time */
	file = open(path, O_RDWR | O_CLOEXEC);
	shared = mmap(NULL, sizeof(*torture), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (shared != MAP_FAILED)
		torture = shared;
	close(file);
	inside = false;
}

/* ---- memory ---- */

void *malloc(size_t size)
{
	return fails(ALLOCATE) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(ALLOCATE) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return size > 0 && fails(ALLOCATE) ? NULL : __libc_realloc(memory, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	if (fails(ALLOCATE))
		return ENOMEM;
	*memory = __libc_memalign(alignment, size);
	return *memory ? 0 : ENOMEM;
}

/* ---- calls that only pass on ---- */

#define CALL(call_class, type, name, parameters, arguments)                                        \
	PASS_ON(fails(call_class), type, name, parameters, arguments)
#define CALL_ON(call_class, type, name, parameters, arguments)                                     \
	PASS_ON(fails_on(call_class, file), type, name, parameters, arguments)
#define PASS_ON(condition, type, name, parameters, arguments)                                      \
	type name parameters                                                                       \
	{                                                                                          \
		static type(*_Atomic real) parameters;                                             \
                                                                                                   \
		if (condition)                                                                     \
			return (type)-1;                                                           \
		if (!real)                                                                         \
			*(void **)&real = next(#name);                                             \
		return real arguments;                                                             \
	}

CALL_ON(READ, ssize_t, read, (int file, void *to, size_t size), (file, to, size))
CALL_ON(READ, ssize_t, pread64, (int file, void *to, size_t size, off64_t at), (file, to, size, at))
CALL_ON(READ, ssize_t, pread, (int file, void *to, size_t size, off_t at), (file, to, size, at))
CALL_ON(READ, ssize_t, recv, (int file, void *to, size_t size, int flags), (file, to, size, flags))
CALL_ON(WRITE, ssize_t, write, (int file, const void *from, size_t size), (file, from, size))
CALL_ON(WRITE, ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at),
	(file, from, size, at))
CALL_ON(WRITE, ssize_t, pwrite, (int file, const void *from, size_t size, off_t at),
	(file, from, size, at))
CALL_ON(WRITE, ssize_t, writev, (int file, const struct iovec *from, int count),
	(file, from, count))
CALL_ON(WRITE, ssize_t, send, (int file, const void *from, size_t size, int flags),
	(file, from, size, flags))
CALL(FSYNC, int, fsync, (int file), (file))
CALL(FSYNC, int, fdatasync, (int file), (file))
CALL(RENAME, int, rename, (const char *from, const char *to), (from, to))
CALL(RENAME, int, renameat, (int in, const char *from, int out, const char *to),
     (in, from, out, to))
CALL(MMAP, void *, mmap, (void *at, size_t size, int protection, int flags, int file, off_t offset),
     (at, size, protection, flags, file, offset))
CALL(MMAP, void *, mmap64,
     (void *at, size_t size, int protection, int flags, int file, off64_t offset),
     (at, size, protection, flags, file, offset))
CALL(SOCKET, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(CONNECT, int, connect, (int file, const struct sockaddr *to, socklen_t size), (file, to, size))
CALL(ACCEPT, int, accept, (int file, struct sockaddr *from, socklen_t *size), (file, from, size))
CALL(ACCEPT, int, accept4, (int file, struct sockaddr *from, socklen_t *size, int flags),
     (file, from, size, flags))
CALL(POLL, int, poll, (struct pollfd * files, nfds_t count, int timeout), (files, count, timeout))
CALL(POLL, int, epoll_wait, (int file, struct epoll_event *events, int most, int timeout),
     (file, events, most, timeout))
CALL(RANDOM, ssize_t, getrandom, (void *to, size_t size, unsigned int flags), (to, size, flags))

/* ---- calls of another shape ---- */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *context)
{
	static int (*_Atomic real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (fails(THREAD))
		return torture->error;
	if (!real)
		*(void **)&real = next("pthread_create");
	return real(thread, attributes, run, context);
}

#define OPENING(name, first, passed)                                                               \
	int name(first, int flags, ...)                                                            \
	{                                                                                          \
		static int (*_Atomic real)(first, int flags, ...);                                 \
		va_list more;                                                                      \
		int mode;                                                                          \
                                                                                                   \
		va_start(more, flags);                                                             \
		mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;                      \
		va_end(more);                                                                      \
		if (fails(OPEN))                                                                   \
			return -1;                                                                 \
		if (!real)                                                                         \
			*(void **)&real = next(#name);                                             \
		return real(passed, flags, mode);                                                  \
	}
#define COMMA ,

OPENING(open, const char *path, path)
OPENING(open64, const char *path, path)
OPENING(openat, int in COMMA const char *path, in COMMA path)
OPENING(openat64, int in COMMA const char *path, in COMMA path)

FILE *fopen(const char *path, const char *mode)
{
	static FILE *(*_Atomic real)(const char *, const char *);

	if (fails(OPEN))
		return NULL;
	if (!real)
		*(void **)&real = next("fopen");
	return real(path, mode);
}

/* ---- the wall clock ---- */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*_Atomic real)(clockid_t, struct timespec *);
	int result;

	if (!real)
		*(void **)&real = next("clock_gettime");
	result = real(clock, now);
	if (result == 0 && clock == CLOCK_REALTIME)
		now->tv_sec += torture->clock_step;
	return result;
}

time_t time(time_t *out)
{
	struct timespec now = {.tv_sec = 0};

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now = {.tv_sec = 0};

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}
