/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the node share; see stations.c. */
#ifndef GT_NODE_INTERNAL_H
#define GT_NODE_INTERNAL_H

#include "node/node.h"

/* Plans, and configurations, that were replaced; workers may still read them. */
struct gt_retired {
	struct gt_retired *next;
	struct gt_plan *plan;
	struct gt_config *config; /* NULL: a newer plan uses it too */
};

/* The states that a configuration begins with: all up. NULL: no memory. */
struct gt_server_state *gt_node_first_states(const struct gt_config *config);

/* One for each server, nobody checks it. NULL: no memory. */
struct gt_health *gt_node_first_healths(const struct gt_config *config);

/* Puts the neighbours' MACs into the states. */
void gt_node_resolve(struct gt_node *node);

/* draft: NULL, or a plan to take tables from. crew: NULL, or who fills tables. 0, -ENOMEM, -ENOSPC.
 */
int gt_node_build(struct gt_node *node, const struct gt_config *config, const struct gt_plan *draft,
		  const struct gt_plan_crew *crew, struct gt_plan **plan);

/* Puts a new plan in the old one's place. `config`: the old configuration, if it was replaced too.
 */
void gt_node_retire(struct gt_node *node, struct gt_retired *r, struct gt_plan *plan,
		    struct gt_config *config);

/* Tells of a change of state: `fmt` and so on make the sentence. */
#define gt_node_tell(node, ...) gt_event(&(node)->events, __VA_ARGS__)

/* Where an index of the states stands in the configuration. */
void gt_node_find_place(const struct gt_node *node, size_t index, struct gt_node_place *at);

/* slow_start.c: a server has just begun to take new connections again. */
void gt_node_begin_slow_start(struct gt_node *node, const struct gt_node_place *at);
/* Gives servers the share that is due. */
void gt_node_advance_slow_start(struct gt_node *node);

/* vips.c: after each plan: which VIPs have a server, and which addresses are withdrawn. */
void gt_node_note_vips(struct gt_node *node);
/* A while after the start: tells of those that never had one. */
void gt_node_tell_late_vips(struct gt_node *node);

/* The state, and the configuration, of a server named VIP/SERVER; NULL if there is none. */
struct gt_server_state *gt_node_find_server(const struct gt_node *node, const char *name,
					    const struct gt_config_server **server);

/* The address that leads to a server: its own on a shared wire, else the interface's gateway. */
const struct gt_addr *gt_node_next_hop(const struct gt_config *config,
				       const struct gt_config_server *server);

/* Hooks of the neighbours; ctx is the node. */
void gt_node_on_neighbour(void *ctx, enum gt_neighbour_event event, uint8_t interface,
			  const struct gt_addr *addr, const struct gt_mac *mac,
			  const struct gt_mac *old_mac);
void gt_node_on_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);

/* Adds, or removes, all that a configuration wants of the neighbours. Adding: 0, or -ENOMEM, and
 * nothing was added. */
int gt_node_want_neighbours(struct gt_node *node, const struct gt_config *config, bool add);

/* Lets clients become known, or no more, as the configuration in force wants it. */
void gt_node_admit_guests(struct gt_node *node);

#endif
