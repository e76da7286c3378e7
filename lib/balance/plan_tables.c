/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of slots: Maglev's, or rendezvous hashing's. Building one is the dearest part of a
 * plan (0.5 ms and more each): plans in which a VIP's servers and weights are the same share it,
 * and of a rendezvous table only what changes is made anew.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

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
	if (t == NULL || __atomic_sub_fetch(&t->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(t->members);
	free(t);
}

/* One that is to be filled. Takes `members` over. old: NULL, or the VIP's former table under this
 * seed. */
static struct gt_plan_table *table_create(struct gt_plan_builder *b, bool rendezvous,
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
				    .since = (uint32_t)b->plan->generation,
				    .n_members = n,
				    .members = members};
	if (gt_plan_add_job(&b->jobs, t, old) != 0) {
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

static bool is_right(const struct gt_plan_table *t, bool rendezvous,
		     const struct gt_maglev_server *members, size_t n)
{
	return t != NULL && t->rendezvous == rendezvous && t->n_members == n &&
	       memcmp(t->members, members, n * sizeof(*members)) == 0;
}

/* The table that a plan under this seed has of a VIP, or NULL. */
static struct gt_plan_table *table_of(const struct gt_plan *plan, uint16_t vip,
				      const struct gt_siphash_key *seed)
{
	if (plan == NULL || vip >= plan->n_vips || memcmp(&plan->seed, seed, sizeof(*seed)) != 0)
		return NULL;
	return plan->build->tables[vip];
}

/* A table for these members: the previous plan's if nothing changed, the draft's, or a new one.
 * Takes `members` over. */
static struct gt_plan_table *get_table(struct gt_plan_builder *b, uint16_t vip,
				       struct gt_maglev_server *members, size_t n)
{
	bool rendezvous = b->plan->vips[vip].scheduler == GT_SCHED_RENDEZVOUS;
	struct gt_plan_table *was = table_of(b->previous, vip, &b->plan->seed);
	struct gt_plan_table *t = was;

	if (!is_right(t, rendezvous, members, n)) {
		t = table_of(b->draft, vip, &b->plan->seed);
		if (!is_right(t, rendezvous, members, n))
			return table_create(b, rendezvous, members, n, was);
		/* Workers meet it in this plan. */
		t->since = (uint32_t)b->plan->generation;
	}
	free(members);
	__atomic_add_fetch(&t->references, 1, __ATOMIC_RELAXED);
	return t;
}

static void use_table(struct gt_plan *plan, uint16_t vip, struct gt_plan_table *t)
{
	struct gt_plan_vip *v = &plan->vips[vip];

	plan->build->tables[vip] = t;
	v->slots = t->slots;
	v->n_slots = t->size;
	v->members = t->members;
	v->n_members = (uint32_t)t->n_members;
	v->members_since = t->since;
}

/* The table of a VIP whose servers have these numbers. */
static int make_table(struct gt_plan_builder *b, uint16_t vip, const uint32_t *numbers, uint32_t n)
{
	struct gt_plan *plan = b->plan;
	struct gt_maglev_server *members;
	struct gt_plan_table *t;
	size_t count;

	members = collect_members(plan, vip, numbers, n, &count);
	if (members == NULL)
		return -ENOMEM;
	if (count == 0) {
		free(members);
		return 0;
	}
	t = get_table(b, vip, members, count);
	if (t == NULL)
		return -ENOMEM;
	use_table(plan, vip, t);
	return 0;
}

/* How many servers of a VIP stand together from such a place on: they are sorted by VIP first. */
static uint32_t count_together(const struct gt_plan *plan, uint32_t from)
{
	const struct gt_plan_build *build = plan->build;
	uint16_t vip = plan->servers[build->servers_by_name[from]].vip;
	uint32_t n = 1;

	while (from + n < build->n_servers_by_name &&
	       plan->servers[build->servers_by_name[from + n]].vip == vip)
		n++;
	return n;
}

/* Notes where each VIP's servers begin; at the list's end: it has none. */
static int find_first(struct gt_plan *plan)
{
	struct gt_plan_build *build = plan->build;

	build->first_by_name = gt_plan_array(plan->n_vips, sizeof(*build->first_by_name));
	if (build->first_by_name == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_vips; i++)
		build->first_by_name[i] = build->n_servers_by_name;
	for (uint32_t i = build->n_servers_by_name; i-- > 0;)
		build->first_by_name[plan->servers[build->servers_by_name[i]].vip] = i;
	return 0;
}

int gt_plan_make_tables(struct gt_plan_builder *b)
{
	const struct gt_plan_build *build = b->plan->build;
	int ret = build->first_by_name == NULL ? find_first(b->plan) : 0, filled;

	b->jobs = (struct gt_plan_jobs){.seed = &b->plan->seed};
	for (size_t i = 0; i < b->config->n_vips && ret == 0; i++) {
		uint16_t vip = b->vip_numbers[i];
		uint32_t from = build->first_by_name[vip];

		if ((b->again == NULL || b->again[i]) && from < build->n_servers_by_name)
			ret = make_table(b, vip, &build->servers_by_name[from],
					 count_together(b->plan, from));
	}
	filled = gt_plan_do_jobs(&b->jobs, b->crew);
	return ret != 0 ? ret : filled;
}

void gt_plan_take_tables(struct gt_plan_builder *b, const struct gt_plan *from)
{
	struct gt_plan *plan = b->plan;

	for (size_t i = 0; i < b->config->n_vips; i++) {
		uint16_t vip = b->vip_numbers[i];
		struct gt_plan_vip *v = &plan->vips[vip];
		struct gt_plan_table *t = from->build->tables[vip], *was;

		if (b->again[i]) {
			v->slots = NULL;
			v->members = NULL;
			v->n_slots = v->n_members = v->members_since = 0;
			continue;
		}
		if (t == NULL)
			continue;
		was = table_of(b->previous, vip, &plan->seed);
		if (t != was && is_right(was, t->rendezvous, t->members, t->n_members))
			t = was;
		else if (t != was) /* Workers meet it in this plan. */
			t->since = (uint32_t)plan->generation;
		__atomic_add_fetch(&t->references, 1, __ATOMIC_RELAXED);
		use_table(plan, vip, t);
	}
}
