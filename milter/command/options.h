/* options: the command line, read and checked. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

/* What was given; texts are the command line's own. NULL or false: it was not. */
struct options {
	bool help, version, outcomes, keys;
	const char *config_file;
	bool check, check_key, show_config;
	const char *try_message;
	const char *rewrite_message;
	const char *calendar;
	const char *cancel_id;
	pid_t reload; /* 0: not given; -1: not a process number */
	const char *account;
	const char *sender;
	const char *log_of;
	bool report, export, json;
	const char *since;
};

extern const char options_usage[];

/*
 * Reads the options; what is left of the arguments begins at getopt's optind. False: an option that
 * does not exist, or lacks its argument; that was told on standard error.
 */
bool options_parse(int count, char **arguments, struct options *options);

/* What is wrong with the combination; NULL if nothing is. */
const char *options_fault(const struct options *options, int arguments_left);

#endif
