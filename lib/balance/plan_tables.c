/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of slots: Maglev's, or rendezvous hashing's. Building one is the dearest part of a
 * plan (1 ms and more each): plans in which a VIP's servers and weights are the same share it, and
 * of a rendezvous table only what changes is made anew.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "balance/rendezvous.h"

struct gt_plan_table {
	unsigned references;
	bool rendezvous;
	uint32_t size;
	uint32_t since; /* generation of the plan that it was made for */
	size_t n_members;
	struct gt_maglev_server *members;
	uint16_t slots[];
};

/*
 * Who a server is to the hash, on every node: its name and address, whatever the seed. In a group
 * its name alone: the VIPs of a group choose alike by it, and addresses differ between them.
 */
static uint64_t server_identity(const struct gt_config_server *s, bool grouped)
{
	static const struct gt_siphash_key unkeyed;
	uint8_t bytes[sizeof(s->name) + sizeof(s->address)] = {0};

	memcpy(bytes, s->name, strlen(s->name));
	if (!grouped)
		memcpy(bytes + sizeof(s->name), s->address.b, sizeof(s->address));
	return gt_siphash(&unkeyed, bytes, sizeof(bytes));
}

void gt_plan_free_table(struct gt_plan_table *t)
{
	if (t == NULL || --t->references > 0)
		return;
	free(t->members);
	free(t);
}

static int fill(struct gt_plan_table *t, const struct gt_siphash_key *seed,
		const struct gt_plan_table *old)
{
	if (!t->rendezvous)
		return gt_maglev_build(seed, t->members, t->n_members, t->slots, t->size);
	if (old != NULL && old->rendezvous && old->size == t->size)
		return gt_rendezvous_update(seed, old->members, old->n_members, old->slots,
					    t->members, t->n_members, t->slots, t->size);
	return gt_rendezvous_build(seed, t->members, t->n_members, t->slots, t->size);
}

/* Takes `members` over. old: NULL, or the VIP's former table under this seed. */
static struct gt_plan_table *table_build(const struct gt_plan *plan, bool rendezvous,
					 struct gt_maglev_server *members, size_t n,
					 const struct gt_plan_table *old)
{
	/* One server alone needs no hash. */
	uint32_t size = n == 1 ? 1 : gt_maglev_size(n);
	struct gt_plan_table *t = malloc(sizeof(*t) + size * sizeof(t->slots[0]));

	if (t == NULL) {
		free(members);
		return NULL;
	}
	*t = (struct gt_plan_table){.references = 1,
				    .rendezvous = rendezvous,
				    .size = size,
				    .since = (uint32_t)plan->generation,
				    .n_members = n,
				    .members = members};
	if (fill(t, &plan->seed, old) != 0) {
		gt_plan_free_table(t);
		return NULL;
	}
	return t;
}

static struct gt_maglev_server *collect_members(const struct gt_plan *plan, uint16_t vip,
						const uint32_t *numbers, uint32_t n, size_t *count)
{
	struct gt_maglev_server *list = gt_plan_array(n, sizeof(*list));

	*count = 0;
	for (uint32_t i = 0; list != NULL && i < n; i++) {
		const struct gt_plan_names *s = &plan->server_names[numbers[i]];

		if (plan->servers[numbers[i]].vip == vip &&
		    (plan->servers[numbers[i]].flags & GT_SERVER_TAKES) != 0)
			list[(*count)++] = (struct gt_maglev_server){
				.identity = server_identity(s->server, plan->vips[vip].grouped),
				.weight = gt_server_share(&s->state),
				.value = (uint16_t)numbers[i]};
	}
	return list;
}

/* The table of a VIP whose servers have these numbers: the previous plan's, if nothing changed. */
static int make_table(struct gt_plan_builder *b, uint16_t vip, const uint32_t *numbers, uint32_t n)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;
	struct gt_plan_vip *v = &plan->vips[vip];
	bool rendezvous = v->scheduler == GT_SCHED_RENDEZVOUS;
	struct gt_plan_table *was = NULL, *t;
	struct gt_maglev_server *members;
	size_t count;

	members = collect_members(plan, vip, numbers, n, &count);
	if (members == NULL)
		return -ENOMEM;
	if (count == 0) {
		free(members);
		return 0;
	}
	if (old != NULL && vip < old->n_vips &&
	    memcmp(&old->seed, &plan->seed, sizeof(plan->seed)) == 0)
		was = old->build->tables[vip];
	if (was != NULL && was->rendezvous == rendezvous && was->n_members == count &&
	    memcmp(was->members, members, count * sizeof(*members)) == 0) {
		free(members);
		t = was;
		t->references++;
	} else {
		t = table_build(plan, rendezvous, members, count, was);
		if (t == NULL)
			return -ENOMEM;
	}
	plan->build->tables[vip] = t;
	v->slots = t->slots;
	v->n_slots = t->size;
	v->members = t->members;
	v->n_members = (uint32_t)count;
	v->members_since = t->since;
	return 0;
}

int gt_plan_make_tables(struct gt_plan_builder *b)
{
	struct gt_plan_build *build = b->plan->build;
	const struct gt_plan_names *names = b->plan->server_names;

	/* Sorted by VIP first: each VIP's servers stand together. */
	for (uint32_t from = 0, to; from < build->n_servers_by_name; from = to) {
		uint16_t vip = b->plan->servers[build->servers_by_name[from]].vip;
		int ret;

		for (to = from + 1; to < build->n_servers_by_name; to++)
			if (names[build->servers_by_name[to]].vip !=
			    names[build->servers_by_name[from]].vip)
				break;
		ret = make_table(b, vip, &build->servers_by_name[from], to - from);
		if (ret != 0)
			return ret;
	}
	return 0;
}
