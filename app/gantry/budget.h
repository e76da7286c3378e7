/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory a node needs, before any is taken: the workers' tables and the packet buffers. So
 * that EAL can be told how much, and a machine with too little is told what to do.
 */
#ifndef GT_APP_BUDGET_H
#define GT_APP_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "cpus.h"
#include "devices.h"

#define GT_DESCRIPTORS	  1024 /* of each queue of a device */
#define GT_PUNT_RING	  512  /* frames on the way from a worker to main */
#define GT_KERNEL_RING	  1024 /* and those for the host's kernel, if it has a TAP */
#define GT_HANDED_RING	  1024 /* and to a worker from all others, if there are others */
#define GT_TRANSMIT_RING  1024 /* and from main to a worker */
#define GT_ANSWERS_HELD	  512  /* main's, that wait for a plan */
#define GT_BUFFERS_CACHED 256  /* each core keeps up to 1.5 times as many for itself */

struct gt_budget {
	uint32_t buffers;      /* of each pool */
	uint32_t buffers_held; /* that queues, rings and cores can hold at most */
	unsigned n_pools;      /* one for each NUMA node that has a NIC */
	uint64_t tables_bytes; /* of all workers */
	uint64_t piece_bytes;  /* the largest that is to be in one piece */
	uint64_t pools_bytes;
	uint64_t total_bytes; /* with DPDK's own */
};

void gt_budget_plan(const struct gt_config *config, const struct gt_device devices[],
		    struct gt_budget *out);

/*
 * Is there so much, as hugepages on the node (or as ordinary memory)? 0, or -ENOMEM after a message
 * that says what to do. Main, before EAL.
 */
int gt_budget_check(const struct gt_config *config, const struct gt_budget *budget,
		    const struct gt_cpus *cpus, const struct gt_log *log);

/* Bytes that are free: hugepages of the node, or ordinary memory, as the configuration asks. Main.
 */
uint64_t gt_budget_available(const struct gt_config *config, const struct gt_cpus *cpus);

#endif
