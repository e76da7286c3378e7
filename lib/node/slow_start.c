/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slow start: who was away comes back with cold caches and would otherwise get, with
 * least-connections, all new connections at once. Its share grows from a tenth of its weight to all
 * of it in ten steps: each step is a plan, and moves a tenth of its slots only.
 */
#include "node/internal.h"

#define TENTHS 10

void gt_node_begin_slow_start(struct gt_node *node, const struct gt_node_place *at)
{
	struct gt_server_state *s = &node->states[at->index];

	if (at->vip->slow_start_s == 0)
		return;
	s->slow_since_ms = node->now_ms;
	s->slow_tenths = TENTHS - 1;
	node->slow = true;
}

/* The tenths of its weight that are missing now. */
static uint8_t missing(const struct gt_node *node, const struct gt_config_vip *vip,
		       const struct gt_server_state *s)
{
	uint64_t passed_ms = node->now_ms > s->slow_since_ms ? node->now_ms - s->slow_since_ms : 0;
	uint64_t tenths;

	if (vip->slow_start_s == 0) /* a reload ended it */
		return 0;
	tenths = passed_ms * TENTHS / (vip->slow_start_s * UINT64_C(1000));
	if (tenths >= TENTHS)
		return 0;
	return (uint8_t)(TENTHS - (tenths > 0 ? tenths : 1));
}

void gt_node_advance_slow_start(struct gt_node *node)
{
	size_t k = 0;

	if (!node->slow)
		return;
	node->slow = false;
	for (size_t i = 0; i < node->config->n_vips; i++) {
		const struct gt_config_vip *vip = &node->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			struct gt_server_state *s = &node->states[k];
			uint8_t tenths;

			if (s->slow_tenths == 0)
				continue;
			tenths = missing(node, vip, s);
			node->slow = node->slow || tenths > 0;
			node->dirty = node->dirty || tenths != s->slow_tenths;
			s->slow_tenths = tenths;
			if (tenths == 0)
				gt_node_tell(node,
					     (struct gt_event){.level = LOG_INFO,
							       .kind = "server",
							       .vip = vip->name,
							       .server = vip->servers[j].name,
							       .what = "slow start",
							       .old = "growing",
							       .now = "done"},
					     "server %s/%s: slow start is over: weight %u",
					     vip->name, vip->servers[j].name, s->weight);
		}
	}
}
