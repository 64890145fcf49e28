/* metrics_process: what Prometheus calls process_*, from /proc. */
#include "metrics_process.h"

#include "log.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Open descriptors, our look at them not counted; -1 if they cannot be seen. */
static long count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	long count = -1;

	if (!folder)
		return -1;
	while (readdir(folder))
		count++;
	closedir(folder);
	return count - 2; /* "." and ".."; -1 above is the folder's own */
}

/* proc(5), /proc/pid/stat: behind the name in parentheses; the first field there is the third. */
static bool read_stat(long *threads, unsigned long *memory, long *pages)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char line[1024] = "", *end;

	if (!file)
		return false;
	line[fread(line, 1, sizeof(line) - 1, file)] = '\0';
	fclose(file);
	end = strrchr(line, ')');
	return end && sscanf(end + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			     "%*d %*d %ld %*d %*u %lu %ld",
			     threads, memory, pages) == 3;
}

static void write_memory(struct buffer *page)
{
	unsigned long memory = 0;
	long threads = 0, pages = 0;

	if (!read_stat(&threads, &memory, &pages))
		return;
	metrics_write_single(page, "process_threads", METRICS_GAUGE, "Threads.", (double)threads);
	metrics_write_single(page, "process_virtual_memory_bytes", METRICS_GAUGE, "Virtual memory.",
			     (double)memory);
	metrics_write_single(page, "process_resident_memory_bytes", METRICS_GAUGE, "Memory in use.",
			     (double)pages * (double)sysconf(_SC_PAGESIZE));
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* What cannot be found out is left out. */
static void write_process(void *context, struct buffer *page)
{
	const long long *began = context;
	const long descriptors = count_descriptors();
	struct rlimit limit;
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metrics_write_single(page, "process_cpu_seconds_total", METRICS_COUNTER,
				     "User and system CPU time.",
				     seconds(usage.ru_utime) + seconds(usage.ru_stime));
	if (descriptors >= 0)
		metrics_write_single(page, "process_open_fds", METRICS_GAUGE, "Open descriptors.",
				     (double)descriptors);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		metrics_write_single(page, "process_max_fds", METRICS_GAUGE,
				     "Maximum number of open descriptors.", (double)limit.rlim_cur);
	write_memory(page);
	metrics_write_single(page, "cancel_invite_log_dropped_total", METRICS_COUNTER,
			     "Lines of the log that were dropped, as nobody read them in time.",
			     (double)log_dropped());
	metrics_write_single(page, "process_start_time_seconds", METRICS_GAUGE,
			     "When the process started.", (double)*began);
}

bool metrics_process_add(struct metrics *metrics, long long *began)
{
	return metrics_add_source(metrics, write_process, began);
}
