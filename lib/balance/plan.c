/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a plan: numbers of the VIPs, addresses, services, servers, groups, who takes new
 * connections, tables, in this order, or only what changed since the last one of the same
 * configuration (plan_follow.c); and what workers ask of it. See plan.h.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "balance/maglev.h"

void *gt_plan_array(size_t n, size_t size)
{
	size_t bytes = ((n > 0 ? n : 1) * size + 63) & ~(size_t)63;
	void *p = aligned_alloc(64, bytes);

	/* What is made to fit a cache line shall lie in one. */
	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

uint32_t gt_plan_table_size(uint64_t n)
{
	uint32_t size = 16;

	while (size < 2 * n)
		size *= 2;
	return size;
}

static int begin(struct gt_plan_builder *b, const struct gt_mac *macs)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;

	plan->build = calloc(1, sizeof(*plan->build));
	b->vip_numbers = gt_plan_array(b->config->n_vips, sizeof(*b->vip_numbers));
	b->used = gt_plan_array(GT_SERVICES_MAX, 1);
	if (plan->build == NULL || b->vip_numbers == NULL || b->used == NULL)
		return -ENOMEM;
	plan->generation = old != NULL ? old->generation + 1 : 1;
	plan->build->service_cursor = old != NULL ? old->build->service_cursor : 1;
	plan->build->server_cursor = old != NULL ? old->build->server_cursor : 1;
	plan->build->vip_cursor = old != NULL ? old->build->vip_cursor : 1;
	plan->build->name_cursor = old != NULL ? old->build->name_cursor : 1;
	plan->seed = gt_siphash_key_from_seed(b->config->seed);
	plan->n_interfaces = (unsigned)b->config->n_interfaces;
	for (size_t i = 0; i < b->config->n_interfaces; i++)
		plan->interfaces[i] = (struct gt_plan_interface){
			.mac = macs[i],
			.vlan = b->config->interfaces[i].vlan,
			.mtu = b->config->interfaces[i].mtu,
			.kernel = b->config->interfaces[i].kernel != NULL};
	return 0;
}

int gt_plan_build(const struct gt_config *config, const struct gt_server_state *states,
		  const struct gt_mac *macs, const struct gt_plan_known *known, size_t n_known,
		  const struct gt_plan *previous, struct gt_plan **out)
{
	return gt_plan_build_by_draft(config, states, macs, known, n_known, previous, NULL, NULL,
				      out);
}

/* A whole plan but for routes and neighbours. */
static int build_whole(struct gt_plan_builder *b, const struct gt_mac *macs)
{
	int ret = begin(b, macs);

	if (ret == 0)
		ret = gt_plan_number_vips(b);
	if (ret == 0)
		ret = gt_plan_make_vips(b);
	if (ret == 0)
		ret = gt_plan_make_addresses(b);
	if (ret == 0)
		ret = gt_plan_number_groups(b);
	if (ret == 0)
		ret = gt_plan_make_services(b);
	if (ret == 0)
		ret = gt_plan_make_servers(b);
	if (ret == 0)
		ret = gt_plan_make_groups(b);
	if (ret == 0)
		ret = gt_plan_choose_members(b);
	if (ret == 0)
		ret = gt_plan_make_tables(b);
	if (ret == 0)
		ret = gt_plan_make_nats(b);
	if (ret == 0)
		ret = gt_plan_make_sources(b);
	if (ret == 0)
		ret = gt_plan_make_express(b);
	if (ret == 0)
		ret = gt_plan_share(b);
	free(b->vip_numbers);
	free(b->server_numbers);
	free(b->used);
	return ret;
}

int gt_plan_build_by_draft(const struct gt_config *config, const struct gt_server_state *states,
			   const struct gt_mac *macs, const struct gt_plan_known *known,
			   size_t n_known, const struct gt_plan *previous,
			   const struct gt_plan *draft, const struct gt_plan_crew *crew,
			   struct gt_plan **out)
{
	struct gt_plan_builder b = {.config = config,
				    .states = states,
				    .previous = previous,
				    .draft = draft,
				    .crew = crew};
	const struct gt_plan *base = gt_plan_find_base(&b, macs);
	int ret;

	b.plan = calloc(1, sizeof(*b.plan));
	if (b.plan == NULL)
		return -ENOMEM;
	ret = base != NULL ? gt_plan_follow(&b, base) : build_whole(&b, macs);
	if (ret == 0)
		ret = gt_plan_make_routes(&b);
	if (ret == 0)
		ret = gt_plan_make_neighbours(&b, known, n_known);
	if (ret != 0) {
		gt_plan_free(b.plan);
		return ret;
	}
	*out = b.plan;
	return 0;
}

void gt_plan_free(struct gt_plan *plan)
{
	if (plan == NULL)
		return;
	if (plan->build != NULL) {
		for (uint32_t i = 0; plan->build->tables != NULL && i < plan->n_vips; i++)
			gt_plan_free_table(plan->build->tables[i]);
		free(plan->build->tables);
		gt_plan_unshare(plan);
		free(plan->build);
	}
	free(plan->addresses);
	free(plan->routes[0]);
	free(plan->routes[1]);
	free(plan->neighbours);
	free(plan->vips);
	free(plan->servers);
	free(plan->server_names);
	free(plan);
}

/* ---- what workers call ---- */

const struct gt_plan_range *gt_plan_find_range(const struct gt_plan *plan,
					       const struct gt_plan_address *address,
					       uint8_t protocol, uint16_t port)
{
	const struct gt_plan_range *ranges = &plan->ranges[address->ranges];
	uint32_t wanted = (uint32_t)protocol << 16 | port;
	uint32_t lo = 0, hi = address->n_ranges;

	/* The last range that begins at or before the port. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (((uint32_t)ranges[mid].protocol << 16 | ranges[mid].first) <= wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || ranges[lo - 1].protocol != protocol || ranges[lo - 1].last < port)
		return NULL;
	return &ranges[lo - 1];
}

uint16_t gt_plan_schedule(const struct gt_plan *plan, uint16_t vip, const struct gt_addr *client,
			  rte_be16_t client_port, rte_be16_t vip_port)
{
	const struct gt_plan_vip *v = &plan->vips[vip];
	uint64_t words[GT_PLAN_CHOICE_WORDS];
	size_t len = v->source_service != 0 ? sizeof(client->b) : sizeof(words);

	gt_plan_choice_words(v, client, client_port, vip_port, words);
	return gt_plan_chosen(plan, vip, gt_siphash(&plan->seed, words, len));
}
