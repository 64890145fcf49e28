/* threads: how they are made, with what stacks, and whether there is room for as many as may be needed. */
#include "threads.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define STACK_SIZE    ((size_t)1024 * 1024) /* bytes; what is not touched costs only address space */
#define ARENAS        2 /* of malloc(3): else each thread takes a piece that it never gives back */
#define MANY_SESSIONS 20
#define PAUSE         50      /* ms between two tries */
#define INTERVAL      60000LL /* ms between two log lines about it */

#define OWN_THREADS     16 /* beside those of sessions: ours, libcurl's, libmicrohttpd's */
#define FILES_FOR_EACH  3  /* session, spooled body, connection to Cronofy */
#define OWN_FILES       64
#define MEMORY_FOR_EACH ((unsigned long long)STACK_SIZE + 128 * 1024) /* bytes of address space */
#define OWN_MEMORY      ((unsigned long long)512 * 1024 * 1024)

static atomic_uint sessions, most_sessions; /* now; and at once since memory was given back */
static atomic_ullong failures;              /* tries to make a thread for which there was no room */
static atomic_llong next_log_line;          /* moment */

/* Of stacks, and of what stays behind when many threads have ended. */
static void bound_memory(void)
{
	pthread_attr_t attributes;

	mallopt(M_ARENA_MAX, ARENAS);
	if (pthread_attr_init(&attributes) != 0)
		return;
	if (pthread_attr_setstacksize(&attributes, STACK_SIZE) == 0)
		pthread_setattr_default_np(&attributes);
	pthread_attr_destroy(&attributes);
}

void threads_session_begins(void)
{
	const unsigned int now = ++sessions;
	unsigned int most = most_sessions;

	while (now > most && !atomic_compare_exchange_weak(&most_sessions, &most, now))
		;
}

void threads_session_is_over(void)
{
	const unsigned int now = --sessions;
	unsigned int most = most_sessions;

	/* What is freed here and there malloc(3) keeps; each time as many must have come anew. */
	if (most >= MANY_SESSIONS && now <= most / 4 &&
	    atomic_compare_exchange_strong(&most_sessions, &most, now))
		malloc_trim(0);
}

/* ---- making them ---- */

/* A session whose thread is still to be made. */
struct waiting {
	struct waiting *next;
	void *(*run)(void *);
	void *context;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct waiting *first, **end;
	pthread_t maker; /* makes them; it is there from the start on */
	bool has_maker;
	bool (*is_libmilter)(const void *address);
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER,
	   .end = &queue.first};

static void report_failure(void)
{
	const long long now = clock_now();
	long long next = next_log_line;

	failures++;
	if (now >= next && atomic_compare_exchange_strong(&next_log_line, &next, now + INTERVAL))
		log_write(LOG_LEVEL_ERROR,
			  "there is no room for another thread, and a session waits for it: raise "
			  "TasksMax= and LimitNPROC= of the service, or lower max_active");
}

typedef int creator(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* The C library's. POSIX lets dlsym() give functions, and ISO C has no way to say so. */
static creator *real_creator(void)
{
	static _Atomic(creator *) known;
	creator *found = known;
	void *symbol;

	_Static_assert(sizeof(symbol) == sizeof(found), "POSIX");
	if (!found) {
		symbol = dlsym(RTLD_NEXT, "pthread_create");
		memcpy(&found, &symbol, sizeof(found));
		known = found;
	}
	return found;
}

/* With the lock held, but for the try. */
static void make_first(void)
{
	struct waiting *first = queue.first;
	pthread_t thread;
	int result;

	pthread_mutex_unlock(&queue.lock);
	result = real_creator()(&thread, NULL, first->run, first->context);
	if (result != 0) {
		report_failure();
		poll(NULL, 0, PAUSE);
	}
	pthread_mutex_lock(&queue.lock);
	if (result != 0)
		return;
	queue.first = first->next;
	if (!queue.first)
		queue.end = &queue.first;
	free(first);
}

static void *make_waiting(void *unused)
{
	pthread_mutex_lock(&queue.lock);
	while (true) {
		if (queue.first)
			make_first();
		else
			pthread_cond_wait(&queue.changed, &queue.lock);
	}
	return unused;
}

bool threads_start(bool (*is_libmilter)(const void *address))
{
	bound_memory();
	queue.is_libmilter = is_libmilter;
	queue.has_maker = pthread_create(&queue.maker, NULL, make_waiting, NULL) == 0;
	return queue.has_maker;
}

/* The sanitizers have a pthread_create() of their own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifndef SANITIZED

static bool let_wait(void *(*run)(void *), void *context)
{
	struct waiting *waiting = malloc(sizeof(*waiting));

	if (!waiting)
		return false;
	*waiting = (struct waiting){NULL, run, context};
	pthread_mutex_lock(&queue.lock);
	*queue.end = waiting;
	queue.end = &waiting->next;
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return true;
}

/*
 * In place of the C library's, for every library that this program is linked with. Nobody waits here:
 * libmilter holds a lock that its other threads need in order to end. It never looks at the thread that
 * it gets, so it may get another one's name.
 */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *context)
{
	creator *const real = real_creator();
	const int result = real ? real(thread, attributes, run, context) : ENOSYS;

	if (result != EAGAIN)
		return result;
	report_failure();
	if (!queue.has_maker || !queue.is_libmilter(__builtin_return_address(0)) ||
	    !let_wait(run, context))
		return result;
	*thread = queue.maker;
	return 0;
}

#endif

/* ---- limits ---- */

/* The number in the first line of a file; -1 if there is none, such as "max". */
static long long read_number(const char *path)
{
	FILE *stream = fopen(path, "re");
	char line[64] = "";
	char *end = line;
	long long number = -1;

	if (!stream)
		return -1;
	if (fgets(line, sizeof(line), stream))
		number = strtoll(line, &end, 10);
	fclose(stream);
	return end == line ? -1 : number;
}

/* The least pids.max of our cgroup and those above it (cgroups(7), version 2); -1 if there is none. */
static long long most_tasks(void)
{
	FILE *stream = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX - 64] = "", path[PATH_MAX];
	long long least = -1;

	while (stream && fgets(line, sizeof(line), stream) && strncmp(line, "0::", 3) != 0)
		line[0] = '\0';
	if (stream)
		fclose(stream);
	line[strcspn(line, "\n")] = '\0';
	for (char *slash; strncmp(line, "0::/", 4) == 0; *slash = '\0') {
		long long most;

		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/pids.max", line + 3);
		most = read_number(path);
		if (most >= 0 && (least < 0 || most < least))
			least = most;
		slash = strrchr(line, '/');
		if (slash == line + 3)
			break;
	}
	return least;
}

static void add_warning(struct buffer *warnings, unsigned long long needed, const char *limit,
			unsigned long long is, const char *cure)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "max_active: its messages need a limit of %llu %s, and it is %llu: %s, or lower "
		 "max_active",
		 needed, limit, is, cure);
	buffer_printf(warnings, "%s\n", text);
}

static void check_limit(int which, const char *limit, const char *cure, unsigned long long needed,
			struct buffer *warnings)
{
	struct rlimit is;

	if (getrlimit((__rlimit_resource_t)which, &is) == 0 && is.rlim_max != RLIM_INFINITY &&
	    is.rlim_max < needed)
		add_warning(warnings, needed, limit, is.rlim_max, cure);
}

void threads_check_limits(const struct config *config, struct buffer *warnings)
{
	const unsigned long long active = (unsigned long long)config->max_active;
	const unsigned long long threads = active + OWN_THREADS;
	const long long tasks = most_tasks();

	if (tasks >= 0 && (unsigned long long)tasks < threads)
		add_warning(warnings, threads, "threads of the cgroup (pids.max)",
			    (unsigned long long)tasks, "raise TasksMax= of the service");
	check_limit(RLIMIT_NPROC, "threads of the user", "raise LimitNPROC= (ulimit -u)", threads,
		    warnings);
	check_limit(RLIMIT_NOFILE, "open files", "raise LimitNOFILE= (ulimit -n)",
		    active * FILES_FOR_EACH + OWN_FILES, warnings);
	check_limit(RLIMIT_AS, "bytes of address space", "raise LimitAS= (ulimit -v)",
		    active * MEMORY_FOR_EACH + OWN_MEMORY, warnings);
}

void threads_write_metrics(void *unused, struct buffer *page)
{
	(void)unused;
	metrics_write_single(page, "cancel_invite_thread_failures_total", METRICS_COUNTER,
			     "Tries to make a thread for which there was no room.",
			     (double)failures);
}
