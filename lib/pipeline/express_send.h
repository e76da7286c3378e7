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

/* Will translating it within its family and sending it by a wire of this MTU be all? */
static inline bool may_rewrite(const struct gt_frame *f, const struct express *x, uint32_t mtu)
{
	const uint8_t *ip = f->data + IP_OFF;

	if (x->l3_len > mtu)
		return false;
	if (!x->v6)
		return ip[8] > 1;
	return ip[7] > 1 && (x->protocol != IPPROTO_UDP || gt_copy_be16(ip + 40 + 6) != 0);
}

/* From whom and to whom, within the family: addresses that are NULL are left as they are. */
static inline void rewrite(struct gt_frame *f, const struct express *x, const struct gt_addr *src,
			   const struct gt_addr *dst, uint32_t ports)
{
	uint8_t *ip = f->data + IP_OFF;

	if (x->v6)
		gt_rewrite_v6(ip, x->protocol, src, dst, ports);
	else
		gt_rewrite_v4(ip, x->protocol,
			      src != NULL ? gt_addr_v4(src) : gt_copy_be32(ip + 12),
			      dst != NULL ? gt_addr_v4(dst) : gt_copy_be32(ip + 16), ports);
}

static inline const uint8_t *l4_of(const struct gt_frame *f, const struct express *x)
{
	return f->data + IP_OFF + (x->v6 ? 40 : 20);
}

static inline void to_nat_server(struct gt_frame *f, const struct express *x,
				 const struct gt_plan_server *s)
{
	const uint8_t *l4 = l4_of(f, x);
	rte_be16_t port = s->port != 0 ? s->port : gt_copy_be16(l4 + 2);

	rewrite(f, x, NULL, &s->addr, gt_rewrite_ports(gt_copy_be16(l4), port));
}

static inline struct gt_addr src_of(const struct gt_frame *f, const struct express *x)
{
	const uint8_t *ip = f->data + IP_OFF;
	struct gt_addr a;

	if (!x->v6)
		return gt_addr_from_v4(gt_copy_be32(ip + 12));
	memcpy(a.b, ip + 8, sizeof(a.b));
	return a;
}

static inline struct gt_addr dst_of(const struct gt_frame *f, const struct express *x)
{
	const uint8_t *ip = f->data + IP_OFF;
	struct gt_addr a;

	if (!x->v6)
		return gt_addr_from_v4(gt_copy_be32(ip + 16));
	memcpy(a.b, ip + 24, sizeof(a.b));
	return a;
}

static inline uint32_t variation_of(const struct gt_frame *f, bool v6)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + (v6 ? 40 : 20);
	struct gt_addr client;

	if (v6)
		memcpy(client.b, ip + 8, sizeof(client.b));
	else
		client = gt_addr_from_v4(gt_copy_be32(ip + 12));
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
	if (s->mode == GT_MODE_NAT && may_rewrite(f, x, s->mtu))
		to_nat_server(f, x, s);
	else if (s->mode == GT_MODE_TUNNEL && gt_outer_fits(&s->outer, x->l3_len, x->v6))
		to_tunnel_rest(plan, f, x->l3_len, x->v6, s);
	else
		return false;
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

/* To the server of an entry's session, if translating it and sending it is all. */
static inline __attribute__((always_inline)) bool send_by_session(struct reach *r,
								  struct gt_frame *f,
								  const struct express *x,
								  uint32_t session, uint16_t number)
{
	const struct gt_snat_pair *pair = gt_snat_pair(&r->w->snat, session);
	const struct gt_plan_server *server = &r->servers[number];

	if (server->express == GT_EXPRESS_NONE || pair->v6 != x->v6 ||
	    !may_rewrite(f, x, server->mtu))
		return false;
	rewrite(f, x, &pair->key.source, &pair->key.server,
		gt_rewrite_ports(rte_cpu_to_be_16(gt_snat_port(session)), pair->key.port));
	send_to_server(r, f, number, f->wire_len, f->wire_len);
	return true;
}

static inline bool to_session(struct reach *r, struct gt_frame *f, const struct express *x)
{
	uint32_t value, meta;
	uint16_t server;

	if (unlikely(x->slot == NULL))
		return false;
	value = x->slot->value;
	meta = x->slot->meta;
	/* Silent for too long may be its client alone: its session knows. */
	if (unlikely(gt_flow_kind(meta) != x->kind || !gt_connection_is_session(value) ||
		     gt_flow_idle(meta, r->tick) > x->service.idle_ticks ||
		     ((x->service.flags & GT_EXPRESS_BY_SOURCE) != 0 &&
		      gt_connection_record_is_due(r->w, meta))))
		return false;
	server = gt_connection_session_server(&r->w->snat, value);
	if (unlikely(server >= r->n_servers ||
		     !send_by_session(r, f, x, gt_connection_session(value), server)))
		return false;
	x->slot->meta = (meta & ~GT_TICK_MASK) | r->tick;
	return true;
}

/* A reply of a VIP's `server` in its client's eyes, by the route there. dst: NULL, it is that of
 * `client`. */
static __rte_always_inline bool to_client(struct reach *r, struct gt_frame *f,
					  const struct express *x, uint16_t server,
					  const struct gt_plan_vip *vip,
					  const struct gt_addr *client, const struct gt_addr *dst,
					  uint32_t ports)
{
	const struct gt_plan_route *route = gt_plan_find_route(r->plan, client, vip->interface);
	const struct gt_plan_interface *out;
	uint8_t macs[12];

	if (route == NULL)
		return false;
	out = &r->plan->interfaces[route->out_if];
	if (out->vlan != 0 || !may_rewrite(f, x, out->mtu) ||
	    !gt_plan_put_macs(r->plan, route, client, macs))
		return false;
	rewrite(f, x, &vip->addr, dst, ports);
	memcpy(f->data, macs, sizeof(macs));
	r->counts[server].reply_frames++;
	r->counts[server].reply_bytes += f->wire_len;
	depart(r->w, f, &r->replies, (uint32_t)route->out_if << 16, f->wire_len, f->wire_len);
	return true;
}

static inline bool nat_reply(struct reach *r, struct gt_frame *f, const struct express *x)
{
	const uint8_t *l4 = l4_of(f, x);
	const struct gt_plan_nat *nat = x->nat;
	const struct gt_plan_vip *vip = &r->plan->vips[r->servers[nat->number].vip];
	rte_be16_t port = nat->port != 0 ? nat->vip_port : gt_copy_be16(l4);
	struct gt_addr client;

	if (gt_addr_is_v4(&vip->addr) == x->v6)
		return false;
	client = dst_of(f, x);
	return to_client(r, f, x, nat->number, vip, &client, NULL,
			 gt_rewrite_ports(port, gt_copy_be16(l4 + 2)));
}

static inline bool session_reply(struct reach *r, struct gt_frame *f, const struct express *x)
{
	struct gt_snat_session *s = x->place;
	const struct gt_plan_vip *vip;
	struct gt_addr client;
	uint16_t number;

	/* If the pair is still the packet's, so is its port. */
	if (!s->live || r->w->snat.pairs_changed != r->pairs_changed || s->server >= r->n_servers ||
	    s->service >= r->plan->n_services)
		return false;
	/* Neither is gone, nor another VIP's by now. */
	number = r->servers[s->server].vip;
	vip = &r->plan->vips[number];
	if (number == 0 || r->plan->services[s->service].vip != number ||
	    gt_addr_is_v4(&vip->addr) == x->v6)
		return false;
	client = gt_snat_client(&r->w->snat, s);
	if (!to_client(r, f, x, s->server, vip, &client, &client,
		       gt_rewrite_ports(s->vip_port, s->client_port)))
		return false;
	s->tick = r->tick & GT_TICK_MASK;
	if (unlikely(!s->answered))
		s->answered = x->protocol == IPPROTO_TCP;
	return true;
}

/* ---- runs ----
 * Frames of one mode mostly come one behind the other: each has a loop of its own, over the frames
 * from here on that are its and take their way: how many. The first that is not is not changed.
 */

/* nat, and dr and tunnels by source; of nat both ways. */
static __rte_noinline unsigned run_server(struct reach *r, struct gt_frame *frames,
					  const struct express *express, unsigned n)
{
	unsigned i = 0;

	for (; i < n; i++) {
		const struct express *x = &express[i];

		if (x->way == WAY_SERVER ? !to_server(r, &frames[i], x)
					 : x->way != WAY_NAT_REPLY || !nat_reply(r, &frames[i], x))
			break;
	}
	return i;
}

/* snat, both ways. */
static __rte_noinline unsigned run_session(struct reach *r, struct gt_frame *frames,
					   const struct express *express, unsigned n)
{
	unsigned i = 0;

	for (; i < n; i++) {
		const struct express *x = &express[i];

		if (x->way == WAY_SESSION
			    ? !to_session(r, &frames[i], x)
			    : x->way != WAY_SESSION_REPLY || !session_reply(r, &frames[i], x))
			break;
	}
	return i;
}

/* The ordinary packets of dr, as to_server forwards them: all that is needed for each is in
 * registers. */
static __rte_noinline unsigned run_dr(struct reach *reach, struct gt_frame *frames,
				      const struct express *express, unsigned n)
{
	const struct gt_plan_server *servers = reach->servers;
	struct gt_server_counters *counts = reach->counts;
	uint32_t n_servers = reach->n_servers, tick = reach->tick;
	struct gt_worker *w = reach->w;
	struct sums s = reach->requests;
	unsigned i = 0;

	for (; i < n; i++) {
		const struct express *x = &express[i];
		struct gt_frame *f = &frames[i];
		uint32_t value, meta, came = f->wire_len;
		const struct gt_plan_server *to;

		if (unlikely(x->way != WAY_DR || x->slot == NULL))
			break;
		value = x->slot->value;
		meta = x->slot->meta;
		if (unlikely(gt_flow_kind(meta) != x->kind || value >= n_servers ||
			     gt_flow_idle(meta, tick) > x->service.idle_ticks))
			break;
		to = &servers[value];
		if (unlikely(to->express != GT_EXPRESS_DR))
			break;
		x->slot->meta = (meta & ~GT_TICK_MASK) | tick;
		memcpy(f->data, to->macs, sizeof(to->macs));
		counts[value].frames++;
		counts[value].bytes += came;
		depart(w, f, &s, vip_out_of(to), came, came);
	}
	reach->requests = s;
	return i;
}

/* Those of tunnels, as to_server forwards them. */
static __rte_noinline unsigned run_tunnel(struct reach *reach, struct gt_frame *frames,
					  const struct express *express, unsigned n)
{
	const struct gt_plan_server *servers = reach->servers;
	struct gt_server_counters *counts = reach->counts;
	uint32_t n_servers = reach->n_servers, tick = reach->tick;
	const struct express *x = express, *end = express + n;
	struct sums s = reach->requests;
	struct gt_frame *f = frames;

	for (; x < end; x++, f++) {
		uint32_t value, meta, came = f->wire_len;
		const struct gt_plan_server *to;

		if (unlikely(x->way != WAY_TUNNEL || x->slot == NULL))
			break;
		value = x->slot->value;
		meta = x->slot->meta;
		if (unlikely(gt_flow_kind(meta) != x->kind || value >= n_servers ||
			     gt_flow_idle(meta, tick) > x->service.idle_ticks))
			break;
		to = &servers[value];
		if (unlikely(to->express != GT_EXPRESS_TUNNEL ||
			     !gt_outer_fits(&to->outer, x->l3_len, x->v6)))
			break;
		x->slot->meta = (meta & ~GT_TICK_MASK) | tick;
		memcpy(to_tunnel(reach->plan, f, x->l3_len, x->v6, to) - IP_OFF, to->macs,
		       sizeof(to->macs));
		counts[value].frames++;
		counts[value].bytes += came;
		depart(reach->w, f, &s, vip_out_of(to), came, f->wire_len);
	}
	reach->requests = s;
	return (unsigned)(x - express);
}

static inline unsigned run_way(struct reach *r, struct gt_frame *frames,
			       const struct express *express, unsigned n)
{
	switch ((enum express_way)express->way) {
	case WAY_DR:
		return run_dr(r, frames, express, n);
	case WAY_TUNNEL:
		return run_tunnel(r, frames, express, n);
	case WAY_SERVER:
	case WAY_NAT_REPLY:
		return run_server(r, frames, express, n);
	case WAY_SESSION:
	case WAY_SESSION_REPLY:
		return run_session(r, frames, express, n);
	case WAY_GENERAL:
		break;
	}
	return 0;
}

static inline bool is_client(const struct express *x)
{
	return x->way == WAY_DR || x->way == WAY_TUNNEL || x->way == WAY_SERVER ||
	       x->way == WAY_SESSION;
}

#endif
