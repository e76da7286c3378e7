/* SPDX-License-Identifier: BSD-3-Clause */
/* One configuration in the place of another, while workers forward; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_interface(const struct gt_config_interface *a, const struct gt_config_interface *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->device, b->device) == 0 &&
	       a->vlan == b->vlan && a->mtu == b->mtu && a->has_mac == b->has_mac &&
	       (a->kernel == NULL) == (b->kernel == NULL) &&
	       (a->kernel == NULL || strcmp(a->kernel, b->kernel) == 0) &&
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

	if (same && (node->snat || !gt_node_uses_snat(config)))
		return 0;
	if (same && error != NULL)
		snprintf(error, size,
			 "%s: mode = snat needs memory that is taken at the start, and no VIP had "
			 "it then: restart gantry for that",
			 config->file);
	else if (error != NULL)
		snprintf(error, size,
			 "%s: interfaces (name, device, mac, vlan, mtu, kernel), workers and "
			 "connections "
			 "cannot change while running: restart gantry for that",
			 config->file);
	return -EXDEV;
}

/*
 * What was said of a server while running stays in force over a reload, unless the file changed
 * that very key.
 */
static void inherit_states(const struct gt_node *node, const struct gt_config *config,
			   struct gt_server_state *states, struct gt_health *healths)
{
	size_t k = 0;
	char name[2 * GT_NAME_MAX + 2];

	for (size_t i = 0; i < config->n_vips; i++) {
		const struct gt_config_vip *vip = &config->vips[i];

		for (size_t j = 0; j < vip->n_servers; j++, k++) {
			const struct gt_config_server *now = &vip->servers[j], *was;
			const struct gt_server_state *old;

			snprintf(name, sizeof(name), "%s/%s", vip->name, now->name);
			old = gt_node_find_server(node, name, &was);
			if (old == NULL || !gt_addr_equal(&was->address, &now->address))
				continue;
			states[k].up = old->up;
			healths[k] = node->healths[old - node->states];
			states[k].current = old->current;
			states[k].slow_tenths = old->slow_tenths;
			states[k].slow_since_ms = old->slow_since_ms;
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
	struct gt_health *old_healths = node->healths, *healths;
	struct gt_retired *r;
	struct gt_plan *plan;
	int ret = check_restart_keys(node, config, error, error_size);

	if (ret != 0)
		return ret;
	states = gt_node_first_states(config);
	healths = gt_node_first_healths(config);
	r = malloc(sizeof(*r));
	ret = states != NULL && healths != NULL && r != NULL
		      ? gt_node_want_neighbours(node, config, true)
		      : -ENOMEM;
	if (ret != 0)
		goto fail;
	inherit_states(node, config, states, healths);
	node->config = config;
	node->states = states;
	node->healths = healths;
	gt_node_resolve(node);
	ret = gt_node_build(node, config, &plan);
	if (ret != 0) {
		node->config = old_config;
		node->states = old_states;
		node->healths = old_healths;
		gt_node_want_neighbours(node, config, false);
		goto fail;
	}
	gt_node_want_neighbours(node, old_config, false);
	gt_node_retire(node, r, plan, old_config);
	free(old_states);
	free(old_healths);
	gt_node_tell(node,
		     (struct gt_event){.level = LOG_NOTICE, .kind = "reload", .now = config->file},
		     "reloaded %s: %zu VIPs, %zu servers", config->file, config->n_vips,
		     gt_plan_count_servers(config));
	return 0;
fail:
	if (error != NULL)
		snprintf(error, error_size, "%s: %s", config->file, strerror(-ret));
	free(states);
	free(healths);
	free(r);
	return ret;
}
