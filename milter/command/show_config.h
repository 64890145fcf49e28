/* show_config: the commands that print the configuration. Both give an exit code of <sysexits.h>. */
#ifndef SHOW_CONFIG_H
#define SHOW_CONFIG_H

/* --show-config: each value of this file, and where it comes from. */
int show_config(const char *file);

/* --keys: each key that a file can have. */
int show_keys(void);

#endif
