/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who gets a connection. Which servers may is the plan's matter; which of them:
 *
 *   maglev, rendezvous   by hash: the same on every worker and node, today and tomorrow
 *   round-robin          smooth and weighted, as nginx does it; each worker goes round by itself,
 *                        beginning at another server
 *   least-connections    the fewest open ones for its weight, over all workers (loads.h)
 *
 * The last two cannot be asked again. So only what begins a connection (a SYN, a datagram) takes
 * its turn; any other packet that no entry knows goes by the hash: where a connection without an
 * entry went from its SYN on, because the table was full. Its packets stay together.
 *
 * With persistence = source, a client address keeps its server by a record in the connection table,
 * shared by the VIPs of a group.
 */
#ifndef GT_PIPELINE_SCHEDULE_H
#define GT_PIPELINE_SCHEDULE_H

#include "packet/parse.h"
#include "pipeline/pipeline.h"

/* The server for a packet's new connection, or for a known one that must move: GT_NO_SERVER if none
 * takes it. Makes or renews the client's record. choice: the hash of gt_plan_choice_words; 0: not
 * made yet. Worker. */
uint16_t gt_schedule(struct gt_worker *w, uint16_t vip, const struct gt_packet *p, bool moves,
		     uint64_t choice, const struct gt_flow_judge *judge);

/* Does a SYN or a datagram take its turn, instead of going by the hash? Worker. */
static inline bool gt_schedule_takes_turns(const struct gt_plan_vip *v)
{
	return v->n_members >= 2 &&
	       (v->scheduler == GT_SCHED_ROUND_ROBIN || v->scheduler == GT_SCHED_LEAST_CONNECTIONS);
}

/*
 * The server for packets of a connection without an entry: by record, else by hash. Changes
 * nothing, so that all its packets, and ICMP errors about it, get the same one. Worker.
 */
uint16_t gt_schedule_untracked(const struct gt_worker *w, uint16_t vip,
			       const struct gt_addr *client, rte_be16_t client_port,
			       rte_be16_t vip_port);

/* Would the next packet of this entry, if the entry were gone, find its value again? Worker. */
bool gt_schedule_rehashes(const struct gt_worker *w, const struct gt_flow_key *key, uint32_t value);

/* A client has shown that it is there, with a connection to this server: its record stays, or comes
 * back if it had to yield. For VIPs with persistence = source. Worker. */
void gt_schedule_confirm(struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
			 uint16_t server, const struct gt_flow_judge *judge);

#endif
