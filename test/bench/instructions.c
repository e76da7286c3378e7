/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet core on one kind of frame, for callgrind: instructions a frame are the same in every
 * run, where times are not. Prints nothing; `test_instructions.py` runs it and reads what
 * gt_worker_burst cost.
 *
 *   instructions CONFIG VIP FLOWS FRAMES [KIND]
 *
 * Without a kind: packets of established connections. replies: of their servers; both: one of each
 * in turns; fin: what only the
 * general path takes; new: SYNs, each of another connection; flood: the same, while the table is
 * full of established connections.
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

enum kind { HITS, REPLIES, BOTH, FIN, NEW, FLOOD, KINDS };

static enum kind find_kind(const char *name)
{
	static const char *names[KINDS] = {"", "replies", "both", "fin", "new", "flood"};
	unsigned i = 0;

	while (i < KINDS && strcmp(names[i], name) != 0)
		i++;
	if (i == KINDS) {
		fprintf(stderr, "no kind %s\n", name);
		exit(2);
	}
	return (enum kind)i;
}

/* With room for all, but of a flood: then just for the connections that are there before it. */
static struct gt_worker *create_worker(const struct gt_config *config,
				       const struct gt_config_vip *vip, enum kind kind,
				       uint32_t flows, uint32_t frames)
{
	struct gt_worker_params params;

	gt_worker_params_init(&params, config);
	params.memory = gt_memory_heap;
	params.connections = flows * 2 + (kind == NEW ? frames : 0);
	if (kind == FLOOD) {
		params.connections = flows;
		params.wide = !gt_addr_is_v4(&vip->address);
	}
	return gt_worker_create(&params);
}

static void make_burst(struct gt_traffic *t, enum kind kind, uint32_t flows, uint32_t n)
{
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		uint32_t known = (n + i) * 7 % flows, fresh = flows + n + i;

		switch (kind) {
		case REPLIES:
			gt_traffic_reply(t, i, known);
			break;
		case BOTH:
			if (i % 2 == 0)
				gt_traffic_request(t, i, known, RTE_TCP_ACK_FLAG);
			else
				gt_traffic_reply(t, i, known);
			break;
		case FIN:
			gt_traffic_request(t, i, known, RTE_TCP_ACK_FLAG | RTE_TCP_FIN_FLAG);
			break;
		case NEW:
		case FLOOD:
			gt_traffic_request(t, i, fresh, RTE_TCP_SYN_FLAG);
			break;
		default:
			gt_traffic_request(t, i, known, RTE_TCP_ACK_FLAG);
		}
	}
}

int main(int argc, char **argv)
{
	struct gt_config_messages messages;
	const struct gt_config_vip *vip;
	struct gt_config *config;
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_plan *plan;
	struct gt_traffic t;
	struct gt_worker *w;
	uint32_t flows, frames;
	char why[120];
	enum kind kind;

	if (argc < 5 || gt_config_load(argv[1], &config, &messages) != 0)
		return 2;
	flows = (uint32_t)strtoul(argv[3], NULL, 10);
	frames = (uint32_t)strtoul(argv[4], NULL, 10);
	kind = find_kind(argc > 5 ? argv[5] : "");
	if (gt_traffic_plan(config, macs, &plan) != 0)
		return 1;
	vip = find_vip(config, argv[2]);
	w = create_worker(config, vip, kind, flows, frames);
	if (w == NULL || gt_traffic_create(&t, config, vip, macs, flows) != 0)
		return 1;
	if (!gt_traffic_establish(&t, w, plan, GT_TRAFFIC_NOW_MS, flows, why, sizeof(why))) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (uint32_t n = 0; n < frames; n += GT_BURST_MAX) {
		make_burst(&t, kind, flows, n);
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
