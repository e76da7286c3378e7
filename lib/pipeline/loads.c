/* SPDX-License-Identifier: BSD-3-Clause */
/* What all workers' servers have; see loads.h. */
#include "pipeline/loads.h"

#include <stdlib.h>

#include "pipeline/pipeline.h"

struct gt_loads *gt_loads_create(unsigned n_workers)
{
	/* Pages that no server uses are never touched. */
	struct gt_loads *loads = calloc(
		1, sizeof(*loads) + sizeof(loads->counts[0]) * GT_SERVERS_MAX * (n_workers + 1));

	if (loads != NULL)
		loads->n_workers = n_workers;
	return loads;
}

void gt_loads_gather(struct gt_loads *loads, const struct gt_plan *plan,
		     struct gt_worker *const *workers)
{
	for (uint32_t i = 1; i < plan->n_servers; i++) {
		int32_t *counts = &loads->counts[(size_t)i * (loads->n_workers + 1)];
		int32_t sum = 0;

		if (plan->vips[plan->servers[i].vip].scheduler != GT_SCHED_LEAST_CONNECTIONS)
			continue;
		for (unsigned w = 0; w < loads->n_workers; w++) {
			int32_t open = (int32_t)__atomic_load_n(&workers[w]->servers[i].open,
								__ATOMIC_RELAXED);

			sum += open;
			__atomic_store_n(&counts[1 + w], open, __ATOMIC_RELAXED);
		}
		__atomic_store_n(&counts[0], sum, __ATOMIC_RELAXED);
	}
}
