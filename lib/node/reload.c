/* SPDX-License-Identifier: BSD-3-Clause */
/* One configuration in the place of another, while workers forward; see node.h. */
#include "node/internal.h"

#include <errno.h>
#include <stdlib.h>

struct gt_draft {
	struct gt_config *config; /* NULL: the node's now */
	struct gt_config_changes changes;
	/* What gt_draft_build reads; none of it changes meanwhile. */
	struct gt_server_state *states;
	const struct gt_mac *macs;
	const struct gt_plan *previous;
	/* What it makes: a plan that is never in force, for its tables */
	struct gt_plan *plan;
	struct gt_retired *retired; /* memory for the plan that is replaced */
};

/*
 * What was said of a server while running stays in force over a reload, unless the file changed
 * that very key.
 */
static void inherit_states(const struct gt_node *node, const struct gt_config *config,
			   const struct gt_config_changes *changes, struct gt_server_state *states,
			   struct gt_health *healths)
{
	size_t k = 0;

	for (size_t i = 0; i < config->n_vips; i++) {
		for (size_t j = 0; j < config->vips[i].n_servers; j++, k++) {
			const struct gt_config_server *now = &config->vips[i].servers[j];
			const struct gt_config_server_was *was = &changes->server_was[k];
			const struct gt_server_state *old = &node->states[was->index];

			if (was->server == NULL)
				continue;
			states[k].up = old->up;
			if (healths != NULL)
				healths[k] = node->healths[was->index];
			states[k].current = old->current;
			states[k].slow_tenths = old->slow_tenths;
			states[k].slow_since_ms = old->slow_since_ms;
			if (was->server->state == now->state)
				states[k].admin = old->admin;
			if (was->server->weight == now->weight)
				states[k].weight = old->weight;
		}
	}
}

/* The states that servers have in `config`, and into healths, if not NULL, what checks know of
 * them. NULL: no memory. */
static struct gt_server_state *next_states(const struct gt_node *node,
					   const struct gt_config *config,
					   const struct gt_config_changes *changes,
					   struct gt_health *healths)
{
	struct gt_server_state *states = gt_node_first_states(config);

	if (states != NULL)
		inherit_states(node, config, changes, states, healths);
	return states;
}

int gt_node_draft(struct gt_node *node, struct gt_config *config,
		  struct gt_config_messages *messages, struct gt_draft **out)
{
	int ret = gt_config_settled(node->config, config, node->snat, messages);
	struct gt_draft *d;

	*out = NULL;
	if (ret != 0)
		return ret;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	d->config = config;
	d->macs = node->macs;
	d->retired = malloc(sizeof(*d->retired));
	ret = d->retired != NULL ? gt_config_compare(node->config, config, &d->changes, messages)
				 : -ENOMEM;
	if (ret == 0)
		d->states = next_states(node, config, &d->changes, NULL);
	if (d->states == NULL) {
		gt_node_end_draft(node, d);
		return -ENOMEM;
	}
	d->previous = node->plan;
	node->pinned = node->plan;
	*out = d;
	return 0;
}

int gt_draft_build(struct gt_draft *d)
{
	return gt_plan_build(d->config, d->states, d->macs, NULL, 0, d->previous, &d->plan);
}

const struct gt_config_changes *gt_draft_changes(const struct gt_draft *d)
{
	return &d->changes;
}

/* Neighbours as they were before a configuration's were added. */
static void forget_neighbours(struct gt_node *node, const struct gt_config *config, bool added)
{
	if (added)
		gt_node_want_neighbours(node, config, false);
	/* The MAC of a static neighbour is what was told last. Adding what is there takes no
	 * memory. */
	if (gt_node_want_neighbours(node, node->config, true) == 0)
		gt_node_want_neighbours(node, node->config, false);
}

int gt_node_adopt(struct gt_node *node, struct gt_draft *d)
{
	struct gt_config *old_config = node->config;
	struct gt_server_state *old_states = node->states;
	struct gt_health *old_healths = node->healths;
	bool added = false;
	struct gt_server_state *states = NULL;
	struct gt_health *healths;
	struct gt_plan *plan;
	int ret = -ENOMEM;

	/* Anew: since the draft, operators and checks may have spoken. */
	healths = gt_node_first_healths(d->config);
	states = healths != NULL ? next_states(node, d->config, &d->changes, healths) : NULL;
	if (states == NULL)
		goto fail;
	node->states = states;
	node->healths = healths;
	ret = gt_node_want_neighbours(node, d->config, true);
	if (ret != 0)
		goto fail;
	added = true;
	node->config = d->config;
	gt_node_resolve(node);
	ret = gt_node_build(node, d->config, d->plan, NULL, &plan);
	if (ret != 0)
		goto fail;
	gt_node_want_neighbours(node, old_config, false);
	gt_node_admit_guests(node);
	gt_node_retire(node, d->retired, plan, old_config);
	d->retired = NULL;
	d->config = NULL;
	free(old_states);
	free(old_healths);
	return 0;
fail:
	free(states);
	free(healths);
	node->states = old_states;
	node->healths = old_healths;
	node->config = old_config;
	forget_neighbours(node, d->config, added);
	return ret;
}

void gt_node_end_draft(struct gt_node *node, struct gt_draft *d)
{
	if (d == NULL)
		return;
	node->pinned = NULL;
	gt_plan_free(d->plan);
	gt_config_changes_free(&d->changes);
	free(d->states);
	free(d->retired);
	free(d);
}

int gt_node_reload(struct gt_node *node, struct gt_config *config,
		   struct gt_config_messages *messages)
{
	struct gt_draft *draft;
	int ret = gt_node_draft(node, config, messages, &draft);

	if (ret == 0)
		ret = gt_node_adopt(node, draft);
	if (ret == 0)
		gt_node_tell(node,
			     (struct gt_event){
				     .level = LOG_NOTICE, .kind = "reload", .now = config->file},
			     "reloaded %s: %zu VIPs, %zu servers", config->file, config->n_vips,
			     gt_plan_count_servers(config));
	gt_node_end_draft(node, draft);
	return ret;
}
