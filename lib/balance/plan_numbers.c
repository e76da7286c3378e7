/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers that last: what the previous plan had keeps its number, found by name; what is new gets
 * one that neither plan uses, from a cursor that goes round (plan.h says why).
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* The next free number below `max` from *cursor on, round and round; 0 if there is none. */
uint32_t gt_plan_take_number(uint8_t *used, uint32_t *cursor, uint32_t max)
{
	for (uint32_t tries = 0; tries < max; tries++) {
		uint32_t n = *cursor;

		*cursor = n + 1 < max ? n + 1 : 1;
		if (!used[n]) {
			used[n] = 1;
			return n;
		}
	}
	return 0;
}

static int compare_vips(const struct gt_plan_names *a, const struct gt_plan_names *b)
{
	return strcmp(a->vip->name, b->vip->name);
}

static int compare_servers(const struct gt_plan_names *a, const struct gt_plan_names *b)
{
	int c = strcmp(a->vip->name, b->vip->name);

	if (c == 0)
		c = strcmp(a->server->name, b->server->name);
	/* A server with another address is another server: its connections must move. */
	return c != 0 ? c
		      : memcmp(&a->server->address, &b->server->address, sizeof(struct gt_addr));
}

typedef int compare_fn(const struct gt_plan_names *, const struct gt_plan_names *);

struct sort_context {
	const struct gt_plan_names *names;
	compare_fn *compare;
};

static int compare_numbers(const void *a, const void *b, void *ctx)
{
	const struct sort_context *s = ctx;

	return s->compare(&s->names[*(const uint32_t *)a], &s->names[*(const uint32_t *)b]);
}

/* All used numbers below n, sorted by name. NULL: no memory. */
static uint32_t *sort_by_name(const struct gt_plan_names *names, uint32_t n, compare_fn *compare,
			      uint32_t *count)
{
	struct sort_context ctx = {names, compare};
	uint32_t *list = gt_plan_array(n, sizeof(*list));

	*count = 0;
	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		if (names[i].vip != NULL)
			list[(*count)++] = i;
	qsort_r(list, *count, sizeof(*list), compare_numbers, &ctx);
	return list;
}

/* The number of `wanted` in such a list, or 0. */
static uint32_t find_by_name(const struct gt_plan_names *names, const uint32_t *list, uint32_t n,
			     compare_fn *compare, const struct gt_plan_names *wanted)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = compare(wanted, &names[list[mid]]);

		if (c == 0)
			return list[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return 0;
}

/*
 * Gives `n` things numbers: those that the previous plan had keep theirs, found[i]; the others (0)
 * get new ones that neither plan uses. Returns the highest + 1, or 0 if there are not enough.
 */
static uint32_t give_numbers(struct gt_plan_builder *b, uint16_t *found, size_t n, uint32_t *cursor,
			     uint32_t max)
{
	uint32_t end = 1;

	for (size_t i = 0; i < n; i++) {
		if (found[i] == 0)
			found[i] = (uint16_t)gt_plan_take_number(b->used, cursor, max);
		if (found[i] == 0)
			return 0;
		if (found[i] >= end)
			end = found[i] + 1U;
	}
	return end;
}

int gt_plan_number_vips(struct gt_plan_builder *b)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;

	memset(b->used, 0, GT_SERVICES_MAX);
	for (uint32_t i = 0; old != NULL && i < old->n_vips; i++)
		b->used[i] = old->vip_names[i].vip != NULL;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		struct gt_plan_names wanted = {.vip = &b->config->vips[i]};

		if (old != NULL)
			b->vip_numbers[i] = (uint16_t)find_by_name(
				old->vip_names, old->build->vips_by_name,
				old->build->n_vips_by_name, compare_vips, &wanted);
	}
	plan->n_vips = give_numbers(b, b->vip_numbers, b->config->n_vips, &plan->build->vip_cursor,
				    GT_VIPS_MAX);
	return plan->n_vips == 0 ? -ENOSPC : 0;
}

int gt_plan_number_servers(struct gt_plan_builder *b, uint16_t *numbers)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan *plan = b->plan;
	size_t k = 0;

	memset(b->used, 0, GT_SERVERS_MAX);
	for (uint32_t i = 0; old != NULL && i < old->n_servers; i++)
		b->used[i] = old->server_names[i].vip != NULL;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *vip = &b->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			struct gt_plan_names wanted = {.vip = vip, .server = &vip->servers[j]};

			if (old != NULL)
				numbers[k] = (uint16_t)find_by_name(
					old->server_names, old->build->servers_by_name,
					old->build->n_servers_by_name, compare_servers, &wanted);
		}
	}
	plan->n_servers = give_numbers(b, numbers, k, &plan->build->server_cursor, GT_SERVERS_MAX);
	return plan->n_servers == 0 ? -ENOSPC : 0;
}

int gt_plan_sort_vips(struct gt_plan *plan)
{
	plan->build->vips_by_name = sort_by_name(plan->vip_names, plan->n_vips, compare_vips,
						 &plan->build->n_vips_by_name);
	return plan->build->vips_by_name == NULL ? -ENOMEM : 0;
}

int gt_plan_sort_servers(struct gt_plan *plan)
{
	plan->build->servers_by_name =
		sort_by_name(plan->server_names, plan->n_servers, compare_servers,
			     &plan->build->n_servers_by_name);
	return plan->build->servers_by_name == NULL ? -ENOMEM : 0;
}
