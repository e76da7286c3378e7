/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan of the same configuration as one that is there. Servers go down and come back much more
 * often than files change: numbers, services and all tables that follow from the file alone are
 * shared then, what states decide is copied, and only VIPs of which a server changed are made anew.
 * With 10,000 VIPs and 50,000 servers that is a tenth of the time of a whole plan.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what is shared ---- */

static void share_pointers(struct gt_plan *plan, const struct gt_plan *base)
{
	plan->ours = base->ours;
	plan->ours_shift = base->ours_shift;
	plan->ours_are_scattered = base->ours_are_scattered;
	memcpy(plan->ours_networks, base->ours_networks, sizeof(plan->ours_networks));
	plan->express_v4 = base->express_v4;
	plan->express_v6 = base->express_v6;
	plan->express_v4_shift = base->express_v4_shift;
	plan->express_v6_shift = base->express_v6_shift;
	plan->ranges = base->ranges;
	plan->nats = base->nats;
	plan->sources = base->sources;
	plan->group_rows = base->group_rows;
	plan->group_servers = base->group_servers;
	plan->services = base->services;
	plan->vip_names = base->vip_names;
	plan->build->vips_by_name = base->build->vips_by_name;
	plan->build->servers_by_name = base->build->servers_by_name;
	plan->build->first_by_name = base->build->first_by_name;
	plan->build->group_names = base->build->group_names;
}

static void free_shared(struct gt_plan *plan)
{
	free(plan->ours);
	free(plan->express_v4);
	free(plan->express_v6);
	free(plan->ranges);
	free(plan->nats);
	free(plan->sources);
	free(plan->group_rows);
	free(plan->group_servers);
	free(plan->services);
	free(plan->vip_names);
	free(plan->build->vips_by_name);
	free(plan->build->servers_by_name);
	free(plan->build->first_by_name);
	free(plan->build->group_names);
}

int gt_plan_share(struct gt_plan_builder *b)
{
	struct gt_plan_shared *s = malloc(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	*s = (struct gt_plan_shared){.references = 1,
				     .config = b->config,
				     .edition = b->config->edition,
				     .before = b->previous != NULL ? b->previous->build->shared
								   : NULL,
				     .vip_numbers = b->vip_numbers,
				     .server_numbers = b->server_numbers};
	b->vip_numbers = b->server_numbers = NULL;
	b->plan->build->shared = s;
	return 0;
}

void gt_plan_unshare(struct gt_plan *plan)
{
	struct gt_plan_shared *s = plan->build->shared;

	if (s != NULL && __atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free_shared(plan);
	if (s == NULL)
		return;
	free(s->vip_numbers);
	free(s->server_numbers);
	free(s);
}

/* ---- which plan to follow ---- */

static bool is_of(const struct gt_plan *plan, const struct gt_plan_builder *b,
		  const struct gt_mac *macs)
{
	if (plan == NULL || plan->build->shared->config != b->config ||
	    plan->build->shared->edition != b->config->edition)
		return false;
	for (unsigned i = 0; i < plan->n_interfaces; i++)
		if (memcmp(&plan->interfaces[i].mac, &macs[i], sizeof(macs[i])) != 0)
			return false;
	return true;
}

const struct gt_plan *gt_plan_find_base(const struct gt_plan_builder *b, const struct gt_mac *macs)
{
	if (is_of(b->previous, b, macs))
		return b->previous;
	/* Of a draft, if what it took its numbers from is what is in force. */
	if (is_of(b->draft, b, macs) && b->previous != NULL &&
	    b->draft->build->shared->before == b->previous->build->shared)
		return b->draft;
	return NULL;
}

/* ---- what changed ---- */

/* Not by bytes: there is padding. */
static bool is_same(const struct gt_server_state *a, const struct gt_server_state *b)
{
	return a->up == b->up && a->admin == b->admin && a->weight == b->weight &&
	       a->resolved == b->resolved && a->lost == b->lost && a->current == b->current &&
	       a->slow_tenths == b->slow_tenths && a->slow_since_ms == b->slow_since_ms &&
	       memcmp(&a->mac, &b->mac, sizeof(a->mac)) == 0;
}

/*
 * By index in the configuration: VIPs of which a server is not as it was when `base` was built, and
 * all of their persistence groups, whose members depend on each other. NULL: no memory.
 */
static uint8_t *find_changed(const struct gt_plan_builder *b, const struct gt_plan *base)
{
	const struct gt_config *c = b->config;
	uint8_t *changed = gt_plan_array(c->n_vips, sizeof(*changed));
	uint8_t *groups = gt_plan_array(GT_SERVICES_MAX, sizeof(*groups));
	size_t k = 0;

	for (size_t i = 0; changed != NULL && groups != NULL && i < c->n_vips; i++) {
		const struct gt_plan_vip *v = &base->vips[b->vip_numbers[i]];

		for (size_t j = 0; j < c->vips[i].n_servers; j++, k++)
			if (!is_same(&b->states[k],
				     &base->server_names[b->server_numbers[k]].state))
				changed[i] = 1;
		if (changed[i] && v->grouped)
			groups[v->source_service] = 1;
	}
	for (size_t i = 0; changed != NULL && groups != NULL && i < c->n_vips; i++) {
		const struct gt_plan_vip *v = &base->vips[b->vip_numbers[i]];

		if (v->grouped && groups[v->source_service])
			changed[i] = 1;
	}
	if (groups == NULL) {
		free(changed);
		changed = NULL;
	}
	free(groups);
	return changed;
}

/* ---- following ---- */

static void *copy(const void *from, size_t n, size_t size)
{
	/* Whole cache lines, as gt_plan_array gives. */
	void *to = aligned_alloc(64, ((n > 0 ? n : 1) * size + 63) & ~(size_t)63);

	if (to != NULL && n > 0)
		memcpy(to, from, n * size);
	return to;
}

/* All of `base` but its tables, routes, neighbours. On failure gt_plan_free undoes it. */
static int begin(struct gt_plan_builder *b, const struct gt_plan *base)
{
	struct gt_plan *plan = b->plan;

	plan->build = calloc(1, sizeof(*plan->build));
	if (plan->build == NULL)
		return -ENOMEM;
	*plan->build = *base->build;
	__atomic_add_fetch(&plan->build->shared->references, 1, __ATOMIC_RELAXED);
	share_pointers(plan, base);
	plan->generation = (b->previous != NULL ? b->previous : base)->generation + 1;
	plan->seed = base->seed;
	memcpy(plan->interfaces, base->interfaces, sizeof(plan->interfaces));
	plan->n_interfaces = base->n_interfaces;
	plan->addresses_mask = base->addresses_mask;
	plan->n_ranges = base->n_ranges;
	plan->nats_mask = base->nats_mask;
	plan->n_sources = base->n_sources;
	plan->n_group_names = base->n_group_names;
	plan->n_services = base->n_services;
	plan->n_vips = base->n_vips;
	plan->n_servers = base->n_servers;
	plan->build->tables = gt_plan_array(plan->n_vips, sizeof(*plan->build->tables));
	plan->addresses =
		copy(base->addresses, (size_t)base->addresses_mask + 1, sizeof(*base->addresses));
	plan->vips = copy(base->vips, base->n_vips, sizeof(*base->vips));
	plan->servers = copy(base->servers, base->n_servers, sizeof(*base->servers));
	plan->server_names = copy(base->server_names, base->n_servers, sizeof(*base->server_names));
	return plan->build->tables != NULL && plan->addresses != NULL && plan->vips != NULL &&
			       plan->servers != NULL && plan->server_names != NULL
		       ? 0
		       : -ENOMEM;
}

/*
 * An address answers if any VIP of it has a healthy server: those of changed VIPs are judged anew,
 * by these VIPs when their servers are filled in, and here by the others.
 */
static void judge_echo(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	const struct gt_config *c = b->config;
	size_t k = 0;

	for (size_t i = 0; i < c->n_vips; i++) {
		const struct gt_plan_address *a;

		if (!b->again[i])
			continue;
		a = gt_plan_find_address(plan, &c->vips[i].address);
		plan->addresses[a - plan->addresses].answers_echo = false;
	}
	for (size_t i = 0; i < c->n_vips; k += c->vips[i++].n_servers) {
		const struct gt_plan_address *a;
		bool healthy = false;

		if (b->again[i])
			continue;
		a = gt_plan_find_address(plan, &c->vips[i].address);
		for (size_t j = 0; !a->answers_echo && j < c->vips[i].n_servers; j++)
			healthy = healthy || (plan->servers[b->server_numbers[k + j]].flags &
					      GT_SERVER_KEEPS) != 0;
		if (healthy)
			plan->addresses[a - plan->addresses].answers_echo = true;
	}
}

int gt_plan_follow(struct gt_plan_builder *b, const struct gt_plan *base)
{
	uint8_t *changed;
	int ret = begin(b, base);

	if (ret != 0)
		return ret;
	b->vip_numbers = base->build->shared->vip_numbers;
	b->server_numbers = base->build->shared->server_numbers;
	changed = find_changed(b, base);
	if (changed == NULL)
		return -ENOMEM;
	b->again = changed;
	gt_plan_take_tables(b, base);
	judge_echo(b);
	gt_plan_fill_servers(b);
	ret = gt_plan_choose_members(b);
	if (ret == 0)
		ret = gt_plan_make_tables(b);
	free(changed);
	return ret;
}
