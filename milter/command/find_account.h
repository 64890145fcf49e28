/* find_account: the account that a command is for. */
#ifndef FIND_ACCOUNT_H
#define FIND_ACCOUNT_H

#include "config.h"

/*
 * The account of this name, or the only one if `name` is NULL. NULL, and a complaint on standard
 * error that names those there are, if there is none of that name, or none is named and there are
 * several.
 */
const struct account *find_account(const struct config *config, const char *name);

#endif
