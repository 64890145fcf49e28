/* environment: variables that make libraries do what no configuration of ours says. */
#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/*
 * Takes them away: for good, so before there are threads. Without it whoever starts the filter with
 * a variable too many has TLS keys written to a file (SSLKEYLOGFILE), other certificates trusted, a
 * proxy asked, or a library loaded into the programs that we run.
 */
void environment_clean(void);

#endif
