/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of frames, and its express path: what nearly all frames are, packets of established
 * connections without anything unusual, is judged and forwarded by few instructions. It never does
 * something else than the general path (classify.c to forward.c) would: it takes a frame only if it
 * knows that, and leaves every other one as it was.
 *
 * What makes it fast: headers are compared by words, not field by
 * field; one look-up leads from the destination to the service; an entry in its ordinary state is
 * recognized by one comparison of state and flags, so that nothing else of the connection must be
 * judged; and what is left to do is written down ready-made in the plan.
 *
 * A frame is one if it is TCP or UDP in IPv4 without options or IPv6 without extension headers, no
 * fragment, untagged, to the interface's MAC, all lengths and the checksum right. A client's is to
 * a service of the express table; its connection must be established (TCP: this packet is an ACK
 * without SYN, FIN and RST), not idle for too long, and its server alive with a known MAC. A
 * server's is a reply of nat, or of a session of snat. It must fit the next wire, and keep its
 * family.
 *
 * What begins or ends a connection is asked of connection.c, as on the general path; only what was
 * parsed and looked up is not done again (settle).
 */
#include "pipeline/burst.h"
#include "pipeline/connection.h"
#include "pipeline/express.h"
#include "pipeline/general.h"
#include "pipeline/internal.h"
#include "pipeline/lanes.h"
#include "pipeline/schedule.h"
#include "pipeline/tunnel.h"

#include "packet/tunnel.h"
#include "packet/wrap.h"

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

/* A burst's frames, each on the express path or the general one. */
struct burst {
	struct express express[GT_BURST_MAX];
	struct gt_work works[GT_BURST_MAX]; /* of the general path's, in their order */
	unsigned n_works;
	/* Where `has_choices`: gt_connection_known's, of connections that begin */
	uint64_t choices[GT_BURST_MAX];
	bool has_choices;
	uint64_t pairs_changed;
};

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

/* Where there are several workers a fresh frame may be another's; tags are not for us. */
static bool is_untouched(const struct gt_worker *w, unsigned interface)
{
	return w->plan->interfaces[interface].vlan == 0 &&
	       (w->steer.n_workers == 1 || w->steer.exact[interface]);
}

static struct express_view make_view(const struct gt_worker *w)
{
	struct express_view v;

	v.w = w;
	v.plan = w->plan;
	v.flows = &w->flows;
	for (unsigned i = 0; i < w->plan->n_interfaces; i++) {
		const struct gt_mac *mac = &w->plan->interfaces[i].mac;

		v.heads[i] = (struct express_head){
			.mac = (uint64_t)gt_copy_be32(mac->b) | (uint64_t)gt_copy_be16(mac->b + 4)
									<< 32,
			.v4 = HEAD_V4,
			.v6 = HEAD_V6,
			.never = !is_untouched(w, i),
		};
	}
	return v;
}

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

static inline uint32_t variation_of(const struct gt_frame *f, const struct express *x)
{
	const uint8_t *l4 = l4_of(f, x);
	const struct gt_addr client = src_of(f, x);

	return gt_tunnel_variation(&client, gt_copy_be16(l4), gt_copy_be16(l4 + 2));
}

static inline void to_tunnel(const struct gt_plan *plan, struct gt_frame *f,
			     const struct express *x, const struct gt_plan_server *s)
{
	bool outer_v4 = gt_addr_is_v4(&s->addr);
	bool varies = s->encapsulation == GT_ENCAP_GUE || s->n_sources > 1 || !outer_v4;
	uint32_t variation = varies ? variation_of(f, x) : 0;

	if (outer_v4) {
		gt_wrap_v4(f, x->l3_len, x->v6, s->encapsulation,
			   gt_addr_v4(gt_tunnel_source(plan, s, variation)), gt_addr_v4(&s->addr),
			   variation);
	} else {
		struct gt_packet p = {.kind = x->v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
				      .l3_off = IP_OFF,
				      .l3_end = IP_OFF + x->l3_len};

		gt_tunnel_wrap_for(plan, f, &p, s, variation);
	}
}

static inline bool fits_tunnel(const struct express *x, const struct gt_plan_server *s)
{
	return x->l3_len + gt_tunnel_overhead(s->encapsulation, gt_addr_is_v4(&s->addr)) <= s->mtu;
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
	else if (s->mode == GT_MODE_TUNNEL && fits_tunnel(x, s))
		to_tunnel(plan, f, x, s);
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
		     gt_flow_idle(meta, r->tick) > x->service->idle_ticks ||
		     ((x->service->flags & GT_EXPRESS_BY_SOURCE) != 0 &&
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
		     gt_flow_idle(meta, r->tick) > x->service->idle_ticks ||
		     ((x->service->flags & GT_EXPRESS_BY_SOURCE) != 0 &&
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
 * Frames of one way mostly come one behind the other: each way has a loop of its own, over the
 * frames from here on that are its and take it: how many. The first that is neither is not changed.
 */

static __rte_always_inline unsigned
run(struct reach *r, struct gt_frame *frames, const struct express *express, unsigned n,
    enum express_way way, bool forward(struct reach *, struct gt_frame *, const struct express *))
{
	unsigned i = 0;

	while (i < n && express[i].way == way && likely(forward(r, &frames[i], &express[i])))
		i++;
	return i;
}

static __rte_noinline unsigned run_server(struct reach *r, struct gt_frame *frames,
					  const struct express *express, unsigned n)
{
	return run(r, frames, express, n, WAY_SERVER, to_server);
}

static __rte_noinline unsigned run_session(struct reach *r, struct gt_frame *frames,
					   const struct express *express, unsigned n)
{
	return run(r, frames, express, n, WAY_SESSION, to_session);
}

static __rte_noinline unsigned run_nat_reply(struct reach *r, struct gt_frame *frames,
					     const struct express *express, unsigned n)
{
	return run(r, frames, express, n, WAY_NAT_REPLY, nat_reply);
}

static __rte_noinline unsigned run_session_reply(struct reach *r, struct gt_frame *frames,
						 const struct express *express, unsigned n)
{
	return run(r, frames, express, n, WAY_SESSION_REPLY, session_reply);
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
			     gt_flow_idle(meta, tick) > x->service->idle_ticks))
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

static inline unsigned run_way(struct reach *r, struct gt_frame *frames,
			       const struct express *express, unsigned n)
{
	switch ((enum express_way)express->way) {
	case WAY_DR:
		return run_dr(r, frames, express, n);
	case WAY_SERVER:
		return run_server(r, frames, express, n);
	case WAY_SESSION:
		return run_session(r, frames, express, n);
	case WAY_NAT_REPLY:
		return run_nat_reply(r, frames, express, n);
	case WAY_SESSION_REPLY:
		return run_session_reply(r, frames, express, n);
	case WAY_GENERAL:
		break;
	}
	return 0;
}

static inline bool is_client(const struct express *x)
{
	return x->way == WAY_DR || x->way == WAY_SERVER || x->way == WAY_SESSION;
}

/* ---- what begins, ends or changes a connection ---- */

/* As gt_parse_link and gt_parse_network would. */
static inline void read_packet(const struct gt_frame *f, const struct express *x,
			       struct gt_packet *p)
{
	const uint8_t *l4 = l4_of(f, x);

	*p = (struct gt_packet){.kind = x->v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
				.src = src_of(f, x),
				.dst = dst_of(f, x),
				.l3_off = IP_OFF,
				.l4_off = (uint16_t)(l4 - f->data),
				.l3_end = IP_OFF + x->l3_len,
				.protocol = x->protocol,
				.src_port = gt_copy_be16(l4),
				.dst_port = gt_copy_be16(l4 + 2)};
	if (x->protocol == IPPROTO_TCP)
		p->tcp_flags = l4[13];
}

static inline bool send_by_path(struct reach *r, struct gt_frame *f, const struct express *x,
				const struct gt_path *path)
{
	const struct gt_plan_server *s = &r->servers[path->server];
	uint32_t came = f->wire_len;

	if (path->kind == GT_PATH_SESSION)
		return send_by_session(r, f, x, path->session, path->server);
	if (s->express != GT_EXPRESS_DR &&
	    (s->express == GT_EXPRESS_NONE || !change(r->plan, f, x, s)))
		return false;
	send_to_server(r, f, path->server, came, f->wire_len);
	return true;
}

/* A client's packet that is not the ordinary one of an established connection. */
static __attribute__((noinline)) void settle(struct reach *r, struct gt_frame *f, struct express *x,
					     uint64_t choice)
{
	const struct gt_connection_known known = {{x->slot}, choice};
	uint16_t vip = r->plan->services[x->service->service].vip;
	enum gt_drop_reason bad;
	struct gt_packet p;
	struct gt_path path;

	read_packet(f, x, &p);
	if (!x->key.wide)
		gt_flow_key_narrow(&x->key, gt_addr_v4(&p.src), p.src_port, x->service->service);
	bad = gt_connection_decide(r->w, vip, &p, &x->key, x->hash, known, &path);
	if (unlikely(bad != GT_PARSE_OK || !send_by_path(r, f, x, &path)))
		gt_general_forward(r->w, f, &p, vip, bad, &path);
}

/* ---- the burst ---- */

/* A frame that is the general path's. */
static void prepare_general(struct gt_worker *w, struct gt_frame *f, struct express *x,
			    struct gt_work *work)
{
	x->way = WAY_GENERAL;
	x->slot = NULL;
	gt_general_begin(w, f, work);
	if (work->key.service == 0)
		return;
	gt_flow_hash(&w->flows, &work->key, &work->hash, 1);
	gt_flow_prefetch(&w->flows, work->hash);
}

/* One frame is ordinary and its bucket on its way, or it is the general path's. */
static inline void prepare_one(struct gt_worker *w, const struct express_view *view,
			       struct gt_frame *f, struct express *x, struct burst *b)
{
	if (likely(express_classify(view, f, x)))
		return;
	prepare_general(w, f, x, &b->works[b->n_works++]);
}

#if defined(__AVX2__)
/* Those of eight frames, the burst's from `first` on, that were not judged together. */
static inline void prepare_rest(struct gt_worker *w, const struct express_view *view,
				struct gt_frame *frames, struct burst *b, unsigned first,
				unsigned judged)
{
	for (unsigned left = judged ^ GT_LANES_ALL; unlikely(left != 0); left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		prepare_one(w, view, &frames[i], &b->express[first + i], b);
	}
}
#endif

/* Stages 1 and 2 of all frames. */
static void prepare(struct gt_worker *w, struct gt_frame *frames, struct burst *b, unsigned n)
{
	const struct express_view view = make_view(w);

	for (unsigned i = 0; i < n;) {
#if defined(__AVX2__)
		if (n - i >= GT_LANES && lanes_are_v4(&view, &frames[i])) {
			prepare_rest(w, &view, &frames[i], b, i,
				     lanes_classify_v4(&view, &frames[i], &b->express[i]));
			i += GT_LANES;
			continue;
		}
		if (n - i >= GT_LANES && lanes_are_v6(&view, &frames[i])) {
			prepare_rest(w, &view, &frames[i], b, i,
				     lanes_classify_v6(&view, &frames[i], &b->express[i]));
			i += GT_LANES;
			continue;
		}
#endif
		prepare_one(w, &view, &frames[i], &b->express[i], b);
		i++;
	}
	b->pairs_changed = w->snat.pairs_changed;
}

/*
 * Hashes by which the servers of connections that begin are chosen, of four at once, and fetches
 * what they lead to. A vector of two would be slower than one by one. `fresh`: which frames.
 * False: none was made.
 */
static bool choose_ahead(const struct gt_worker *w, const struct gt_frame *frames, struct burst *b,
			 uint8_t *fresh, unsigned n)
{
#if defined(__AVX2__)
	memset(b->choices, 0, sizeof(b->choices));
	for (unsigned i = 0; i < n; i += 4) {
		uint64_t words[GT_PLAN_CHOICE_WORDS][4] = {0}, hashes[4];
		const struct gt_plan_vip *vips[4] = {NULL};

		for (unsigned j = 0; j < 4 && i + j < n; j++) {
			const struct express *x = &b->express[fresh[i + j]];
			uint64_t one[GT_PLAN_CHOICE_WORDS];
			struct gt_packet p;

			read_packet(&frames[fresh[i + j]], x, &p);
			vips[j] = &w->plan->vips[w->plan->services[x->service->service].vip];
			gt_plan_choice_words(vips[j], &p.src, p.src_port, p.dst_port, one);
			for (unsigned k = 0; k < GT_PLAN_CHOICE_WORDS; k++)
				words[k][j] = one[k];
		}
		gt_siphash_four(&w->plan->seed, words, GT_PLAN_CHOICE_WORDS, hashes);
		for (unsigned j = 0; j < 4 && i + j < n; j++) {
			const struct gt_plan_vip *v = vips[j];

			if (v->slots == NULL || v->source_service != 0 ||
			    gt_schedule_takes_turns(v))
				continue;
			b->choices[fresh[i + j]] = hashes[j];
			rte_prefetch0(&v->slots[gt_maglev_slot(hashes[j], v->n_slots)]);
		}
	}
	return true;
#else
	(void)w;
	(void)frames;
	(void)b;
	(void)fresh;
	(void)n;
	return false;
#endif
}

/* Pairs are few, but not so few that the first cache holds them. */
static inline void prefetch_pair(const struct gt_worker *w, uint32_t value)
{
	rte_prefetch0(gt_snat_pair(&w->snat, gt_connection_session(value)));
}

/* The slot of one connection, if it is in its first bucket. True: there is nothing to be found, or
 * it is. */
static inline bool locate_one(const struct gt_worker *w, struct express *x)
{
	if (x->slot == NULL)
		return true;
	x->slot = gt_flow_find_in((struct gt_flow_bucket *)x->slot, &x->key);
	if (likely(x->slot != NULL)) {
		if (x->way == WAY_SESSION)
			prefetch_pair(w, x->slot->value);
		return true;
	}
	gt_flow_prefetch_second(&w->flows, &x->key, x->hash);
	return false;
}

/*
 * Stage 3: the slots of all connections, of which a few are in their second bucket, a line more
 * from memory.
 */
static void locate(const struct gt_worker *w, const struct gt_frame *frames, struct burst *b,
		   unsigned n)
{
	uint8_t second[GT_BURST_MAX], fresh[GT_BURST_MAX];
	unsigned n_second = 0, n_fresh = 0;

	for (unsigned i = 0; i < n; i++)
		if (unlikely(!locate_one(w, &b->express[i])))
			second[n_second++] = (uint8_t)i;
	for (unsigned i = 0; i < n_second; i++) {
		struct express *x = &b->express[second[i]];

		x->slot = gt_flow_search(&w->flows, &x->key, x->hash).slot;
		if (x->slot == NULL)
			fresh[n_fresh++] = (uint8_t)second[i];
	}
	b->has_choices = n_fresh > 0 && choose_ahead(w, frames, b, fresh, n_fresh);
}

/* One frame that is the general path's, or did not take its way. */
static __rte_noinline void decide_one(struct gt_worker *w, struct reach *r, struct gt_frame *f,
				      struct express *x, struct gt_work **work, uint64_t choice,
				      uint64_t now_ms)
{
	struct gt_work fallen;

	if (x->way == WAY_GENERAL) {
		gt_general_decide(w, f, (*work)++, now_ms);
	} else if (is_client(x)) {
		settle(r, f, x, choice);
	} else {
		gt_general_begin(w, f, &fallen);
		fallen.hash = x->hash;
		gt_general_decide(w, f, &fallen, now_ms);
	}
}

/* Stage 4, in the order of the frames' arrival, whichever path they take. */
static void decide(struct gt_worker *w, struct gt_frame *frames, struct burst *b, unsigned n,
		   uint64_t now_ms)
{
	struct reach reach = {.w = w,
			      .plan = w->plan,
			      .servers = w->plan->servers,
			      .n_servers = w->plan->n_servers,
			      .tick = w->tick,
			      .counts = w->servers,
			      .pairs_changed = b->pairs_changed};
	uint64_t changes = w->flows.changes;
	struct gt_work *work = b->works;
	unsigned i = 0;

	while (i < n) {
		struct express *x = &b->express[i];
		bool changed = w->flows.changes != changes && is_client(x);
		unsigned taken;

		/* What was found before may be another's by now, or elsewhere. */
		if (unlikely(changed))
			x->slot = gt_flow_find(&w->flows, &x->key, x->hash).slot;
		taken = run_way(&reach, &frames[i], x, changed ? 1 : n - i);
		if (taken == 0) {
			decide_one(w, &reach, &frames[i], x, &work,
				   b->has_choices ? b->choices[i] : 0, now_ms);
			taken = 1;
		}
		i += taken;
	}
	if (reach.requests.in > 0)
		account(w, reach.requests);
	if (reach.replies.in > 0)
		account(w, reach.replies);
}

void GT_EXPRESS_BURST(struct gt_worker *w, uint64_t now_ms, struct gt_frame *frames, unsigned n)
{
	struct burst b;

	b.n_works = 0;
	prepare(w, frames, &b, n);
	locate(w, frames, &b, n);
	decide(w, frames, &b, n, now_ms);
}
