/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which servers of a VIP take new connections now. Of those that may by their own state:
 *
 * - in a persistence group, those whose name may in all VIPs of the group that have it, if there is
 *   any: who has one service of an archive that is down needs the other services elsewhere, too.
 *   So VIPs with the same names choose among the same ones. A VIP that has none left but such takes
 *   them: half of an archive is better than nothing.
 * - the fallback only if there is no other
 * - whose station answers for its address; if none's does, all: the drop says then what is wanting
 * - with policy = failover only the first of them in the file's order; with sticky_failover the one
 *   that had it in the last plan, as long as it may.
 *
 * The others lose GT_SERVER_TAKES. Known connections are not concerned.
 */
#include "balance/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* How good a choice a server is; only the best there are take new connections. */
enum rank { NEVER, LOST_FALLBACK, LOST, FALLBACK, HALF, WHOLE };

static bool takes(const struct gt_plan *plan, uint16_t server)
{
	return (plan->servers[server].flags & GT_SERVER_TAKES) != 0;
}

/* By number of a name: a server of this name may not, in some VIP of its group. NULL: no memory. */
static uint8_t *find_broken(const struct gt_plan *plan)
{
	uint8_t *broken = gt_plan_array(plan->n_group_names, sizeof(*broken));

	for (uint32_t i = 1; broken != NULL && plan->n_group_names > 0 && i < plan->n_servers; i++)
		if (plan->servers[i].group_name != 0 && !takes(plan, (uint16_t)i))
			broken[plan->servers[i].group_name] = 1;
	return broken;
}

static enum rank rank_server(const struct gt_plan *plan, const struct gt_config_vip *c, size_t j,
			     uint16_t server, bool lost, const uint8_t *broken)
{
	uint16_t name = plan->servers[server].group_name;

	if (!takes(plan, server))
		return NEVER;
	if (strcmp(c->servers[j].name, c->fallback) == 0)
		return lost ? LOST_FALLBACK : FALLBACK;
	if (lost)
		return LOST;
	return name != 0 && broken[name] ? HALF : WHOLE;
}

/* numbers, states: of the VIP's servers. */
static void choose(struct gt_plan *plan, const struct gt_config_vip *c, const uint16_t *numbers,
		   const struct gt_server_state *states, const uint8_t *broken, uint8_t *ranks)
{
	size_t only = c->n_servers;
	uint8_t best = NEVER;

	for (size_t j = 0; j < c->n_servers; j++) {
		ranks[j] = (uint8_t)rank_server(plan, c, j, numbers[j], states[j].lost, broken);
		if (ranks[j] > best)
			best = ranks[j];
	}
	for (size_t j = 0; c->policy == GT_POLICY_FAILOVER && j < c->n_servers; j++) {
		if (ranks[j] != best)
			continue;
		if (only == c->n_servers || (c->sticky_failover && states[j].current))
			only = j;
	}
	for (size_t j = 0; j < c->n_servers; j++)
		if (ranks[j] != best || (only < c->n_servers && j != only))
			plan->servers[numbers[j]].flags &= (uint8_t)~GT_SERVER_TAKES;
}

int gt_plan_choose_members(struct gt_plan_builder *b)
{
	uint8_t *broken = find_broken(b->plan);
	uint8_t *ranks = gt_plan_array(GT_SERVERS_MAX, sizeof(*ranks));
	int ret = broken != NULL && ranks != NULL ? 0 : -ENOMEM;
	size_t k = 0;

	for (size_t i = 0; ret == 0 && i < b->config->n_vips; i++) {
		const struct gt_config_vip *c = &b->config->vips[i];

		if (b->again != NULL && !b->again[i]) {
			k += c->n_servers;
			continue;
		}
		choose(b->plan, c, &b->server_numbers[k], &b->states[k], broken, ranks);
		k += c->n_servers;
	}
	free(ranks);
	free(broken);
	return ret;
}
