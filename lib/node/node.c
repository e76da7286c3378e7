/* SPDX-License-Identifier: BSD-3-Clause */
/* What main knows and decides; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- states and plans ---- */

struct gt_server_state *gt_node_first_states(const struct gt_config *config)
{
	size_t n = gt_plan_count_servers(config), k = 0;
	struct gt_server_state *states = calloc(n > 0 ? n : 1, sizeof(*states));

	for (size_t i = 0; states != NULL && i < config->n_vips; i++) {
		for (size_t j = 0; j < config->vips[i].n_servers; j++, k++) {
			const struct gt_config_server *s = &config->vips[i].servers[j];

			states[k] = (struct gt_server_state){
				.up = true, .admin = s->state, .weight = s->weight};
		}
	}
	return states;
}

struct gt_health *gt_node_first_healths(const struct gt_config *config)
{
	const struct gt_health_rule unwatched = {0};
	size_t n = gt_plan_count_servers(config);
	struct gt_health *healths = calloc(n > 0 ? n : 1, sizeof(*healths));

	for (size_t i = 0; healths != NULL && i < n; i++)
		gt_health_start(&healths[i], &unwatched, true);
	return healths;
}

void gt_node_resolve(struct gt_node *node)
{
	size_t k = 0;

	node->stations_moved = false;
	for (size_t i = 0; i < node->config->n_vips; i++) {
		const struct gt_config_vip *vip = &node->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			const struct gt_config_server *s = &vip->servers[j];
			const struct gt_neighbour *n = gt_neighbours_find(
				node->neighbours, s->interface, gt_node_next_hop(node->config, s));
			struct gt_server_state *state = &node->states[k];

			bool known = n != NULL && n->state != GT_NEIGHBOUR_UNRESOLVED;

			/* Its own line wins over what another VIP's server of this address says. */
			state->resolved = s->has_mac || known;
			state->lost =
				!state->resolved && n != NULL &&
				(n->confirmed_ms != 0 || n->tries >= GT_NEIGHBOUR_SILENT_TRIES);
			if (state->resolved)
				state->mac = s->has_mac ? s->mac : n->mac;
		}
	}
}

/* All stations whose MAC is known. NULL: no memory. */
static struct gt_plan_known *list_known(const struct gt_neighbours *n, size_t *count)
{
	const struct gt_neighbour *nb;
	struct gt_plan_known *list;
	size_t room = 0;

	while (gt_neighbours_at(n, room) != NULL)
		room++;
	list = calloc(room + 1, sizeof(*list));
	*count = 0;
	for (size_t i = 0; list != NULL && (nb = gt_neighbours_at(n, i)) != NULL; i++)
		if (nb->state != GT_NEIGHBOUR_UNRESOLVED)
			list[(*count)++] = (struct gt_plan_known){nb->addr, nb->mac, nb->interface};
	return list;
}

int gt_node_build(struct gt_node *node, const struct gt_config *config, const struct gt_plan *draft,
		  const struct gt_plan_crew *crew, struct gt_plan **plan)
{
	size_t n_known;
	struct gt_plan_known *known = list_known(node->neighbours, &n_known);
	int ret = -ENOMEM;

	if (known != NULL)
		ret = gt_plan_build_by_draft(config, node->states, node->macs, known, n_known,
					     node->plan, draft, crew, plan);
	free(known);
	return ret;
}

/* ---- failover ---- */

/* Of a failover VIP, `taker` has everything now: the plan's state is main's memory of it. */
static void note_taker(struct gt_node *node, const struct gt_plan_names *taker)
{
	const struct gt_config_vip *vip = taker->vip;
	struct gt_server_state *states =
		&node->states[taker->index - (taker->server - vip->servers)];

	for (size_t j = 0; j < vip->n_servers; j++) {
		if (&vip->servers[j] == taker->server || !states[j].current)
			continue;
		states[j].current = false;
		gt_node_tell(node,
			     (struct gt_event){.level = LOG_WARNING,
					       .kind = "vip",
					       .vip = vip->name,
					       .what = "taker",
					       .old = vip->servers[j].name,
					       .now = taker->server->name},
			     "vip %s: new connections go to %s now, not %s", vip->name,
			     taker->server->name, vip->servers[j].name);
	}
	node->states[taker->index].current = true;
}

/* After each plan: who takes everything. A VIP that nobody takes keeps its memory of who did. */
static void note_failover(struct gt_node *node)
{
	const struct gt_plan *plan = node->plan;

	for (uint32_t i = 1; i < plan->n_servers; i++) {
		const struct gt_plan_names *names = &plan->server_names[i];

		if (names->vip != NULL && names->vip->policy == GT_POLICY_FAILOVER &&
		    (plan->servers[i].flags & GT_SERVER_TAKES) != 0)
			note_taker(node, names);
	}
}

void gt_node_retire(struct gt_node *node, struct gt_retired *r, struct gt_plan *plan,
		    struct gt_config *config)
{
	*r = (struct gt_retired){node->retired, node->plan, config};
	node->retired = r;
	node->plan = plan;
	node->dirty = node->guests_dirty = false;
	node->guests_ms = node->now_ms + GT_NODE_GUESTS_MS;
	note_failover(node);
	gt_node_note_vips(node);
}

bool gt_node_plan_due(struct gt_node *node, uint64_t now_ms)
{
	node->now_ms = now_ms;
	return node->dirty || (node->guests_dirty && now_ms >= node->guests_ms);
}

bool gt_node_refresh(struct gt_node *node)
{
	struct gt_retired *r;
	struct gt_plan *plan;
	int ret = -ENOMEM;

	if (!node->dirty && !node->guests_dirty)
		return false;
	if (node->stations_moved)
		gt_node_resolve(node);
	r = malloc(sizeof(*r));
	if (r != NULL)
		ret = gt_node_build(node, node->config, NULL, NULL, &plan);
	if (ret != 0) {
		gt_log(&node->hooks.log, LOG_ERR, "no new plan: %s; the old one stays in force",
		       strerror(-ret));
		free(r);
		return false;
	}
	gt_node_retire(node, r, plan, NULL);
	return true;
}

void gt_node_reclaim(struct gt_node *node)
{
	struct gt_retired **at = &node->retired;

	while (*at != NULL) {
		struct gt_retired *r = *at;

		if (r->plan == node->pinned) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		gt_plan_free(r->plan);
		gt_config_free(r->config);
		free(r);
	}
}

/* ---- birth and end ---- */

int gt_node_create(struct gt_config *config, const struct gt_mac *macs,
		   const struct gt_node_hooks *hooks, struct gt_node **out)
{
	struct gt_neighbour_hooks nb = {.event = gt_node_on_neighbour};
	struct gt_node *node = calloc(1, sizeof(*node));
	int ret = -ENOMEM;

	if (node == NULL)
		return ret;
	node->config = config;
	node->snat = gt_config_needs_snat(config);
	node->hooks = *hooks;
	node->hooks.crew = NULL;
	node->events = (struct gt_events){hooks->log, hooks->event, hooks->ctx};
	memcpy(node->macs, macs, config->n_interfaces * sizeof(*macs));
	nb.emit = hooks->emit != NULL ? gt_node_on_emit : NULL;
	nb.ctx = node;
	node->neighbours = gt_neighbours_create(&nb);
	node->states = gt_node_first_states(config);
	node->healths = gt_node_first_healths(config);
	if (node->neighbours == NULL || node->states == NULL || node->healths == NULL)
		goto fail;
	for (size_t i = 0; i < config->n_interfaces; i++)
		gt_neighbours_interface(node->neighbours, (uint8_t)i, &macs[i],
					config->interfaces[i].vlan);
	ret = gt_node_want_neighbours(node, config, true);
	if (ret != 0)
		goto fail;
	gt_node_admit_guests(node);
	gt_node_resolve(node);
	ret = gt_node_build(node, config, NULL, hooks->crew, &node->plan);
	if (ret != 0)
		goto fail;
	note_failover(node);
	gt_node_note_vips(node);
	*out = node;
	return 0;
fail:
	node->config = NULL; /* stays the caller's */
	gt_node_destroy(node);
	return ret;
}

void gt_node_destroy(struct gt_node *node)
{
	if (node == NULL)
		return;
	gt_node_reclaim(node);
	gt_plan_free(node->plan);
	gt_neighbours_destroy(node->neighbours);
	free(node->states);
	free(node->healths);
	free(node->vips);
	gt_config_free(node->config);
	free(node);
}

/* ---- frames and time ---- */

void gt_node_frame(struct gt_node *node, struct gt_frame *frame, uint64_t now_ms)
{
	node->now_ms = now_ms;
	gt_neighbours_frame(node->neighbours, frame, now_ms);
	if (frame->verdict != GT_ANSWER) {
		node->counters.drops[frame->reason]++;
		return;
	}
	node->counters.answered++;
	node->counters.interfaces[frame->out_if].out_frames++;
	node->counters.interfaces[frame->out_if].out_bytes += frame->wire_len;
}

void gt_node_tick(struct gt_node *node, uint64_t now_ms)
{
	node->now_ms = now_ms;
	if (!node->begun)
		node->begun_ms = now_ms;
	node->begun = true;
	gt_neighbours_tick(node->neighbours, now_ms);
	gt_node_advance_slow_start(node);
	gt_node_tell_late_vips(node);
}

void gt_node_link_up(struct gt_node *node, uint8_t interface)
{
	gt_neighbours_link_up(node->neighbours, interface);
}

void gt_node_miss(struct gt_node *node, uint8_t interface, const struct gt_addr *addr)
{
	if (interface < node->config->n_interfaces)
		gt_neighbours_want(node->neighbours, interface, addr);
}
