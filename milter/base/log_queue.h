/*
 * log_queue: lines of the log that wait to be written, and the one thread that writes them, in their
 * order. Whoever hands in a line continues at once, however long its reader takes: a full pipe or a
 * stalled syslog holds up the thread and nobody else.
 *
 * Bounded: when LOG_QUEUE_MAXIMUM bytes wait, further lines are dropped and counted, and the log has a
 * line that says how many, in their place. Callers on any thread.
 *
 * What waits is lost if the process is killed: while the reader keeps up that is at most the line at
 * hand.
 */
#ifndef LOG_QUEUE_H
#define LOG_QUEUE_H

#include "log.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_QUEUE_MAXIMUM ((size_t)1024 * 1024) /* bytes, about 4,000 lines */
#define LOG_QUEUE_STUCK   5000                  /* ms with one line, after which it is stuck */

struct log_queue;

/* Where its lines go. On the queue's thread; may block. */
struct log_queue_writer {
	void (*write)(enum log_level level, const char *text);
	void (*tell_dropped)(unsigned long long lines); /* writes a line, too */
};

/* NULL if there is no memory or no thread. */
struct log_queue *log_queue_start(const struct log_queue_writer *writer);

/* Copies. */
void log_queue_add(struct log_queue *queue, enum log_level level, const char *text);

struct log_queue_state {
	bool stuck;
	unsigned long long dropped; /* lines, since the start */
};

struct log_queue_state log_queue_look(struct log_queue *queue);

/*
 * Waits until all that was handed in is written, for `longest` ms at most. False if it is not. A queue
 * has no end of its own: it ends with the process.
 */
bool log_queue_flush(struct log_queue *queue, long long longest);

#endif
