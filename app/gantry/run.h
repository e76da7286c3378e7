/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `gantry run` as a whole: what its files share. Main owns all of it; a worker sees only its own
 * struct gt_lcore and struct gt_shared.
 */
#ifndef GT_APP_RUN_H
#define GT_APP_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "budget.h"
#include "config/config.h"
#include "cpus.h"
#include "devices.h"
#include "kernel.h"
#include "node/node.h"
#include "ports.h"
#include "progress.h"
#include "worker.h"

struct gt_control;
struct gt_prober;
struct gt_reload;
struct gt_metrics_http;

/* How long main took for plans that were published. */
struct gt_plan_times {
	uint64_t last_us, longest_us, sum_us;
};

struct gt_run {
	struct gt_log log;
	struct gt_events events; /* to the log and to who watches */
	char name[GT_NAME_MAX + 1];
	struct gt_config *config; /* until the node owns it: NULL from then on */
	struct gt_control *control;
	struct gt_reload *reload;
	struct gt_metrics_http *metrics; /* NULL: none */
	struct gt_progress progress;
	struct gt_device devices[GT_INTERFACES_MAX];
	struct gt_cpus cpus;
	struct gt_budget budget;
	struct gt_ports ports;
	struct gt_kernel kernel;
	struct gt_node *node;
	struct gt_prober *prober;
	struct gt_shared *shared;
	struct gt_lcore *lcores[GT_WORKERS_MAX];
	unsigned n_lcores;
	double busy_percent[GT_WORKERS_MAX]; /* of each worker, in the last second */
	uint64_t started_ms;
	bool ready;	  /* links are up, it was told */
	double started_s; /* since 1970 */
	uint64_t plans;	  /* published so far: the number of the newest */
	struct gt_plan_times plan_times;
};

/* All workers' cores, for those that sum up or read what they have. Main. */
static inline void gt_run_workers(const struct gt_run *r, struct gt_worker *workers[GT_WORKERS_MAX])
{
	for (unsigned i = 0; i < r->n_lcores; i++)
		workers[i] = r->lcores[i]->worker;
}

/* Milliseconds of CLOCK_MONOTONIC: the clock of main and of all workers. Any caller. */
uint64_t gt_clock_ms(void);

#endif
