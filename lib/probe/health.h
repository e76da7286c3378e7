/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the results of a server's checks say about it, and when to check it next. No I/O and no
 * clock: all times are arguments, in milliseconds of one clock.
 *
 * A server begins up, so that a restarted gantry drops no connection, and unchecked. `fall`
 * failures in a row turn it down, `rise` successes in a row up again. A check that cannot be made
 * here (no route, no socket) is no result: it says nothing about the server, and leaves its state.
 *
 * From a fault to a server that is down pass at most interval * fall + timeout: a check starts at
 * most one interval after the one before, and after a result that contradicts the state half of it.
 */
#ifndef GT_PROBE_HEALTH_H
#define GT_PROBE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/probe.h"

struct gt_health_rule {
	uint64_t id;	      /* of what is asked of whom: results of another say nothing */
	uint32_t interval_ms; /* between the starts of two checks; 0: nobody checks it */
	uint32_t timeout_ms;  /* at most the interval */
	uint32_t rise, fall;  /* at least 1 */
};

enum gt_health_outcome {
	GT_HEALTH_UNCHECKED, /* no check could be made here (yet) */
	GT_HEALTH_HEALTHY,
	GT_HEALTH_SICK,
};

/* One check. */
struct gt_health_result {
	enum gt_health_outcome outcome; /* UNCHECKED: it could not be made */
	const char *reason;		/* in words for the operator, cut to fit */
	uint64_t started_ms, ended_ms;
	uint32_t duration_us;
};

struct gt_health {
	struct gt_health_rule rule;
	bool up;
	uint32_t against;	  /* results in a row that contradict `up` */
	uint64_t against_ms;	  /* start of the first of them */
	uint64_t changed_ms;	  /* when `up` last changed; 0: never */
	uint32_t changed_results; /* that made that change, */
	uint64_t changed_took_ms; /* from the start of the first to the end of the last */
	uint64_t healthy, sick;	  /* results so far */
	struct gt_health_last {
		enum gt_health_outcome outcome;
		uint64_t ended_ms;
		uint32_t duration_us;
		char reason[GT_PROBE_REASON_MAX];
	} last; /* the last check that was tried */
};

enum gt_health_change {
	GT_HEALTH_NO_CHANGE,
	GT_HEALTH_WENT_UP,
	GT_HEALTH_WENT_DOWN,
	GT_HEALTH_BLIND, /* checks cannot be made, since this one */
	GT_HEALTH_SEES, /* they can again: the first result after that; the server's state stands */
};

/* Begins unchecked. `up`: what it counts as until results say otherwise. Any caller. */
void gt_health_start(struct gt_health *h, const struct gt_health_rule *rule, bool up);

/* Counts a result. Any caller. */
enum gt_health_change gt_health_count(struct gt_health *h, const struct gt_health_result *r);

/*
 * When the first of n checks that begin together, number k, is due: as soon as one a millisecond
 * allows, and all within the interval if that is possible. Any caller.
 */
uint64_t gt_health_first_ms(const struct gt_health_rule *rule, size_t k, size_t n, uint64_t now_ms);

/*
 * When the check after one that started at started_ms is due, not before now_ms. random: any bits;
 * up to an eighth of the interval is taken off, so that checks that once began together do not
 * stay together. Any caller.
 */
uint64_t gt_health_next_ms(const struct gt_health *h, uint64_t started_ms, uint64_t now_ms,
			   uint32_t random);

#endif
