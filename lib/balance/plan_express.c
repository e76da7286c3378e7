/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Look-ups for ordinary packets: from a destination to its service in one step, and a bit for each
 * address of ours. See pipeline/express.c.
 */
#include "balance/plan_internal.h"

#include <errno.h>

/* Bits for each address of ours, so that of strangers one in 32 at most is looked up. */
#define OURS_BITS  32
#define OURS_LEAST 4096

static int make_ours(struct gt_plan *plan)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i <= plan->addresses_mask; i++)
		n += plan->addresses[i].used;
	n *= OURS_BITS;
	plan->ours_mask = gt_plan_table_size((n < OURS_LEAST ? OURS_LEAST : n) / 2) - 1;
	plan->ours = gt_plan_array((plan->ours_mask + 1) / 64, sizeof(*plan->ours));
	if (plan->ours == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i <= plan->addresses_mask; i++) {
		uint32_t bit;

		if (!plan->addresses[i].used)
			continue;
		bit = (uint32_t)(gt_plan_hash_address(&plan->addresses[i].addr) >> 32) &
		      plan->ours_mask;
		plan->ours[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	return 0;
}

/* Only what the express path treats at all. */
static bool is_express(const struct gt_plan *plan, const struct gt_plan_range *r)
{
	uint16_t vip = plan->services[r->service].vip;

	return !r->wide && vip != 0;
}

static void put(struct gt_plan *plan, const struct gt_addr *addr, const struct gt_plan_range *r,
		uint16_t port)
{
	uint16_t service = gt_plan_range_service(r, port), vip = plan->services[service].vip;
	const struct gt_plan_vip *v = &plan->vips[vip];
	uint32_t wanted = (uint32_t)rte_cpu_to_be_16(port) | (uint32_t)r->protocol << 16;
	uint32_t i = gt_plan_express_home(plan, gt_plan_hash_address(addr), wanted);

	while (plan->express[i].port_protocol != 0)
		i = (i + 1) & plan->express_mask;
	plan->express[i] = (struct gt_plan_express){.port_protocol = wanted,
						    .idle_ticks = v->idle_ticks,
						    .service = service,
						    .vip = vip,
						    .mode = v->mode,
						    .by_source = v->source_service != 0};
	memcpy(plan->express[i].address, addr->b, sizeof(plan->express[i].address));
}

int gt_plan_make_express(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	uint64_t n = 0;
	int ret = make_ours(plan);

	if (ret != 0)
		return ret;
	for (uint32_t i = 0; i < plan->n_ranges; i++)
		if (is_express(plan, &plan->ranges[i]))
			n += plan->ranges[i].last - plan->ranges[i].first + 1U;
	plan->express_mask = gt_plan_table_size(n) - 1;
	plan->express = gt_plan_array(plan->express_mask + 1, sizeof(*plan->express));
	if (plan->express == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i <= plan->addresses_mask; i++) {
		const struct gt_plan_address *a = &plan->addresses[i];

		for (uint32_t j = a->ranges; a->used && j < a->ranges + a->n_ranges; j++) {
			const struct gt_plan_range *r = &plan->ranges[j];

			for (uint32_t port = r->first; is_express(plan, r) && port <= r->last;
			     port++)
				put(plan, &a->addr, r, (uint16_t)port);
		}
	}
	return 0;
}
