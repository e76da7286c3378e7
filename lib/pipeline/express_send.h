/* SPDX-License-Identifier: BSD-3-Clause */
/* The last stages of the express path: what was looked up is forwarded, and counted. Inlined into
 * the loop of express.c, which see. */
#ifndef GT_PIPELINE_EXPRESS_SEND_H
#define GT_PIPELINE_EXPRESS_SEND_H

#include "packet/tunnel.h"
#include "packet/wrap.h"
#include "pipeline/connection.h"
#include "pipeline/express.h"
#include "pipeline/tunnel.h"

/* What neighbouring frames of a burst add to the same counters. */
struct sums {
	uint64_t in; /* bytes, and frames << 32: a burst's bytes are far less */
	uint32_t out_bytes;
	uint32_t between; /* join_ends */
};

_Static_assert(GT_BURST_MAX * 0x10000ULL < UINT32_MAX, "a burst's bytes leave room for its frames");
_Static_assert(offsetof(struct gt_plan_server, out_if) == offsetof(struct gt_plan_server, vip) + 2,
	       "a server's VIP and interface are one word");

/* A server's VIP, and interface << 16; above that might be anything. */
static inline uint32_t vip_out_of(const struct gt_plan_server *s)
{
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
	uint32_t word;

	memcpy(&word, &s->vip, sizeof(word));
	return word;
#else
	return s->vip | (uint32_t)s->out_if << 16;
#endif
}

/* By whose counters a frame goes: vip_out_of its server (VIP 0: replies), interface in. */
static inline uint32_t join_ends(uint32_t vip_out, uint8_t in_if)
{
	return (vip_out & 0xffffff) | (uint32_t)in_if << 24;
}

/* What stages 3 and 4 read for each frame, at hand: bytes written to a frame might be anything, as
 * far as a compiler knows. */
struct reach {
	struct gt_worker *w;
	const struct gt_plan *plan;
	const struct gt_plan_server *servers;
	uint32_t n_servers;
	uint32_t tick;
	struct gt_server_counters *counts;
	uint64_t pairs_changed;	       /* of w->snat, when the burst was classified */
	struct sums requests, replies; /* which come in between */
	/* plan's, where a run of sessions needs them */
	const struct gt_plan_service *services;
	uint32_t n_services;
};

/* ---- accounts ---- */

/* Writes the sums to the worker's counters. */
static void account(struct gt_worker *w, struct sums s)
{
	struct gt_counters *c = &w->counters;
	unsigned vip = s.between & 0xffff, out_if = s.between >> 16 & 0xff, in_if = s.between >> 24;
	uint32_t frames = (uint32_t)(s.in >> 32), in_bytes = (uint32_t)s.in;

	c->in += frames;
	c->forwarded += frames;
	c->interfaces[in_if].in_frames += frames;
	c->interfaces[in_if].in_bytes += in_bytes;
	c->interfaces[out_if].out_frames += frames;
	c->interfaces[out_if].out_bytes += s.out_bytes;
	/* Replies are not counted by their VIP: number 0 is none. */
	if (vip != 0) {
		w->vips[vip].frames += frames;
		w->vips[vip].bytes += in_bytes;
	}
}

/* Frames mostly come one behind the other by the same way: their sums are written at the end.
 * came, goes: bytes that the frame had, and has. */
static inline void depart(struct gt_worker *w, struct gt_frame *f, struct sums *s, uint32_t vip_out,
			  uint32_t came, uint32_t goes)
{
	uint32_t between = join_ends(vip_out, f->in_if);

	f->out_if = (uint8_t)(vip_out >> 16);
	f->verdict = GT_SEND;
	/* Only a tunnel's is changed outside of its bytes, and longer then. */
	f->in_place = came == goes;
	if (unlikely(s->between != between)) {
		if (s->in > 0)
			account(w, *s);
		*s = (struct sums){.between = between};
	}
	s->in += came + (1ULL << 32);
	s->out_bytes += goes;
}

/* To a server, by the link layer that is ready made. */
static inline void send_to_server(struct reach *r, struct gt_frame *f, uint32_t server,
				  uint32_t came, uint32_t goes)
{
	const struct gt_plan_server *s = &r->servers[server];

	memcpy(f->data, s->macs, sizeof(s->macs));
	r->counts[server].frames++;
	r->counts[server].bytes += came;
	depart(r->w, f, &r->requests, vip_out_of(s), came, goes);
}

/* ---- stages 3 and 4 ----
 * All of these: false if the connection, or the packet, is not as it must be. Then nothing was
 * changed, and the general path has to take it. */

/* Will translating it within its family and sending it by a wire of this MTU be all? v6: the
 * packet's family, as everywhere here, known where it is inlined. */
static __rte_always_inline bool may_rewrite(const uint8_t *ip, const struct express *x, bool v6,
					    uint32_t mtu)
{
	if (x->l3_len > mtu)
		return false;
	if (!v6)
		return ip[8] > 1;
	return ip[7] > 1 && (x->protocol != IPPROTO_UDP || gt_copy_be16(ip + 40 + 6) != 0);
}

/* An address of the packet's family: of IPv6 where it is, for a copy is written and read at once,
 * in pieces that do not fit. */
struct end {
	rte_be32_t v4;
	const struct gt_addr *v6;
};

static __rte_always_inline struct end end_of(const struct gt_addr *a)
{
	return (struct end){.v4 = gt_addr_v4(a), .v6 = a};
}

/* The packet's source (which = 0) or destination (1), while it is not written. */
static __rte_always_inline struct end end_in(const uint8_t *ip, bool v6, unsigned which)
{
	if (v6)
		return (struct end){
			.v6 = (const struct gt_addr *)(const void *)(ip + 8 + 16UL * which)};
	return (struct end){.v4 = gt_copy_be32(ip + 12 + 4UL * which)};
}

static inline const uint8_t *l4_of(const struct gt_frame *f, bool v6)
{
	return f->data + IP_OFF + (v6 ? 40 : 20);
}

/* Is the packet's source (which = 0) or destination (1) this address? */
static __rte_always_inline bool is_end(const uint8_t *ip, bool v6, unsigned which,
				       const struct gt_addr *a)
{
	return v6 ? memcmp(ip + 8 + 16UL * which, a->b, sizeof(a->b)) == 0
		  : gt_copy_be32(ip + 12 + 4UL * which) == gt_addr_v4(a);
}

/* One end becomes another; `sum`: what its address adds. */
static __rte_always_inline void rewrite_end(uint8_t *ip, const struct express *x, bool v6,
					    unsigned which, const struct gt_addr *to,
					    rte_be16_t port, uint16_t sum)
{
	uint8_t *l4 = ip + (v6 ? 40 : 20);

	if (v6)
		gt_rewrite_ipv6_one(ip, which, to);
	else
		gt_rewrite_ipv4_one(ip, which, gt_addr_v4(to), sum);
	gt_rewrite_port(l4, x->protocol, l4 + 2UL * which, port, sum);
}

/* Both do, and the ports; `sum`: what they add without these. */
static __rte_always_inline void rewrite(uint8_t *ip, const struct express *x, bool v6,
					const struct gt_addr *src, const struct end *dst,
					uint32_t ports, uint64_t sum)
{
	if (v6)
		gt_rewrite_ipv6(ip, src, dst->v6);
	else
		gt_rewrite_ipv4(ip, gt_addr_v4(src), dst->v4, sum);
	gt_rewrite_l4(ip + (v6 ? 40 : 20), x->protocol, ports, sum);
}

/* From the VIP to its server. */
static __rte_always_inline bool to_nat_server(struct gt_frame *f, const struct express *x, bool v6,
					      const struct gt_plan_server *s)
{
	uint8_t *ip = f->data + IP_OFF;
	rte_be16_t port = s->port != 0 ? s->port : gt_copy_be16(ip + (v6 ? 40 : 20) + 2);

	/* Else its VIP has got another address. */
	if (!is_end(ip, v6, 1, &s->vip_addr) || !may_rewrite(ip, x, v6, s->mtu))
		return false;
	rewrite_end(ip, x, v6, 1, &s->addr, port, (uint16_t)~s->reply_sum);
	return true;
}

static inline struct gt_addr src_of(const struct gt_frame *f, bool v6)
{
	const uint8_t *ip = f->data + IP_OFF;
	struct gt_addr a;

	if (!v6)
		return gt_addr_from_v4(gt_copy_be32(ip + 12));
	memcpy(a.b, ip + 8, sizeof(a.b));
	return a;
}

static inline struct gt_addr dst_of(const struct gt_frame *f, bool v6)
{
	const uint8_t *ip = f->data + IP_OFF;
	struct gt_addr a;

	if (!v6)
		return gt_addr_from_v4(gt_copy_be32(ip + 16));
	memcpy(a.b, ip + 24, sizeof(a.b));
	return a;
}

static inline uint32_t variation_of(const struct gt_frame *f, bool v6)
{
	const uint8_t *l4 = l4_of(f, v6);
	const struct gt_addr client = src_of(f, v6);

	return gt_tunnel_variation(&client, gt_copy_be16(l4), gt_copy_be16(l4 + 2));
}

/* What is not the plain case of to_tunnel. */
static __rte_noinline uint8_t *to_tunnel_rest(const struct gt_plan *plan, struct gt_frame *f,
					      uint32_t len, bool v6, const struct gt_plan_server *s)
{
	uint32_t variation = variation_of(f, v6);
	const struct gt_addr *src = gt_tunnel_source(plan, s, variation);
	bool outer_v6 = (s->outer.flags & GT_OUTER_V6) != 0;
	uint8_t *ip;

	if (outer_v6 && s->encapsulation == GT_ENCAP_GUE) {
		struct gt_packet p = {.kind = v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
				      .l3_off = IP_OFF,
				      .l3_end = IP_OFF + len};

		gt_tunnel_wrap_for(plan, f, &p, s, variation);
		return f->data + IP_OFF;
	}
	ip = outer_v6 ? gt_wrap_v6(f, len, v6, &s->outer, src, &s->addr, variation)
		      : gt_wrap_v4(f, len, v6, &s->outer, s->n_sources > 1 ? gt_addr_v4(src) : 0,
				   gt_addr_v4(&s->addr));
	if ((s->outer.flags & GT_OUTER_SHIM) != 0)
		gt_wrap_shim(ip + (outer_v6 ? 40 : 20), s->encapsulation, v6, variation, len);
	return ip;
}

/* A packet of `len` bytes that fits. In place what IP in IP from one source is. Returns the outer
 * header. */
static __rte_always_inline uint8_t *to_tunnel(const struct gt_plan *plan, struct gt_frame *f,
					      uint32_t len, bool v6, const struct gt_plan_server *s)
{
	if (s->outer.flags == 0)
		return gt_wrap_v4(f, len, v6, &s->outer, 0, gt_addr_v4(&s->addr));
	if (s->outer.flags == GT_OUTER_V6)
		return gt_wrap_v6(f, len, v6, &s->outer, &plan->sources[s->first_source], &s->addr,
				  variation_of(f, v6));
	return to_tunnel_rest(plan, f, len, v6, s);
}

/* What a mode other than dr does with a packet to its server. An entry of snat would name a
 * session. */
static inline __attribute__((always_inline)) bool change(const struct gt_plan *plan,
							 struct gt_frame *f,
							 const struct express *x,
							 const struct gt_plan_server *s)
{
	if (s->mode == GT_MODE_NAT)
		return x->v6 ? to_nat_server(f, x, true, s) : to_nat_server(f, x, false, s);
	if (s->mode != GT_MODE_TUNNEL || !gt_outer_fits(&s->outer, x->l3_len, x->v6))
		return false;
	to_tunnel_rest(plan, f, x->l3_len, x->v6, s);
	return true;
}

static inline bool to_server(struct reach *r, struct gt_frame *f, const struct express *x)
{
	uint32_t value, meta, came = f->wire_len, goes = came;
	const struct gt_plan_server *s;

	if (unlikely(x->slot == NULL))
		return false;
	value = x->slot->value;
	meta = x->slot->meta;
	if (unlikely(gt_flow_kind(meta) != x->kind || value >= r->n_servers ||
		     gt_flow_idle(meta, r->tick) > x->service.idle_ticks ||
		     ((x->service.flags & GT_EXPRESS_BY_SOURCE) != 0 &&
		      gt_connection_record_is_due(r->w, meta))))
		return false;
	s = &r->servers[value];
	if (unlikely(s->express != GT_EXPRESS_DR)) {
		if (s->express == GT_EXPRESS_NONE || !change(r->plan, f, x, s))
			return false;
		goes = f->wire_len;
	}
	x->slot->meta = (meta & ~GT_TICK_MASK) | r->tick;
	send_to_server(r, f, value, came, goes);
	return true;
}

/* From a pair's source address and `port` (host order) to its server. */
static __rte_always_inline void rewrite_to_pair(uint8_t *ip, const struct express *x, bool v6,
						const struct gt_snat_pair *pair, uint16_t port)
{
	const struct end server = end_of(&pair->key.server);
	uint32_t ports = pair->ports | gt_bytes_ports(rte_cpu_to_be_16(port), 0);
	uint64_t went = v6 ? gt_rewrite_sum(ip + 8, ip + 24, UINT64_MAX)
			   : gt_rewrite_halves(~gt_rewrite_load(ip + 12));

	rewrite(ip, x, v6, &pair->key.source, &server, ports, went + pair->sum);
}

/* To the server of an entry's session, if translating it and sending it is all. */
static __rte_always_inline bool send_by_session(struct reach *r, struct gt_frame *f,
						const struct express *x, bool v6, uint32_t session,
						uint16_t number)
{
	const struct gt_snat_pair *pair = gt_snat_pair(&r->w->snat, session);
	const struct gt_plan_server *server = &r->servers[number];
	uint8_t *ip = f->data + IP_OFF;

	if (server->express == GT_EXPRESS_NONE || pair->v6 != v6 ||
	    !may_rewrite(ip, x, v6, server->mtu))
		return false;
	send_to_server(r, f, number, f->wire_len, f->wire_len);
	rewrite_to_pair(ip, x, v6, pair, gt_snat_port(session));
	return true;
}

static __rte_always_inline bool to_session(struct reach *r, struct gt_frame *f,
					   const struct express *x, bool v6)
{
	uint32_t value, meta, session;
	uint16_t server;

	if (unlikely(x->slot == NULL))
		return false;
	value = x->slot->value;
	meta = x->slot->meta;
	/* Silent for too long may be its client alone: its session knows. */
	if (unlikely(gt_flow_kind(meta) != x->kind ||
		     gt_flow_idle(meta, r->tick) > x->service.idle_ticks ||
		     ((x->service.flags & GT_EXPRESS_BY_SOURCE) != 0 &&
		      gt_connection_record_is_due(r->w, meta))))
		return false;
	/* The name alone, mostly. */
	session = value ^ GT_VALUE_SESSION;
	if (likely(session < GT_VALUE_OTHER_SERVER)) {
		server = gt_snat_pair(&r->w->snat, session)->server;
	} else {
		if (!gt_connection_is_session(value))
			return false;
		session = gt_connection_session(value);
		server = gt_connection_session_server(&r->w->snat, value);
	}
	if (unlikely(server >= r->n_servers || !send_by_session(r, f, x, v6, session, server)))
		return false;
	x->slot->meta = (meta & ~GT_TICK_MASK) | r->tick;
	return true;
}

/* A server's reply, but for its bytes of IP. */
static __rte_always_inline void depart_to_client(struct reach *r, struct gt_frame *f,
						 uint32_t server, const struct gt_plan_route *way)
{
	uint32_t bytes = f->wire_len;

	r->counts[server].reply_frames++;
	r->counts[server].reply_bytes += bytes;
	depart(r->w, f, &r->replies, (uint32_t)way->out_if << 16, bytes, bytes);
}

/* The same to a client on one of our own wires. */
static __rte_always_inline bool send_to_near(struct reach *r, struct gt_frame *f, uint32_t server,
					     const struct gt_plan_route *way,
					     const struct gt_addr *client)
{
	const struct gt_mac *mac = gt_plan_find_neighbour(r->plan, way->out_if, client);

	if (mac == NULL)
		return false;
	memcpy(f->data, mac->b, 6);
	memcpy(f->data + 6, way->macs + 6, 6);
	depart_to_client(r, f, server, way);
	return true;
}

/* Sends a reply, whose addresses and ports are yet to be written, to its client by the link layer.
 */
static __rte_always_inline bool send_to_client(struct reach *r, struct gt_frame *f,
					       const struct express *x, bool v6, uint32_t server,
					       const struct end *client)
{
	const struct gt_plan_route *way = v6 ? gt_plan_find_subnet_v6(r->plan, client->v6)
					     : gt_plan_find_subnet_v4(r->plan, client->v4);
	const uint8_t *ip = f->data + IP_OFF;

	if (way != NULL) {
		const struct gt_addr near = v6 ? *client->v6 : gt_addr_from_v4(client->v4);

		return may_rewrite(ip, x, v6, way->plain_mtu) &&
		       send_to_near(r, f, server, way, &near);
	}
	way = r->plan->defaults[!v6][r->servers[server].vip_if];
	if (!may_rewrite(ip, x, v6, way->plain_mtu))
		return false;
	memcpy(f->data, way->macs, sizeof(way->macs));
	depart_to_client(r, f, server, way);
	return true;
}

/* Is its VIP of that family? A number that is not used has none; a tunnel's, which an old session
 * may tell, is not asked. */
static __rte_always_inline bool has_family(const struct gt_plan_server *server, bool v6)
{
	return server->vip_family == (v6 ? GT_VIP_V6 : GT_VIP_V4);
}

static __rte_always_inline bool reply_of(struct reach *r, struct gt_frame *f,
					 const struct express *x, bool v6)
{
	const struct gt_plan_nat *nat = x->nat;
	const struct gt_plan_server *server = &r->servers[nat->number];
	uint8_t *ip = f->data + IP_OFF;
	rte_be16_t port = nat->port != 0 ? nat->vip_port : gt_copy_be16(ip + (v6 ? 40 : 20));
	const struct end client = end_in(ip, v6, 1);

	if (!has_family(server, v6) || !send_to_client(r, f, x, v6, nat->number, &client))
		return false;
	rewrite_end(ip, x, v6, 0, &server->vip_addr, port, server->reply_sum);
	return true;
}

static inline bool nat_reply(struct reach *r, struct gt_frame *f, const struct express *x)
{
	return x->v6 ? reply_of(r, f, x, true) : reply_of(r, f, x, false);
}

static __rte_always_inline bool session_reply(struct reach *r, struct gt_frame *f,
					      const struct express *x, bool v6)
{
	struct gt_snat_session *s = x->place;
	const struct gt_plan_server *server;
	const struct end client = {.v4 = s->client, .v6 = gt_snat_client_v6(s)};
	uint64_t sum;

	if (!s->live || s->server >= r->n_servers || s->service >= r->n_services ||
	    (v6 && !gt_snat_is_wide(&r->w->snat)))
		return false;
	/* Neither is gone, nor another VIP's by now. */
	server = &r->servers[s->server];
	if (r->services[s->service].vip != server->vip || !has_family(server, v6))
		return false;
	if (!send_to_client(r, f, x, v6, s->server, &client))
		return false;
	sum = (uint16_t)~x->came_sum + (v6 ? gt_rewrite_sum(server->vip_addr.b, client.v6->b, 0)
					   : (uint64_t)gt_addr_v4(&server->vip_addr) + client.v4);
	rewrite(f->data + IP_OFF, x, v6, &server->vip_addr, &client,
		gt_bytes_ports(s->vip_port, s->client_port), sum);
	s->tick = r->tick & GT_TICK_MASK;
	if (unlikely(!s->answered))
		s->answered = x->protocol == IPPROTO_TCP;
	return true;
}

#endif
