/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does everything make progress? A worker whose loop makes no turn for a second is told, as it is
 * told when it goes on; meanwhile systemd's watchdog (WatchdogSec=) is not fed, so that a worker
 * that stays stuck ends in a restart.
 */
#ifndef GT_APP_PROGRESS_H
#define GT_APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct gt_run;

/* A worker is stuck when its loop made no turn for so long. */
#define GT_STUCK_MS 1000

struct gt_progress {
	struct gt_progress_worker {
		uint64_t cycles;    /* of struct gt_lcore, at the last look */
		uint64_t turned_ms; /* when they last changed */
		uint32_t still_ms;  /* main has seen them stand still for so long */
		bool stuck;
	} workers[GT_WORKERS_MAX];
	uint64_t looked_ms;
	uint32_t watchdog_ms; /* between two feedings; 0: nobody wants it fed */
	uint64_t fed_ms;
};

/* Reads what systemd wants: $WATCHDOG_USEC, $WATCHDOG_PID. Main, once. */
void gt_progress_init(struct gt_progress *p);

/* Looks at all workers of r, tells what changed, feeds the watchdog. Main, every 100 ms or so. */
void gt_progress_look(struct gt_run *r, uint64_t now_ms);

/* For how many seconds a worker has been stuck; 0: it is not. Main. */
double gt_progress_stuck_s(const struct gt_run *r, unsigned worker, uint64_t now_ms);

#endif
