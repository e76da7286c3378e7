/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What main knows and decides, without I/O: the configuration in force, each server's state, the
 * neighbours, and the plan that follows from them. `gantry run`, `gantry replay` and the tests all
 * drive this; sockets, timers and threads are theirs. Main only.
 */
#ifndef GT_NODE_NODE_H
#define GT_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "balance/plan.h"
#include "base/counters.h"
#include "base/frame.h"
#include "base/log.h"
#include "config/config.h"
#include "neighbour/neighbour.h"

struct gt_node_hooks {
	/* Send a frame unasked. NULL: never (replay). */
	void (*emit)(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);
	void *ctx;
	struct gt_log log;
};

struct gt_node {
	struct gt_config *config;	/* owned */
	struct gt_server_state *states; /* in the plan's order: VIP by VIP */
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_neighbours *neighbours;
	struct gt_counters counters; /* of what was punted */
	struct gt_plan *plan;	     /* newest; owned */
	bool dirty;		     /* something changed since it was built */
	bool guests_dirty; /* clients became known, moved or went: no hurry, see gt_node_plan_due */
	uint64_t guests_ms; /* no plan for clients alone before */
	uint64_t changes;   /* what neighbours told so far */
	bool snat;	 /* workers have memory for SNAT sessions: a VIP used them at the start */
	uint64_t now_ms; /* of the frame or tick that is handled */
	/* MACs that changed in minute `moves_minute`: who spoofs ARP must not fill the log */
	uint64_t moves_minute;
	unsigned moves_told;
	struct gt_retired *retired; /* older plans that workers may still read */
	struct gt_node_hooks hooks;
};

/*
 * Takes config over (also on failure it is the node's to free only if *out is not NULL). macs: one
 * for each interface. All servers begin up. The first plan is built. 0, -ENOMEM, -ENOSPC.
 */
int gt_node_create(struct gt_config *config, const struct gt_mac *macs,
		   const struct gt_node_hooks *hooks, struct gt_node **out);
void gt_node_destroy(struct gt_node *node);

/*
 * A punted frame: its final verdict (ANSWER or DROP), counted in node->counters.
 */
void gt_node_frame(struct gt_node *node, struct gt_frame *frame, uint64_t now_ms);

/* Neighbours' timers. Call every 100 ms. */
void gt_node_tick(struct gt_node *node, uint64_t now_ms);

/* A worker could not send to a station on an interface's wire, whose MAC is not known: asks for it.
 */
void gt_node_miss(struct gt_node *node, uint8_t interface, const struct gt_addr *addr);

/* What an operator or a check says of a server, named VIP/SERVER. */
enum gt_node_action {
	GT_ACTION_UP,
	GT_ACTION_DOWN,
	GT_ACTION_ENABLE,
	GT_ACTION_DRAIN,
	GT_ACTION_DISABLE,
	GT_ACTION_WEIGHT, /* value: 0 to 65535 */
};
/* 0, or -ENOENT (no such server; the message says which there are). -ERANGE: weight. error may be
 * NULL. */
int gt_node_act(struct gt_node *node, enum gt_node_action action, const char *server, long value,
		char *error, size_t error_size);

/*
 * May a reload lead from one configuration to another? Not if interfaces (name, device, mac, vlan,
 * mtu), workers or connections differ: they are settled at the start. Any caller.
 */
bool gt_node_may_reload(const struct gt_config *from, const struct gt_config *to);

/*
 * Takes another configuration into force: states of servers that are in both are kept, unless the
 * file changed that very key. -EXDEV with a message if that needs a restart (gt_node_may_reload;
 * the first VIP of mode snat, too), and nothing changed. Takes config over on success only. 0,
 * -ENOMEM, -ENOSPC, -EXDEV.
 */
int gt_node_reload(struct gt_node *node, struct gt_config *config, char *error, size_t error_size);

/*
 * Is it time for a new plan? At once if a server, an operator or a configuration changed something.
 * Clients that became known wait until GT_NODE_GUESTS_MS after the last plan, all of that time
 * together: whoever floods a wire with ARP of ever new senders must not keep main building plans.
 */
#define GT_NODE_GUESTS_MS 50
bool gt_node_plan_due(struct gt_node *node, uint64_t now_ms);

/* An interface's link came back: announces our addresses there, and asks its neighbours again. */
void gt_node_link_up(struct gt_node *node, uint8_t interface);

/*
 * Builds a new plan if anything changed. True: node->plan is new, publish it; the old one waits for
 * gt_node_reclaim. False: nothing changed, or no memory (logged; tried again at the next call).
 */
bool gt_node_refresh(struct gt_node *node);

/* Frees all plans but the newest, and configurations that only they used: no worker reads them now.
 */
void gt_node_reclaim(struct gt_node *node);

#endif
