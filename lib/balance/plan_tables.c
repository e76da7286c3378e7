/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Maglev tables. Building one is the dearest part of a plan (1 ms each): plans in which a VIP's
 * servers and weights are the same share it.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "balance/maglev.h"

struct gt_plan_table {
	unsigned references;
	uint32_t size;
	size_t n_members;
	struct gt_maglev_server *members;
	uint16_t slots[];
};

/* Who a server is to the hash, on every node: its name and address, whatever the seed. */
static uint64_t server_identity(const struct gt_config_server *s)
{
	static const struct gt_siphash_key unkeyed;
	uint8_t bytes[sizeof(s->name) + sizeof(s->address)] = {0};

	memcpy(bytes, s->name, strlen(s->name));
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

/* Takes `members` over. */
static struct gt_plan_table *table_build(const struct gt_siphash_key *seed,
					 struct gt_maglev_server *members, size_t n)
{
	/* One server alone needs no permutation. */
	uint32_t size = n == 1 ? 1 : gt_maglev_size(n);
	struct gt_plan_table *t = malloc(sizeof(*t) + size * sizeof(t->slots[0]));

	if (t == NULL || gt_maglev_build(seed, members, n, t->slots, size) != 0) {
		free(members);
		free(t);
		return NULL;
	}
	t->references = 1;
	t->size = size;
	t->members = members;
	t->n_members = n;
	return t;
}

static struct gt_maglev_server *collect_members(const struct gt_plan *plan, uint16_t vip,
						const uint32_t *numbers, uint32_t n, size_t *count)
{
	struct gt_maglev_server *list = gt_plan_array(n, sizeof(*list));

	*count = 0;
	for (uint32_t i = 0; list != NULL && i < n; i++) {
		const struct gt_plan_names *s = &plan->server_names[numbers[i]];

		if (plan->servers[numbers[i]].vip == vip && gt_plan_takes_new(&s->state))
			list[(*count)++] =
				(struct gt_maglev_server){.identity = server_identity(s->server),
							  .weight = s->state.weight,
							  .value = (uint16_t)numbers[i]};
	}
	return list;
}

/* The table of a VIP whose servers have these numbers: the previous plan's, if nothing changed. */
static int make_table(struct gt_plan_builder *b, uint16_t vip, const uint32_t *numbers, uint32_t n)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;
	struct gt_plan_table *t = NULL;
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
		t = old->build->tables[vip];
	if (t != NULL && t->n_members == count &&
	    memcmp(t->members, members, count * sizeof(*members)) == 0) {
		free(members);
		t->references++;
	} else {
		t = table_build(&plan->seed, members, count);
		if (t == NULL)
			return -ENOMEM;
	}
	plan->build->tables[vip] = t;
	plan->vips[vip].maglev = t->slots;
	plan->vips[vip].maglev_size = t->size;
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
