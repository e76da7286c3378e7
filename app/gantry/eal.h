/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's environment (EAL): its arguments from the configuration alone, its start and end, and what
 * it says. EAL and the drivers talk a lot; gantry shows their words only where they explain a
 * failure.
 */
#ifndef GT_APP_EAL_H
#define GT_APP_EAL_H

#include "base/log.h"
#include "budget.h"
#include "config/config.h"
#include "cpus.h"
#include "devices.h"

/*
 * Starts EAL. Lcore 0 is main, lcore 1 + i is worker i. Until gt_eal_listen, what EAL and the
 * drivers say is kept. 0, -errno after a message. Main, once in a process.
 */
int gt_eal_start(const struct gt_config *config, const struct gt_device devices[],
		 const struct gt_cpus *cpus, const struct gt_budget *budget,
		 const struct gt_log *log);

/* From now on only what is said later counts for gt_eal_said. Main. */
void gt_eal_forget(void);

/* The last words of EAL and the drivers in one line, for an error message; "" if there were none.
 * Returns buf. Main. */
char *gt_eal_said(char *buf, size_t size);

#define GT_EAL_SAID_MAX 300

/* From now on what is said goes to the log, at most ten lines a minute. `log` must stay. Main. */
void gt_eal_listen(const struct gt_log *log);

/* Ends EAL, also if it never started. Main. */
void gt_eal_stop(void);

#endif
