/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pipeline does of tunnels: into one, and what comes back out of one; see tunnel.c. */
#ifndef GT_PIPELINE_TUNNEL_H
#define GT_PIPELINE_TUNNEL_H

#include "packet/parse.h"
#include "pipeline/pipeline.h"

/*
 * What the outer headers of a connection vary by: 32 bits that are the same on every worker and
 * node, and after a restart, so that a connection stays on its queue of the server's NIC. Worker.
 */
static inline uint32_t gt_tunnel_variation(const struct gt_addr *client, rte_be16_t client_port,
					   rte_be16_t vip_port)
{
	uint64_t w[2], x;

	/* MurmurHash3's finalizer: two multiplications. A secret would be of no use, for whoever
	 * wants to crowd one queue of a server's NIC can do so without a tunnel, too. */
	memcpy(w, client->b, 16);
	x = (w[0] * 0x9e3779b97f4a7c15ULL ^ w[1]) + ((uint64_t)vip_port << 16 | client_port);
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return (uint32_t)(x >> 32);
}

/*
 * Wraps a packet for a server; the link layer's addresses are still to be written. False: it would
 * not fit the interface's MTU, and has its verdict: ANSWER ("too big"), or DROP. Worker.
 */
bool gt_tunnel_enter(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		     const struct gt_plan_server *s, uint32_t variation);

/*
 * Which of our addresses an outer header has. IPv4 has no field that could vary by connection,
 * other than GUE's port: several addresses of the interface take turns. Worker.
 */
static inline const struct gt_addr *
gt_tunnel_source(const struct gt_plan *plan, const struct gt_plan_server *s, uint32_t variation)
{
	return &plan->sources[s->first_source + (s->n_sources > 1 ? variation % s->n_sources : 0)];
}

/* The same for one that fits. Of `p`, kind, l3_off, l3_end and fragment_offset are read. Worker. */
void gt_tunnel_wrap_for(const struct gt_plan *plan, struct gt_frame *f, const struct gt_packet *p,
			const struct gt_plan_server *s, uint32_t variation);

/*
 * An ICMP error to an own address. If it says that a packet of ours is too big for a link inside a
 * tunnel, its client is told so, and the frame has its verdict. False: it says something else, or
 * is not about a tunnel. Worker.
 */
bool gt_tunnel_error(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p);

#endif
