/* services: what the messages of a process share. */
#ifndef SERVICES_H
#define SERVICES_H

#include "active.h"
#include "breaker.h"
#include "clock.h"
#include "http.h"
#include "ledger.h"
#include "metrics.h"
#include "pace.h"
#include "redis_store.h"

struct message_services {
	struct http *http;
	struct active *active;
	struct metrics *metrics; /* or NULL: nothing is counted */
	struct ledger *ledger;   /* NULL: keep nothing */
	struct pace *pace;
	struct redis_store *store; /* the pace's; or NULL */
	struct breakers *breakers;
	struct clock_watch *clock; /* NULL: the time of day is always trusted */
};

#endif
