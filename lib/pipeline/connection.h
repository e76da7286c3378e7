/* SPDX-License-Identifier: BSD-3-Clause */
/* Which server a packet's connection has; see connection.c. */
#ifndef GT_PIPELINE_CONNECTION_H
#define GT_PIPELINE_CONNECTION_H

#include "packet/parse.h"
#include "pipeline/pipeline.h"

/* The key of a client's connection to a port (in network order) of a range. Worker. */
void gt_connection_key(const struct gt_plan_range *range, const struct gt_addr *client,
		       rte_be16_t client_port, rte_be16_t vip_port, struct gt_flow_key *key);

/*
 * The server of a TCP or UDP packet to a VIP: its connection's, or the scheduler's, which is then
 * noted if the table has room. GT_NO_SERVER if no server may take it. Worker.
 */
uint16_t gt_connection_server(struct gt_worker *w, uint16_t vip, const struct gt_packet *p,
			      const struct gt_flow_key *key, uint64_t hash, uint32_t tick);

/* The same for a packet about a connection (an ICMP error): it neither makes nor keeps alive an
 * entry. Worker. */
uint16_t gt_connection_peek(struct gt_worker *w, uint16_t vip, const struct gt_addr *client,
			    rte_be16_t client_port, rte_be16_t vip_port,
			    const struct gt_flow_key *key, uint64_t hash);

#endif
