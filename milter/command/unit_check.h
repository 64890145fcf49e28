/* unit_check: can the filter do under systemd, in its unit's sandbox, what it is configured to do? */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include "buffer.h"
#include "config.h"
#include "span.h"

/*
 * Asks systemctl(1) how the installed unit is confined, and appends a line for each fault. Nothing is
 * appended where there is no systemd or no such unit, or for another file than the unit uses.
 */
void unit_check(const struct config *config, struct buffer *faults);

/* The same for what systemctl showed: NAME=VALUE, a line each. Pure. */
void unit_check_shown(struct span shown, const struct config *config, struct buffer *faults);

#endif
