/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the node share; see stations.c. */
#ifndef GT_NODE_INTERNAL_H
#define GT_NODE_INTERNAL_H

#include "node/node.h"

/* The address that leads to a server: its own on a shared wire, else the interface's gateway. */
const struct gt_addr *gt_node_next_hop(const struct gt_config *config,
				       const struct gt_config_server *server);

/* Hooks of the neighbours; ctx is the node. */
void gt_node_on_neighbour(void *ctx, enum gt_neighbour_event event, uint8_t interface,
			  const struct gt_addr *addr, const struct gt_mac *mac,
			  const struct gt_mac *old_mac);
void gt_node_on_emit(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);

/* Adds, or removes, all that a configuration wants of the neighbours. Adding: 0 or -ENOMEM. */
int gt_node_want_neighbours(struct gt_node *node, const struct gt_config *config, bool add);

#endif
