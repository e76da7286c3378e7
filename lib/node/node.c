/* SPDX-License-Identifier: BSD-3-Clause */
/* What main knows and decides; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plans, and configurations, that were replaced; workers may still read them. */
struct gt_retired {
	struct gt_retired *next;
	struct gt_plan *plan;
	struct gt_config *config; /* NULL: a newer plan uses it too */
};

/* ---- states and plans ---- */

static struct gt_server_state *first_states(const struct gt_config *config)
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

/* Puts the neighbours' MACs into the states. */
static void resolve(struct gt_node *node)
{
	size_t k = 0;

	for (size_t i = 0; i < node->config->n_vips; i++) {
		const struct gt_config_vip *vip = &node->config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			const struct gt_config_server *s = &vip->servers[j];
			const struct gt_neighbour *n = gt_neighbours_find(
				node->neighbours, s->interface, gt_node_next_hop(node->config, s));
			struct gt_server_state *state = &node->states[k];

			/* Its own line wins over what another VIP's server of this address says. */
			state->resolved =
				s->has_mac || (n != NULL && n->state != GT_NEIGHBOUR_UNRESOLVED);
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

static int build(struct gt_node *node, const struct gt_config *config, struct gt_plan **plan)
{
	size_t n_known;
	struct gt_plan_known *known = list_known(node->neighbours, &n_known);
	int ret = -ENOMEM;

	if (known != NULL)
		ret = gt_plan_build(config, node->states, node->macs, known, n_known, node->plan,
				    plan);
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
		gt_log(&node->hooks.log, LOG_WARNING,
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

/* Puts a new plan in the old one's place. `config`: the old configuration, if it was replaced too.
 */
static void retire(struct gt_node *node, struct gt_retired *r, struct gt_plan *plan,
		   struct gt_config *config)
{
	*r = (struct gt_retired){node->retired, node->plan, config};
	node->retired = r;
	node->plan = plan;
	node->dirty = node->guests_dirty = false;
	node->guests_ms = node->now_ms + GT_NODE_GUESTS_MS;
	note_failover(node);
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
	resolve(node);
	r = malloc(sizeof(*r));
	if (r != NULL)
		ret = build(node, node->config, &plan);
	if (ret != 0) {
		gt_log(&node->hooks.log, LOG_ERR, "no new plan: %s; the old one stays in force",
		       strerror(-ret));
		free(r);
		return false;
	}
	retire(node, r, plan, NULL);
	return true;
}

void gt_node_reclaim(struct gt_node *node)
{
	while (node->retired != NULL) {
		struct gt_retired *r = node->retired;

		node->retired = r->next;
		gt_plan_free(r->plan);
		gt_config_free(r->config);
		free(r);
	}
}

/* ---- birth and end ---- */

static bool uses_snat(const struct gt_config *config)
{
	for (size_t i = 0; i < config->n_vips; i++)
		if (config->vips[i].mode == GT_MODE_SNAT)
			return true;
	return false;
}

int gt_node_create(struct gt_config *config, const struct gt_mac *macs,
		   const struct gt_node_hooks *hooks, struct gt_node **out)
{
	struct gt_neighbour_hooks nb = {.event = gt_node_on_neighbour};
	struct gt_node *node = calloc(1, sizeof(*node));
	int ret = -ENOMEM;

	if (node == NULL)
		return ret;
	node->config = config;
	node->snat = uses_snat(config);
	node->hooks = *hooks;
	memcpy(node->macs, macs, config->n_interfaces * sizeof(*macs));
	nb.emit = hooks->emit != NULL ? gt_node_on_emit : NULL;
	nb.ctx = node;
	node->neighbours = gt_neighbours_create(&nb);
	node->states = first_states(config);
	if (node->neighbours == NULL || node->states == NULL)
		goto fail;
	for (size_t i = 0; i < config->n_interfaces; i++)
		gt_neighbours_interface(node->neighbours, (uint8_t)i, &macs[i],
					config->interfaces[i].vlan);
	ret = gt_node_want_neighbours(node, config, true);
	if (ret != 0)
		goto fail;
	resolve(node);
	ret = build(node, config, &node->plan);
	if (ret != 0)
		goto fail;
	note_failover(node);
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
	gt_neighbours_tick(node->neighbours, now_ms);
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

/* ---- what operators say ---- */

/* The state, and the configuration, of a server named VIP/SERVER; NULL if there is none. */
static struct gt_server_state *find_server(const struct gt_node *node, const char *name,
					   const struct gt_config_server **server)
{
	const struct gt_config *config = node->config;
	size_t k = 0;

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];
		size_t len = strlen(vip->name);

		for (size_t j = 0; j < vip->n_servers; j++, k++)
			if (strncmp(name, vip->name, len) == 0 && name[len] == '/' &&
			    strcmp(name + len + 1, vip->servers[j].name) == 0) {
				*server = &vip->servers[j];
				return &node->states[k];
			}
	}
	return NULL;
}

/* What there is instead of `name`: the servers of its VIP, or the VIPs. */
static void explain_unknown(const struct gt_node *node, const char *name, char *error, size_t size)
{
	const struct gt_config *config = node->config;
	const struct gt_config_vip *vip = NULL;
	const char *slash = strchr(name, '/');
	size_t used, n;

	if (error == NULL || size == 0)
		return;
	for (size_t i = 0; slash != NULL && i < config->n_vips; i++)
		if (strlen(config->vips[i].name) == (size_t)(slash - name) &&
		    strncmp(config->vips[i].name, name, (size_t)(slash - name)) == 0)
			vip = &config->vips[i];
	if (vip != NULL)
		used = (size_t)snprintf(error, size, "no server '%s'; VIP %s has", name, vip->name);
	else
		used = (size_t)snprintf(error, size, "no server '%s' (it is VIP/SERVER); VIPs are",
					name);
	n = vip != NULL ? vip->n_servers : config->n_vips;
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(error + used, size - used, "%s %s", i > 0 ? "," : "",
					 vip != NULL ? vip->servers[i].name : config->vips[i].name);
}

static const char *const action_texts[] = {
	[GT_ACTION_UP] = "up",
	[GT_ACTION_DOWN] = "down: its connections move to others",
	[GT_ACTION_ENABLE] = "enabled",
	[GT_ACTION_DRAIN] = "drained: keeps its connections, takes no new ones",
	[GT_ACTION_DISABLE] = "disabled: its connections move to others",
};

int gt_node_act(struct gt_node *node, enum gt_node_action action, const char *server, long value,
		char *error, size_t error_size)
{
	const struct gt_config_server *config;
	struct gt_server_state *s = find_server(node, server, &config);

	if (s == NULL) {
		explain_unknown(node, server, error, error_size);
		return -ENOENT;
	}
	switch (action) {
	case GT_ACTION_UP:
	case GT_ACTION_DOWN:
		s->up = action == GT_ACTION_UP;
		break;
	case GT_ACTION_ENABLE:
		s->admin = GT_ADMIN_ENABLED;
		break;
	case GT_ACTION_DRAIN:
		s->admin = GT_ADMIN_DRAIN;
		break;
	case GT_ACTION_DISABLE:
		s->admin = GT_ADMIN_DISABLED;
		break;
	case GT_ACTION_WEIGHT:
		if (value < 0 || value > 65535) {
			if (error != NULL)
				snprintf(error, error_size,
					 "weight %ld is out of range: 0 to 65535", value);
			return -ERANGE;
		}
		s->weight = (uint16_t)value;
		break;
	}
	node->dirty = true;
	if (action == GT_ACTION_WEIGHT)
		gt_log(&node->hooks.log, LOG_NOTICE, "server %s: weight %ld", server, value);
	else
		gt_log(&node->hooks.log, LOG_NOTICE, "server %s: %s", server, action_texts[action]);
	return 0;
}

/* ---- reload ---- */

static bool same_interface(const struct gt_config_interface *a, const struct gt_config_interface *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->device, b->device) == 0 &&
	       a->vlan == b->vlan && a->mtu == b->mtu && a->has_mac == b->has_mac &&
	       (!a->has_mac || gt_mac_equal(&a->mac, &b->mac));
}

bool gt_node_may_reload(const struct gt_config *from, const struct gt_config *to)
{
	if (from->n_interfaces != to->n_interfaces || from->workers != to->workers ||
	    from->connections != to->connections)
		return false;
	for (size_t i = 0; i < from->n_interfaces; i++)
		if (!same_interface(&from->interfaces[i], &to->interfaces[i]))
			return false;
	return true;
}

static int check_restart_keys(const struct gt_node *node, const struct gt_config *config,
			      char *error, size_t size)
{
	bool same = gt_node_may_reload(node->config, config);

	if (same && (node->snat || !uses_snat(config)))
		return 0;
	if (same && error != NULL)
		snprintf(error, size,
			 "%s: mode = snat needs memory that is taken at the start, and no VIP had "
			 "it then: restart gantry for that",
			 config->file);
	else if (error != NULL)
		snprintf(error, size,
			 "%s: interfaces (name, device, mac, vlan, mtu), workers and connections "
			 "cannot change while running: restart gantry for that",
			 config->file);
	return -EXDEV;
}

/*
 * What was said of a server while running stays in force over a reload, unless the file changed
 * that very key.
 */
static void inherit_states(const struct gt_node *node, const struct gt_config *config,
			   struct gt_server_state *states)
{
	size_t k = 0;
	char name[2 * GT_NAME_MAX + 2];

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			const struct gt_config_server *now = &vip->servers[j], *was;
			const struct gt_server_state *old;

			snprintf(name, sizeof(name), "%s/%s", vip->name, now->name);
			old = find_server(node, name, &was);
			if (old == NULL || !gt_addr_equal(&was->address, &now->address))
				continue;
			states[k].up = old->up;
			states[k].current = old->current;
			if (was->state == now->state)
				states[k].admin = old->admin;
			if (was->weight == now->weight)
				states[k].weight = old->weight;
		}
	}
}

int gt_node_reload(struct gt_node *node, struct gt_config *config, char *error, size_t error_size)
{
	struct gt_config *old_config = node->config;
	struct gt_server_state *old_states = node->states, *states;
	struct gt_retired *r;
	struct gt_plan *plan;
	int ret = check_restart_keys(node, config, error, error_size);

	if (ret != 0)
		return ret;
	states = first_states(config);
	r = malloc(sizeof(*r));
	ret = states != NULL && r != NULL ? gt_node_want_neighbours(node, config, true) : -ENOMEM;
	if (ret != 0)
		goto fail;
	inherit_states(node, config, states);
	node->config = config;
	node->states = states;
	resolve(node);
	ret = build(node, config, &plan);
	if (ret != 0) {
		node->config = old_config;
		node->states = old_states;
		gt_node_want_neighbours(node, config, false);
		goto fail;
	}
	gt_node_want_neighbours(node, old_config, false);
	retire(node, r, plan, old_config);
	free(old_states);
	gt_log(&node->hooks.log, LOG_NOTICE, "reloaded %s: %zu VIPs, %zu servers", config->file,
	       config->n_vips, gt_plan_count_servers(config));
	return 0;
fail:
	if (error != NULL)
		snprintf(error, error_size, "%s: %s", config->file, strerror(-ret));
	free(states);
	free(r);
	return ret;
}
