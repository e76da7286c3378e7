/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels in the pipeline. Two rules keep them without state. A packet that is too long for the
 * interface when wrapped is refused, and its sender told what would fit; it is never cut, DF or
 * not: cutting one frame into two needs memory that the core has not, the server's reassembly is
 * where a busy tunnel mixes datagrams up (RFC 4963), and a sender that is told need not be told
 * again (RFC 4459 3.2; RFC 8900 on fragments as such). And when a router inside the tunnel refuses
 * an outer packet, its words are passed on to the client whose packet it quotes, who remembers
 * them; gantry need not (RFC 2003 4, RFC 2473 8).
 */
#include "pipeline/tunnel.h"

#include <assert.h>

#include <rte_ether.h>

#include "packet/icmp.h"
#include "packet/tunnel.h"
#include "pipeline/connection.h"
#include "pipeline/forward.h"
#include "pipeline/internal.h"

_Static_assert((int)GT_ENCAP_IPIP == (int)GT_TUNNEL_IPIP &&
		       (int)GT_ENCAP_GRE == (int)GT_TUNNEL_GRE &&
		       (int)GT_ENCAP_GUE == (int)GT_TUNNEL_GUE,
	       "the configuration and the packets name encapsulations alike");

/* The least MTU of a link: no router can mean less (RFC 791 3.2, RFC 8200 5). */
#define LEAST_MTU_V4 68U
#define LEAST_MTU_V6 1280U

/*
 * The identification of an IPv4 outer header. It counts only where the outer packet may be cut, DF
 * clear: then it is the inner one's, which its sender keeps apart (RFC 6864 4.1), moved by the
 * fragment's offset, for the fragments of one datagram are as many outer datagrams. So it needs no
 * memory and is the same on every worker; two clients' may meet all the same (RFC 4963): better
 * have no link that cuts.
 */
static uint16_t outer_id(const struct gt_frame *f, const struct gt_packet *p)
{
	const uint8_t *ip = f->data + p->l3_off;

	if (p->kind != GT_PACKET_IPV4)
		return 0;
	return (uint16_t)((ip[4] << 8 | ip[5]) + p->fragment_offset);
}

bool gt_tunnel_enter(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p,
		     const struct gt_plan_server *s, uint32_t variation)
{
	uint32_t overhead = gt_tunnel_overhead(s->encapsulation, gt_addr_is_v4(&s->addr));

	if (p->l3_end - p->l3_off + overhead > s->mtu) {
		gt_answer_too_big(w, f, p, (uint16_t)(s->mtu - overhead));
		return false;
	}
	gt_tunnel_wrap_for(w->plan, f, p, s, variation);
	return true;
}

void gt_tunnel_wrap_for(const struct gt_plan *plan, struct gt_frame *f, const struct gt_packet *p,
			const struct gt_plan_server *s, uint32_t variation)
{
	struct gt_tunnel t = {.dst = s->addr,
			      .kind = s->encapsulation,
			      .ipv4_id = outer_id(f, p),
			      .variation = variation};

	/* A subnet or a gateway of the family leads to the server, so there is one. */
	assert(s->n_sources > 0);
	t.src = *gt_tunnel_source(plan, s, variation);
	gt_tunnel_wrap(f, p, &t);
}

/* ---- out of a tunnel ---- */

/* The MTU that a "fragmentation needed" or "packet too big" tells; 0: it is something else, or was
 * told before RFC 1191. */
static uint32_t told_mtu(const struct gt_frame *f, const struct gt_packet *p)
{
	const uint8_t *icmp = f->data + p->l4_off;

	if (p->kind == GT_PACKET_IPV4)
		return icmp[0] == 3 && icmp[1] == 4 ? (uint32_t)(icmp[6] << 8 | icmp[7]) : 0;
	if (icmp[0] != 2)
		return 0;
	/* RFC 4443 3.2 has 32 bits for it. */
	return icmp[4] != 0 || icmp[5] != 0 ? 0 : (uint32_t)(icmp[6] << 8 | icmp[7]);
}

/*
 * The server that the quoted inner packet's connection has, if it is a tunnel's whose far end is
 * `t`: who forges an error must know the connection, and which of the servers it has. Else NULL.
 */
static const struct gt_plan_server *quoted_server(struct gt_worker *w, const struct gt_tunnel *t,
						  const struct gt_packet *inner)
{
	const struct gt_plan_address *a = gt_plan_find_address(w->plan, &inner->dst);
	const struct gt_plan_range *range;
	const struct gt_plan_server *s;
	struct gt_flow_key key;
	struct gt_path path;
	uint64_t hash;

	if (a == NULL || !a->vip)
		return NULL;
	range = gt_plan_find_range(w->plan, a, inner->protocol, rte_be_to_cpu_16(inner->dst_port));
	if (range == NULL)
		return NULL;
	gt_connection_key(range, &inner->src, inner->src_port, inner->dst_port, &key);
	gt_flow_hash(&w->flows, &key, &hash, 1);
	if (gt_connection_peek(w, w->plan->services[key.service].vip, &inner->src, inner->src_port,
			       inner->dst_port, &key, hash, &path) != GT_PARSE_OK ||
	    path.kind != GT_PATH_SERVER)
		return NULL;
	s = &w->plan->servers[path.server];
	return s->mode == GT_MODE_TUNNEL && s->encapsulation == t->kind &&
			       gt_addr_equal(&s->addr, &t->dst)
		       ? s
		       : NULL;
}

/* Cuts the frame down to the quoted inner packet, as if that had just come by itself. */
static void uncover(struct gt_frame *f, const struct gt_packet *p, struct gt_packet *inner)
{
	uint32_t cut = p->l4_off + 8U + inner->l3_off - p->l3_off;
	uint8_t *d = f->data + cut;
	uint16_t type = inner->kind == GT_PACKET_IPV4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;

	memmove(d, f->data, p->l3_off);
	d[p->l3_off - 2] = (uint8_t)(type >> 8);
	d[p->l3_off - 1] = (uint8_t)type;
	inner->l3_off = p->l3_off;
	inner->l3_end = p->l3_end - cut;
	f->data = d;
	f->len -= cut;
	f->wire_len -= cut;
}

bool gt_tunnel_error(struct gt_worker *w, struct gt_frame *f, const struct gt_packet *p)
{
	uint32_t from = p->l4_off + 8U, to = p->l3_end < f->len ? p->l3_end : f->len, mtu;
	const struct gt_plan_server *s;
	struct gt_packet inner;
	struct gt_tunnel t;
	struct gt_addr client;
	uint32_t overhead;

	if (p->fragment != GT_FRAGMENT_NONE || from > to ||
	    !gt_tunnel_quoted(f->data + from, to - from, p->kind == GT_PACKET_IPV6, &t, &inner) ||
	    !gt_addr_equal(&t.src, &p->dst))
		return false;
	s = quoted_server(w, &t, &inner);
	mtu = told_mtu(f, p);
	if (s == NULL || mtu == 0)
		return false;
	overhead = gt_tunnel_overhead(t.kind, gt_addr_is_v4(&t.dst));
	/* One that would have fitted is no complaint: forged, or long out of date. */
	if (mtu >= s->mtu || mtu < LEAST_MTU_V4 + overhead) {
		gt_worker_drop(w, f, GT_DROP_ICMP_BAD);
		return true;
	}
	if (!gt_worker_may_tell(w)) {
		gt_worker_drop(w, f, GT_DROP_TOO_BIG);
		return true;
	}
	mtu -= overhead;
	/* Below this no IPv6 sender goes (RFC 8200 5). */
	if (inner.kind == GT_PACKET_IPV6 && mtu < LEAST_MTU_V6)
		mtu = LEAST_MTU_V6;
	client = inner.src;
	uncover(f, p, &inner);
	gt_icmp_too_big(f, &inner, (uint16_t)mtu, &w->plan->interfaces[f->in_if].mac);
	gt_forward_to_client(w, f, p, (uint16_t)(s - w->plan->servers), &client);
	return true;
}
