/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistence groups: VIPs that send a client address to the server of the same name. They share
 * one service for their source records; a record holds the number of a name, which a table turns
 * into the server that has it in a VIP. Numbers of names last like all others (plan.h), so records
 * live through reloads that take away the VIP which wrote them.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

static int compare(const void *a, const void *b)
{
	const struct gt_plan_group_name *x = a, *y = b;
	int d = strcmp(x->group, y->group);

	return d != 0 ? d : strcmp(x->name, y->name);
}

static struct gt_plan_group_name *find(const struct gt_plan *plan, const char *group,
				       const char *name)
{
	const struct gt_plan_group_name key = {group, name, 0};

	if (plan == NULL || plan->build->n_group_names == 0)
		return NULL;
	return bsearch(&key, plan->build->group_names, plan->build->n_group_names, sizeof(key),
		       compare);
}

bool gt_plan_is_grouped(const struct gt_config_vip *vip)
{
	return vip->persistence == GT_PERSIST_SOURCE && vip->persistence_group[0] != '\0';
}

uint16_t gt_plan_group_service(const struct gt_plan *plan, const char *group)
{
	const struct gt_plan_group_name *g = find(plan, group, "");

	return g != NULL ? (uint16_t)g->number : 0;
}

/* All groups and their names, sorted, each once. */
static int list_names(struct gt_plan_builder *b)
{
	struct gt_plan_build *build = b->plan->build;
	struct gt_plan_group_name *list;
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < b->config->n_vips; i++)
		if (gt_plan_is_grouped(&b->config->vips[i]))
			n += b->config->vips[i].n_servers + 1;
	list = gt_plan_array(n, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *v = &b->config->vips[i];

		if (!gt_plan_is_grouped(v))
			continue;
		list[n++] = (struct gt_plan_group_name){v->persistence_group, "", 0};
		for (size_t j = 0; j < v->n_servers; j++)
			list[n++] = (struct gt_plan_group_name){v->persistence_group,
								v->servers[j].name, 0};
	}
	qsort(list, n, sizeof(*list), compare);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	build->group_names = list;
	build->n_group_names = kept;
	return 0;
}

int gt_plan_number_groups(struct gt_plan_builder *b)
{
	const struct gt_plan *old = b->previous;
	struct gt_plan_build *build = b->plan->build;
	int ret = list_names(b);

	if (ret != 0)
		return ret;
	memset(b->used, 0, GT_SERVERS_MAX);
	for (size_t i = 0; old != NULL && i < old->build->n_group_names; i++)
		if (old->build->group_names[i].name[0] != '\0')
			b->used[old->build->group_names[i].number] = 1;
	for (size_t i = 0; i < build->n_group_names; i++) {
		struct gt_plan_group_name *g = &build->group_names[i];
		const struct gt_plan_group_name *was = find(old, g->group, g->name);

		/* The service of the group itself comes from plan_services.c. */
		if (g->name[0] == '\0')
			continue;
		g->number = was != NULL ? was->number
					: gt_plan_take_number(b->used, &build->name_cursor,
							      GT_SERVERS_MAX);
		if (g->number == 0)
			return -ENOSPC;
		if (g->number >= b->plan->n_group_names)
			b->plan->n_group_names = g->number + 1;
	}
	return 0;
}

/* Gives each VIP its column and each name its row. Returns the size of the table, or -ENOMEM. */
static ssize_t place(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	const struct gt_plan_group_name *names = plan->build->group_names;
	uint32_t *columns = gt_plan_array(plan->build->n_group_names, sizeof(*columns));
	uint32_t size = 0, width = 0;

	if (columns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *c = &b->config->vips[i];
		struct gt_plan_vip *v = &plan->vips[b->vip_numbers[i]];

		v->grouped = gt_plan_is_grouped(c);
		if (v->grouped)
			v->group_column =
				(uint16_t)columns[find(plan, c->persistence_group, "") - names]++;
	}
	for (size_t i = 0; i < plan->build->n_group_names; i++)
		size = columns[i] > size ? columns[i] : size;
	for (size_t i = 0; i < plan->build->n_group_names; i++) {
		/* The group comes before its names. */
		if (names[i].name[0] == '\0') {
			width = columns[i];
			continue;
		}
		plan->group_rows[names[i].number] = size;
		size += width;
	}
	free(columns);
	return size;
}

/* The records of a group live as long as the most patient of its VIPs remembers a connection. */
static int share_timeouts(struct gt_plan *plan)
{
	uint32_t *longest = gt_plan_array(GT_SERVICES_MAX, sizeof(*longest)); /* by service */

	if (longest == NULL)
		return -ENOMEM;
	for (uint32_t i = 1; i < plan->n_vips; i++) {
		const struct gt_plan_vip *v = &plan->vips[i];

		if (v->source_service != 0 && longest[v->source_service] < v->idle_ticks)
			longest[v->source_service] = v->idle_ticks;
	}
	for (uint32_t i = 1; i < plan->n_vips; i++)
		plan->vips[i].source_ticks = longest[plan->vips[i].source_service];
	free(longest);
	return 0;
}

int gt_plan_make_groups(struct gt_plan_builder *b)
{
	struct gt_plan *plan = b->plan;
	ssize_t size;
	size_t k = 0;

	plan->group_rows = gt_plan_array(plan->n_group_names, sizeof(*plan->group_rows));
	if (plan->group_rows == NULL || share_timeouts(plan) != 0)
		return -ENOMEM;
	size = place(b);
	if (size < 0)
		return (int)size;
	plan->group_servers = gt_plan_array((size_t)size, sizeof(*plan->group_servers));
	if (plan->group_servers == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->config->n_vips; i++) {
		const struct gt_config_vip *c = &b->config->vips[i];
		const struct gt_plan_vip *v = &plan->vips[b->vip_numbers[i]];

		for (size_t j = 0; j < c->n_servers; j++, k++) {
			uint16_t server = b->server_numbers[k];
			const struct gt_plan_group_name *g;

			if (!v->grouped)
				continue;
			g = find(plan, c->persistence_group, c->servers[j].name);
			plan->servers[server].group_name = (uint16_t)g->number;
			plan->group_servers[plan->group_rows[g->number] + v->group_column] = server;
		}
	}
	return 0;
}
