/*
 * mail_file: a message in a file, for the commands that work without an MTA.
 *
 * A file whose first line ends in a bare LF is a Unix text file: all its line ends become CRLF, as
 * an MTA makes them. In any other file every byte stays as it is.
 */
#ifndef MAIL_FILE_H
#define MAIL_FILE_H

#include "buffer.h"
#include "header_edits.h"
#include "problem.h"

#include <stdbool.h>
#include <stdio.h>

#define MAIL_FILE_HEADERS_MAXIMUM ((size_t)4 * 1024 * 1024) /* bytes */

struct mail_file {
	FILE *stream;
	bool unix_lines;
	bool after_carriage_return; /* the last byte of the body that was read */
	struct buffer headers;      /* the header block, without the empty line after it */
	struct buffer piece; /* the beginning of the body, where it was read with the headers */
};

/* Opens the file and reads the headers. False, and why; mail_file_close() in any case. */
bool mail_file_open(struct mail_file *file, const char *path, struct problem *why);
void mail_file_close(struct mail_file *file);

/* Gives each header, its value folded with LF. False, and why (problem_cannot_tell), without memory. */
bool mail_file_each_header(struct mail_file *file,
			   void (*take)(void *context, const char *name, const char *value),
			   void *context, struct problem *why);

/* Gives the body in pieces. False, and why, if it cannot be read or `take` gave false. */
bool mail_file_each_piece(struct mail_file *file,
			  bool (*take)(void *context, const char *data, size_t length),
			  void *context, struct problem *why);

/* Writes the headers, changed, and the empty line after them. */
void mail_file_write_headers(struct mail_file *file, const struct header_edits *edits, FILE *out);

#endif
