/* SPDX-License-Identifier: BSD-3-Clause */
/* The metrics of a running gantry; see metrics.h. */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "version.h"

struct gt_metrics_loop gt_metrics_of_loop(const struct gt_run *r, unsigned worker)
{
	const struct gt_lcore *l = r->lcores[worker];

	return (struct gt_metrics_loop){
		.cpu = l->cpu,
		.stuck = r->progress.workers[worker].stuck,
		.busy_ratio = r->busy_percent[worker] / 100,
		.busy_s = (double)__atomic_load_n(&l->busy_cycles, __ATOMIC_RELAXED) /
			  (double)rte_get_tsc_hz(),
	};
}

static void ask_devices(struct gt_run *r, struct gt_metrics_link *links)
{
	struct gt_port_stats stats;

	for (unsigned i = 0; i < r->ports.n; i++) {
		struct gt_port *p = &r->ports.list[i];

		gt_ports_stats(p, &stats);
		links[i] = (struct gt_metrics_link){.name = p->name,
						    .up = p->link_up,
						    .speed_mbps = p->speed_mbps,
						    .missed = stats.missed,
						    .errors = stats.errors};
	}
}

bool gt_metrics_more(struct gt_run *r, struct gt_metrics_walk *walk, char *buf, size_t size,
		     size_t *used)
{
	struct gt_worker *workers[GT_WORKERS_MAX];
	struct gt_metrics_loop loops[GT_WORKERS_MAX];
	struct gt_metrics m = {.node = r->node,
			       .workers = workers,
			       .n_workers = r->n_lcores,
			       .loops = loops,
			       .links = walk->links,
			       .n_links = r->ports.n,
			       .name = r->name,
			       .version = GT_VERSION,
			       .dpdk = rte_version() + sizeof("DPDK ") - 1,
			       .start_s = r->started_s};

	gt_run_workers(r, workers);
	for (unsigned i = 0; i < r->n_lcores; i++)
		loops[i] = gt_metrics_of_loop(r, i);
	if (walk->links[0].name == NULL)
		ask_devices(r, walk->links);
	return gt_metrics_write(&m, &walk->at, buf, size, used);
}

json_t *gt_metrics_slice(struct gt_run *r, const char *cursor)
{
	enum { BYTES = 65536 };
	struct gt_metrics_walk walk = {0};
	char *text, next[32];
	int end = -1;
	json_t *o = NULL;
	size_t used;
	bool more;

	if (sscanf(cursor, "%" SCNu32 ":%" SCNu32 "%n", &walk.at.family, &walk.at.next, &end) !=
		    2 ||
	    cursor[end] != '\0')
		return NULL;
	text = malloc(BYTES);
	if (text == NULL)
		return NULL;
	more = gt_metrics_more(r, &walk, text, BYTES, &used);
	snprintf(next, sizeof(next), "%" PRIu32 ":%" PRIu32, walk.at.family, walk.at.next);
	o = json_pack("{s:s%}", "metrics", text, used);
	if (o != NULL && more && json_object_set_new(o, "next", json_string(next)) != 0) {
		json_decref(o);
		o = NULL;
	}
	free(text);
	return o;
}
