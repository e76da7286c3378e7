/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to speak of SNAT's source ports: one line when connections begin to be refused, one when
 * that has ended; one when the ports to a server are nearly used up, one when they are not any
 * more. Both with a distance between on and off, so that a value at the edge does not fill the log.
 * Without I/O: numbers and time are arguments. Main only.
 */
#ifndef GT_NODE_SNAT_ALARM_H
#define GT_NODE_SNAT_ALARM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "flow/snat.h"

/* Used up, in percent: the alarm goes on at the first and off below the second. */
#define GT_SNAT_ALARM_ON_PERCENT  80
#define GT_SNAT_ALARM_OFF_PERCENT 70

/* Nothing was refused for so long: it is over. Also the least time between two lines of a kind. */
#define GT_SNAT_ALARM_QUIET_MS 30000

struct gt_snat_alarm {
	uint64_t refused;    /* frames, at the last look */
	uint64_t begin;	     /* refused before this episode began */
	uint64_t refused_ms; /* when the number grew last */
	uint64_t told_ms;    /* the last line about ports */
	bool refusing, full;
	struct gt_snat_pair_key pair; /* of the last line about ports */
};

/*
 * What is so now. refused: frames dropped as snat-full, over all workers, since the start; percent
 * and fullest: gt_snat_fullest_percent of the worker that has most. Call it every second or so.
 */
void gt_snat_alarm_look(struct gt_snat_alarm *a, uint64_t now_ms, uint64_t refused,
			unsigned percent, const struct gt_snat_pair_key *fullest,
			const struct gt_events *events);

#endif
