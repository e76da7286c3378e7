/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Look-ups for ordinary packets: from a destination to its service in one step, a bit for each
 * address of ours, and their networks. See pipeline/express.c.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <string.h>

/* Bits for each address of ours, so that of strangers one in 32 at most is looked up. */
#define OURS_BITS  32
#define OURS_LEAST 4096

/* Places of a table of services, so that replies, which are to none, mostly meet a free one at
 * once: how many they would have to pass nobody can predict. */
#define EXPRESS_LEAST 256

/* Of a table whose size is a power of two and at least two, for a hash of so many bits. */
static uint8_t shift_of(uint32_t size, int bits)
{
	return (uint8_t)(bits - __builtin_ctz(size));
}

/* An address's first half, among those of ours. */
static void add_network(struct gt_plan *plan, uint64_t first, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		if (plan->ours_networks[i] == first)
			return;
	if (*n == GT_PLAN_NETWORKS) {
		plan->ours_are_scattered = true;
		return;
	}
	/* What is not used yet is the same. */
	for (unsigned i = (*n)++; i < GT_PLAN_NETWORKS; i++)
		plan->ours_networks[i] = first;
}

static int make_ours(struct gt_plan *plan)
{
	unsigned n_networks = 0;
	uint64_t n = 0;
	uint32_t size;

	for (uint32_t i = 0; i <= plan->addresses_mask; i++)
		n += plan->addresses[i].used;
	n *= OURS_BITS;
	size = gt_plan_table_size((n < OURS_LEAST ? OURS_LEAST : n) / 2);
	plan->ours_shift = shift_of(size, 32);
	plan->ours = gt_plan_array(size / 64, sizeof(*plan->ours));
	if (plan->ours == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i <= plan->addresses_mask; i++) {
		uint64_t w[2];
		uint32_t at;

		if (!plan->addresses[i].used)
			continue;
		memcpy(w, plan->addresses[i].addr.b, sizeof(w));
		at = gt_plan_ours_at(w[0], w[1], plan->ours_shift);
		plan->ours[at / 64] |= UINT64_C(1) << at % 64;
		if (!gt_addr_is_v4(&plan->addresses[i].addr))
			add_network(plan, w[0], &n_networks);
	}
	return 0;
}

/* Only what the express path treats at all. */
static bool is_express(const struct gt_plan *plan, const struct gt_plan_range *r)
{
	uint16_t vip = plan->services[r->service].vip;

	return !r->wide && vip != 0;
}

static void put_v4(struct gt_plan *plan, const struct gt_addr *addr, uint32_t port_protocol,
		   const struct gt_plan_express *to)
{
	uint64_t key = (uint64_t)port_protocol << 32 | gt_addr_v4(addr);
	uint32_t i = gt_plan_express_v4_home(key, plan->express_v4_shift);

	while (plan->express_v4[i].key != 0)
		i = (i + 1) & (UINT32_MAX >> plan->express_v4_shift);
	plan->express_v4[i] = (struct gt_plan_express_v4){key, *to};
}

static void put_v6(struct gt_plan *plan, const struct gt_addr *addr, uint32_t port_protocol,
		   const struct gt_plan_express *to)
{
	uint64_t i;
	struct gt_plan_express_v6 e = {.port_protocol = port_protocol, .to = *to};

	memcpy(e.address, addr->b, sizeof(e.address));
	i = gt_plan_express_v6_home(e.address, port_protocol, plan->express_v6_shift);
	while (plan->express_v6[i].port_protocol != 0)
		i = (i + 1) & (UINT64_MAX >> plan->express_v6_shift);
	plan->express_v6[i] = e;
}

static uint8_t flags_of(const struct gt_plan_vip *v)
{
	return (uint8_t)((v->mode == GT_MODE_SNAT ? GT_EXPRESS_SESSIONS : 0) |
			 (v->mode == GT_MODE_NAT ? GT_EXPRESS_CHANGES : 0) |
			 (v->mode == GT_MODE_TUNNEL ? GT_EXPRESS_WRAPS : 0) |
			 (v->source_service != 0 ? GT_EXPRESS_BY_SOURCE : 0));
}

/* All services of an address. */
static void put_address(struct gt_plan *plan, const struct gt_plan_address *a)
{
	for (uint32_t j = a->ranges; j < a->ranges + a->n_ranges; j++) {
		const struct gt_plan_range *r = &plan->ranges[j];

		for (uint32_t port = r->first; is_express(plan, r) && port <= r->last; port++) {
			uint16_t service = gt_plan_range_service(r, (uint16_t)port);
			const struct gt_plan_vip *v = &plan->vips[plan->services[service].vip];
			uint32_t wanted = (uint32_t)rte_cpu_to_be_16((uint16_t)port) |
					  (uint32_t)r->protocol << 16;
			const struct gt_plan_express to = {.idle_ticks = v->idle_ticks,
							   .service = service,
							   .flags = flags_of(v)};

			if (gt_addr_is_v4(&a->addr))
				put_v4(plan, &a->addr, wanted, &to);
			else
				put_v6(plan, &a->addr, wanted, &to);
		}
	}
}

int gt_plan_make_express(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	uint64_t n[2] = {0}; /* of IPv6, of IPv4 */
	uint32_t size[2];
	int ret = make_ours(plan);

	if (ret != 0)
		return ret;
	for (uint32_t i = 0; i <= plan->addresses_mask; i++) {
		const struct gt_plan_address *a = &plan->addresses[i];

		for (uint32_t j = a->ranges; a->used && j < a->ranges + a->n_ranges; j++)
			if (is_express(plan, &plan->ranges[j]))
				n[gt_addr_is_v4(&a->addr)] +=
					plan->ranges[j].last - plan->ranges[j].first + 1U;
	}
	for (unsigned v4 = 0; v4 < 2; v4++)
		size[v4] = gt_plan_table_size(RTE_MAX(n[v4], EXPRESS_LEAST / 2U));
	plan->express_v6_shift = shift_of(size[0], 64);
	plan->express_v6 = gt_plan_array(size[0], sizeof(*plan->express_v6));
	plan->express_v4_shift = shift_of(size[1], 32);
	plan->express_v4 = gt_plan_array(size[1], sizeof(*plan->express_v4));
	if (plan->express_v6 == NULL || plan->express_v4 == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i <= plan->addresses_mask; i++)
		if (plan->addresses[i].used)
			put_address(plan, &plan->addresses[i]);
	return 0;
}
