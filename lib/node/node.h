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
#include "base/event.h"
#include "base/frame.h"
#include "base/log.h"
#include "config/compare.h"
#include "config/config.h"
#include "neighbour/neighbour.h"
#include "probe/health.h"

struct gt_node_hooks {
	/* Send a frame unasked. NULL: never (replay). */
	void (*emit)(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);
	/* Connections that a server has now, by its number in the plan. NULL: not known. */
	uint64_t (*active)(void *ctx, uint32_t server);
	void (*event)(void *ctx, const struct gt_event *event); /* NULL: the log is enough */
	void *ctx;
	struct gt_log log;
	/* Who fills the first plan's tables, while nobody forwards yet; NULL: main alone. Used by
	 * gt_node_create only. */
	const struct gt_plan_crew *crew;
};

/* What new connections of a VIP meet. */
enum gt_vip_state {
	GT_VIP_UP,
	GT_VIP_DRAIN, /* no server takes new ones; known ones go on */
	GT_VIP_DOWN,  /* no server at all */
};

/* What main remembers of a VIP. */
struct gt_vip_memory {
	const struct gt_config_vip *config;
	enum gt_vip_state state;
	bool told;	/* that it is not up */
	bool withdrawn; /* its address, as it was told */
};

struct gt_node {
	struct gt_config *config;	/* owned */
	struct gt_server_state *states; /* in the plan's order: VIP by VIP */
	struct gt_health *healths;	/* of the same servers, by checks */
	struct gt_vip_memory *vips;	/* in the configuration's order; NULL: not noted yet */
	size_t n_vips;
	const struct gt_config *vips_of; /* the configuration that `vips` is of */
	uint64_t begun_ms;		 /* of the first tick, if there was one */
	bool begun, late_told;
	bool slow; /* some server has not its whole weight yet */
	struct gt_mac macs[GT_INTERFACES_MAX];
	struct gt_neighbours *neighbours;
	struct gt_counters counters; /* of what was punted */
	struct gt_plan *plan;	     /* newest; owned */
	bool dirty;		     /* something changed since it was built */
	bool guests_dirty; /* clients became known, moved or went: no hurry, see gt_node_plan_due */
	uint64_t guests_ms;	  /* no plan for clients alone before */
	uint64_t changes;	  /* what neighbours told so far */
	bool stations_moved;	  /* servers' or gateways' MACs are not in the states yet */
	enum gt_config_snat snat; /* what SNAT sessions workers have memory for */
	uint64_t now_ms;	  /* of the frame or tick that is handled */
	/* MACs that changed in minute `moves_minute`: who spoofs ARP must not fill the log */
	uint64_t moves_minute;
	unsigned moves_told;
	/* The same of servers that cannot be checked */
	uint64_t blind_minute;
	unsigned blind_told;
	struct gt_retired *retired;   /* older plans that workers may still read */
	const struct gt_plan *pinned; /* one that a draft is built from, else NULL */
	struct gt_node_hooks hooks;
	struct gt_events events; /* to the hooks: by gt_node_tell, or gt_event */
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

/* Neighbours' timers, slow start, VIPs that have no server from the beginning. Call every 100 ms.
 */
void gt_node_tick(struct gt_node *node, uint64_t now_ms);

/* A worker could not send to a station on an interface's wire, whose MAC is not known: asks for it.
 */
void gt_node_miss(struct gt_node *node, uint8_t interface, const struct gt_addr *addr);

/*
 * Servers by name: VIP/SERVER, either of which may be `*`, or an address: of all VIPs the servers
 * that have it. Begin with {0}; false: there is no further one.
 */
struct gt_node_place {
	size_t next; /* where the search goes on */
	const struct gt_config_vip *vip;
	const struct gt_config_server *server;
	size_t index; /* in node->states */
};
bool gt_node_next_server(const struct gt_node *node, const char *name, struct gt_node_place *at);
/* "no server 'pacs/x'; VIP pacs has a, b". */
void gt_node_explain_unknown(const struct gt_node *node, const char *name, char *error,
			     size_t size);

/*
 * What becomes of the connections of a server that is down or disabled: "its connections move to b,
 * c with their next packet". Empty if it has no say in that. Returns buf.
 */
char *gt_node_fate(const struct gt_node *node, size_t index, char *buf, size_t size);

/* Room for what gt_node_fate says. */
#define GT_NODE_FATE_MAX 384

/* What an operator or a check says of a server, or of several: see gt_node_next_server. */
enum gt_node_action {
	GT_ACTION_UP,
	GT_ACTION_DOWN,
	GT_ACTION_ENABLE,
	GT_ACTION_DRAIN,
	GT_ACTION_DISABLE,
	GT_ACTION_WEIGHT, /* value: 0 to 65535 */
};
/* 0, or -ENOENT (no such server; the message says which there are), -ERANGE (weight), -ENOMEM, and
 * nothing changed. error may be NULL. */
int gt_node_act(struct gt_node *node, enum gt_node_action action, const char *server, long value,
		char *error, size_t error_size);

/*
 * From now on a server, by its index in the states, is checked by this rule; NULL: by none, and up.
 * What is known of it stays if the rule's id is the same as before; its state in any case.
 */
void gt_node_watch(struct gt_node *node, size_t index, const struct gt_health_rule *rule);

/* A check of a server that is watched has ended: its state, and the log, follow. */
void gt_node_health(struct gt_node *node, size_t index, const struct gt_health_result *result);

/*
 * A configuration on its way into force, in steps, because tables of slots take a millisecond each:
 * main begins and adopts, another thread may build in between while main goes on with all the rest.
 */
struct gt_draft;

/*
 * Begins: compares it with the one in force, and notes what the servers' states are. One draft at a
 * time. -EXDEV with the reasons in messages (which need not be empty) if it needs a restart:
 * gt_config_settled, with the memory for mode snat that is taken at the start. `config`
 * stays the caller's. 0, -EXDEV, -ENOMEM.
 */
int gt_node_draft(struct gt_node *node, struct gt_config *config,
		  struct gt_config_messages *messages, struct gt_draft **out);

/* The long part; may be left out. 0, -ENOMEM, -ENOSPC. Any thread; main must not end the draft
 * meanwhile. */
int gt_draft_build(struct gt_draft *draft);

const struct gt_config_changes *gt_draft_changes(const struct gt_draft *draft);

/*
 * Puts it into force: states of servers that are in both are kept, unless the file changed that
 * very key. node->plan is new then: publish it. Takes the draft's configuration over on success; on
 * failure all is as it was. The draft stays. 0, -ENOMEM, -ENOSPC (more new servers or ports at once
 * than there are free numbers).
 */
int gt_node_adopt(struct gt_node *node, struct gt_draft *draft);

/* Ends it, adopted or not. NULL is allowed. */
void gt_node_end_draft(struct gt_node *node, struct gt_draft *draft);

/* All of it in one step; takes config over on success only. 0, -EXDEV, -ENOMEM, -ENOSPC. */
int gt_node_reload(struct gt_node *node, struct gt_config *config,
		   struct gt_config_messages *messages);

/*
 * Goes back to what the file says of a server's weight and state, named VIP/SERVER, or of `all`:
 * takes back what operators said of them. *n: how many that changed. 0, -ENOENT with a message.
 */
int gt_node_revert(struct gt_node *node, const char *server, size_t *n, char *error,
		   size_t error_size);

/* Servers whose weight or state is what an operator said, and not what the file says. */
size_t gt_node_count_overrides(const struct gt_node *node);

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

/* Frees all plans but the newest and a draft's, and configurations that only they used: no worker
 * reads them now. */
void gt_node_reclaim(struct gt_node *node);

#endif
