/*
 * random: libcrypto's generator, which TLS uses, tried before it is needed.
 *
 * It is made at its first use, by thread. If memory fails just then it stays unmade, and no TLS
 * connection is made any more as long as the process lives.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>

/* Does it give numbers to this thread? */
bool random_is_ready(void);

#endif
