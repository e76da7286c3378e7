/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which CPU main and each worker run on: as the configuration says, else CPUs of the NIC's NUMA
 * node that this process may use.
 */
#ifndef GT_APP_CPUS_H
#define GT_APP_CPUS_H

#include <sched.h>
#include <stdbool.h>

#include "base/log.h"
#include "config/config.h"

struct gt_cpus {
	int main;
	int workers[GT_WORKERS_MAX];
	unsigned n_workers;
	int node;    /* NUMA node of the first worker's CPU: 0 where there is only one */
	bool shared; /* some CPU has two of them: too few CPUs */
	/* For whatever else runs here: what this process was given, without the workers' CPUs
	 * (main's alone if nothing remains). */
	cpu_set_t others;
};

/*
 * nic_node: the NUMA node of the NICs, -1 unknown. 0, or -EINVAL after a message: a core of the
 * configuration is not available. Main, before EAL.
 */
int gt_cpus_choose(const struct gt_config *config, int nic_node, const struct gt_log *log,
		   struct gt_cpus *out);

#endif
