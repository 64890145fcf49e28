/* config_show: the configuration, and the table of its keys, as text for people and programs. */
#ifndef CONFIG_SHOW_H
#define CONFIG_SHOW_H

#include "buffer.h"
#include "config.h"

/*
 * Appends a line for each key of each section, then for each key of each account, those it inherits
 * included:
 *
 *	section.key = value  # FILE:LINE
 *	account.NAME.key = value  # default
 *
 * Each value is in a form that the file takes: durations in ms, sizes in bytes, paths absolute, the
 * words of a list separated by ", ". Secrets are left out: of a key the file is shown, never what it
 * holds, and a password in a URL is ***. Control characters are \xNN.
 */
void config_show(const struct config *config, struct buffer *out);

/*
 * Appends a line for each key that there is, its columns separated by tabs, below a line that names
 * them: section, key, type, default, least and most (numbers as they are, sizes in bytes, durations
 * in ms), the words it takes separated by |, and whether a reload does not change it.
 */
void config_show_keys(struct buffer *out);

/* Appends the keys that differ and that a reload does not change: "a, b of [x], c of [y]". */
void config_show_restart(const struct config *old, const struct config *new, struct buffer *out);

#endif
