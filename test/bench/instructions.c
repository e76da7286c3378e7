/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet core on one kind of frame, for callgrind: instructions a frame are the same in every
 * run, where times are not. Prints nothing; `instructions.sh` runs it and reads what
 * gt_worker_burst cost.
 *
 *   instructions CONFIG VIP FLOWS FRAMES [replies]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_tcp.h>

#include "../../app/gantry/bench_traffic.h"

static const struct gt_config_vip *find_vip(const struct gt_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_vips; i++)
		if (strcmp(c->vips[i].name, name) == 0)
			return &c->vips[i];
	fprintf(stderr, "no VIP %s\n", name);
	exit(1);
}

/* What callgrind is told to count: nothing but this calls the core. */
void __attribute__((noinline))
gt_counted_burst(struct gt_worker *w, const struct gt_plan *plan, struct gt_traffic *t);

void __attribute__((noinline))
gt_counted_burst(struct gt_worker *w, const struct gt_plan *plan, struct gt_traffic *t)
{
	gt_worker_burst(w, plan, GT_TRAFFIC_NOW_MS, t->frames, GT_BURST_MAX);
}

int main(int argc, char **argv)
{
	struct gt_config_messages messages;
	struct gt_worker_params params;
	struct gt_config *config;
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_plan *plan;
	struct gt_traffic t;
	struct gt_worker *w;
	uint32_t flows, frames, flow = 0;
	char why[120];
	bool replies;

	if (argc < 5 || gt_config_load(argv[1], &config, &messages) != 0)
		return 2;
	flows = (uint32_t)strtoul(argv[3], NULL, 10);
	frames = (uint32_t)strtoul(argv[4], NULL, 10);
	replies = argc > 5;
	if (gt_traffic_plan(config, macs, &plan) != 0)
		return 1;
	gt_worker_params_init(&params, config);
	params.connections = flows * 2;
	params.memory = gt_memory_heap;
	w = gt_worker_create(&params);
	if (w == NULL || gt_traffic_create(&t, config, find_vip(config, argv[2]), macs, flows) != 0)
		return 1;
	if (!gt_traffic_establish(&t, w, plan, flows, why, sizeof(why))) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (uint32_t n = 0; n < frames; n += GT_BURST_MAX) {
		for (unsigned i = 0; i < GT_BURST_MAX; i++, flow = (flow + 7) % flows) {
			if (replies)
				gt_traffic_reply(&t, i, flow);
			else
				gt_traffic_request(&t, i, flow, RTE_TCP_ACK_FLAG);
		}
		gt_counted_burst(w, plan, &t);
		if (t.frames[0].verdict != GT_SEND)
			return 1;
	}
	gt_traffic_destroy(&t);
	gt_worker_destroy(w);
	gt_plan_free(plan);
	gt_config_free(config);
	gt_config_messages_free(&messages);
	return 0;
}
