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
 */
#include "pipeline/express.h"
#include "pipeline/connection.h"
#include "pipeline/general.h"
#include "pipeline/internal.h"
#include "pipeline/tunnel.h"

#include "packet/tunnel.h"

/* What neighbouring frames of a burst add to the same counters. */
struct sums {
	uint32_t frames, in_bytes, out_bytes;
	uint16_t vip; /* 0: replies */
	uint8_t in_if, out_if;
};

/* A burst's frames, each on the express path or the general one. */
struct burst {
	struct express express[GT_BURST_MAX];
	struct gt_flow_key keys[GT_BURST_MAX];
	uint64_t hashes[GT_BURST_MAX];
	uint8_t general[GT_BURST_MAX]; /* 0, or index + 1 in works */
	struct gt_work works[GT_BURST_MAX];
	unsigned n_works;
	bool sessions;	     /* some frames have one */
	struct sums sums[2]; /* of requests, and of replies, which come in between */
};

/* The interfaces whose frames may be ones, as bits. */
static uint32_t express_interfaces(const struct gt_worker *w)
{
	uint32_t set = 0;

	/* Where there are several workers a fresh frame may be another's; tags are not for us. */
	for (unsigned i = 0; i < w->plan->n_interfaces; i++)
		if (w->plan->interfaces[i].vlan == 0 &&
		    (w->steer.n_workers == 1 || w->steer.exact[i]))
			set |= 1U << i;
	return set;
}

/* ---- accounts ---- */

/* Writes the sums to the worker's counters. */
static void account(struct gt_worker *w, struct sums *s)
{
	struct gt_counters *c = &w->counters;

	c->in += s->frames;
	c->forwarded += s->frames;
	c->interfaces[s->in_if].in_frames += s->frames;
	c->interfaces[s->in_if].in_bytes += s->in_bytes;
	c->interfaces[s->out_if].out_frames += s->frames;
	c->interfaces[s->out_if].out_bytes += s->out_bytes;
	/* Replies are not counted by their VIP: number 0 is none. */
	if (s->vip != 0) {
		w->vips[s->vip].frames += s->frames;
		w->vips[s->vip].bytes += s->in_bytes;
	}
}

/* Frames mostly come one behind the other by the same way: their sums are written at the end.
 * came: bytes that the frame had then. */
static inline void depart(struct gt_worker *w, struct gt_frame *f, struct sums *s, uint16_t vip,
			  uint8_t out_if, uint32_t came)
{
	f->out_if = out_if;
	f->verdict = GT_SEND;
	if (s->vip != vip || s->in_if != f->in_if || s->out_if != out_if) {
		if (s->frames > 0)
			account(w, s);
		*s = (struct sums){.vip = vip, .in_if = f->in_if, .out_if = out_if};
	}
	s->frames++;
	s->in_bytes += came;
	s->out_bytes += f->wire_len;
}

/* To a server, by the link layer that is ready made. */
static inline void send_to_server(struct gt_worker *w, struct gt_frame *f, struct sums *sums,
				  uint32_t server, uint32_t came)
{
	const struct gt_plan_server *s = &w->plan->servers[server];

	memcpy(f->data, s->macs, sizeof(s->macs));
	w->servers[server].frames++;
	w->servers[server].bytes += came;
	depart(w, f, sums, s->vip, s->out_if, came);
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

static inline void rewrite(struct gt_frame *f, const struct express *x,
			   const struct gt_translation *t)
{
	if (x->v6)
		gt_rewrite_v6(f->data + IP_OFF, x->protocol, t);
	else
		gt_rewrite_v4(f->data + IP_OFF, x->protocol, t);
}

/* Addresses and ports as the frame has them. */
static inline void read_ends(const struct gt_frame *f, const struct express *x,
			     struct gt_translation *t)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + (x->v6 ? 40 : 20);

	*t = (struct gt_translation){.src_port = gt_copy_be16(l4),
				     .dst_port = gt_copy_be16(l4 + 2)};
	if (x->v6) {
		memcpy(t->src.b, ip + 8, 16);
		memcpy(t->dst.b, ip + 24, 16);
	} else {
		t->src = gt_addr_from_v4(gt_copy_be32(ip + 12));
		t->dst = gt_addr_from_v4(gt_copy_be32(ip + 16));
	}
}

static inline void to_nat_server(struct gt_frame *f, const struct express *x,
				 const struct gt_plan_server *s)
{
	struct gt_translation t;

	read_ends(f, x, &t);
	t.dst = s->addr;
	if (s->port != 0)
		t.dst_port = s->port;
	rewrite(f, x, &t);
}

static inline void to_tunnel(const struct gt_worker *w, struct gt_frame *f, const struct express *x,
			     const struct gt_plan_server *s)
{
	struct gt_packet p = {.kind = x->v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4,
			      .l3_off = IP_OFF,
			      .l3_end = IP_OFF + x->l3_len};
	struct gt_translation t;

	read_ends(f, x, &t);
	gt_tunnel_wrap_for(w->plan, f, &p, s, gt_tunnel_variation(&t.src, t.src_port, t.dst_port));
}

static inline bool fits_tunnel(const struct express *x, const struct gt_plan_server *s)
{
	return x->l3_len + gt_tunnel_overhead(s->encapsulation, gt_addr_is_v4(&s->addr)) <= s->mtu;
}

/* What a mode other than dr does with a packet to its server. An entry of snat would name a
 * session. */
static inline bool change(const struct gt_worker *w, struct gt_frame *f, const struct express *x,
			  const struct gt_plan_server *s)
{
	if (s->mode == GT_MODE_NAT && may_rewrite(f, x, s->mtu))
		to_nat_server(f, x, s);
	else if (s->mode == GT_MODE_TUNNEL && fits_tunnel(x, s))
		to_tunnel(w, f, x, s);
	else
		return false;
	return true;
}

static inline bool to_server(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			     struct gt_flow_ref ref, struct sums *sums)
{
	uint32_t value = ref.slot->value, meta = ref.slot->meta, came = f->wire_len;
	const struct gt_plan_server *s;

	if (gt_flow_state(ref) != x->state || value >= w->plan->n_servers ||
	    gt_flow_idle(meta, w->tick) > x->service->idle_ticks ||
	    (x->service->by_source && gt_connection_record_is_due(w, meta)))
		return false;
	s = &w->plan->servers[value];
	if ((s->flags & GT_SERVER_EXPRESS) == 0 || (s->mode != GT_MODE_DR && !change(w, f, x, s)))
		return false;
	gt_flow_touch(ref, (enum gt_flow_state)x->state, w->tick);
	send_to_server(w, f, sums, value, came);
	return true;
}

/* Established, which it is only when its server has answered. */
static inline bool is_ordinary(const struct gt_worker *w, const struct express *x,
			       const struct gt_snat_session *s)
{
	return s->state == x->state && gt_flow_idle(s->tick, w->tick) <= x->service->idle_ticks;
}

static inline bool to_session(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			      struct gt_flow_ref ref, struct sums *sums)
{
	uint32_t value = ref.slot->value;
	const struct gt_snat_pair_key *pair;
	const struct gt_plan_server *server;
	struct gt_snat_session *s;
	struct gt_translation t;

	if (!gt_connection_is_session(value))
		return false;
	s = gt_connection_session(w, value);
	if (!is_ordinary(w, x, s) || s->server >= w->plan->n_servers ||
	    (x->service->by_source && gt_connection_record_is_due(w, ref.slot->meta)))
		return false;
	pair = gt_snat_pair(&w->snat, value & ~GT_VALUE_SESSION);
	server = &w->plan->servers[s->server];
	if ((server->flags & GT_SERVER_EXPRESS) == 0 || gt_addr_is_v4(&pair->server) == x->v6 ||
	    !may_rewrite(f, x, server->mtu))
		return false;
	t = (struct gt_translation){.src = pair->source,
				    .dst = pair->server,
				    .src_port = rte_cpu_to_be_16(s->port),
				    .dst_port = pair->port};
	rewrite(f, x, &t);
	gt_flow_touch(ref, (enum gt_flow_state)x->state, w->tick);
	s->tick = w->tick;
	send_to_server(w, f, sums, s->server, f->wire_len);
	return true;
}

/* A reply of `server` in its client's eyes, by the route there. */
static inline bool to_client(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			     uint16_t server, const struct gt_translation *t, struct sums *sums)
{
	const struct gt_plan_vip *vip = &w->plan->vips[w->plan->servers[server].vip];
	const struct gt_plan_route *route = gt_plan_find_route(w->plan, &t->dst, vip->interface);
	const struct gt_plan_interface *out;
	const struct gt_mac *mac;

	if (route == NULL || gt_addr_is_v4(&t->dst) == x->v6)
		return false;
	out = &w->plan->interfaces[route->out_if];
	mac = gt_plan_next_hop(w->plan, route, &t->dst);
	if (mac == NULL || out->vlan != 0 || !may_rewrite(f, x, out->mtu))
		return false;
	rewrite(f, x, t);
	memcpy(f->data, mac->b, 6);
	memcpy(f->data + 6, out->mac.b, 6);
	w->servers[server].reply_frames++;
	w->servers[server].reply_bytes += f->wire_len;
	depart(w, f, &sums[1], 0, route->out_if, f->wire_len);
	return true;
}

static inline bool nat_reply(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			     struct sums *sums)
{
	struct gt_translation t;

	read_ends(f, x, &t);
	t.src = w->plan->vips[w->plan->servers[x->nat->number].vip].addr;
	if (x->nat->port != 0)
		t.src_port = x->nat->vip_port;
	return to_client(w, f, x, x->nat->number, &t, sums);
}

static inline bool session_reply(struct gt_worker *w, struct gt_frame *f, const struct express *x,
				 struct sums *sums)
{
	struct gt_snat_pair_key key = {.protocol = x->protocol};
	struct gt_snat_session *s;
	struct gt_translation t;
	uint32_t session = *x->place - 1;

	if (session == GT_SNAT_NONE)
		return false;
	read_ends(f, x, &t);
	key.server = t.src;
	key.source = t.dst;
	key.port = t.src_port;
	s = &w->snat.sessions[session];
	if (!gt_snat_is(&w->snat, session, &key, rte_be_to_cpu_16(t.dst_port)) ||
	    !gt_plan_has_server(w->plan, s->server))
		return false;
	t = (struct gt_translation){.src = s->vip,
				    .dst = s->client,
				    .src_port = s->vip_port,
				    .dst_port = s->client_port};
	if (!to_client(w, f, x, s->server, &t, sums))
		return false;
	s->tick = w->tick;
	s->answered |= x->protocol == IPPROTO_TCP;
	return true;
}

static inline bool forward(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			   const struct gt_flow_key *key, uint64_t hash, struct sums *sums)
{
	struct gt_flow_ref ref;

	if (x->way == WAY_NAT_REPLY)
		return nat_reply(w, f, x, sums);
	if (x->way == WAY_SESSION_REPLY)
		return session_reply(w, f, x, sums);
	ref = gt_flow_find(&w->flows, key, hash);
	if (ref.slot == NULL)
		return false;
	return x->way == WAY_SESSION ? to_session(w, f, x, ref, sums)
				     : to_server(w, f, x, ref, sums);
}

/* ---- the burst ---- */

/* Sessions are cache lines of their own, behind entries or ports that must be there first. What is
 * found here may have changed when it is the frame's turn: nothing is decided by it. */
static void prefetch_sessions(const struct gt_worker *w, const struct burst *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct express *x = &b->express[i];
		uint32_t session = GT_SNAT_NONE;

		if (b->general[i] != 0)
			continue;
		if (x->way == WAY_SESSION_REPLY) {
			session = *x->place - 1;
		} else if (x->way == WAY_SESSION) {
			struct gt_flow_ref ref = gt_flow_find(&w->flows, &b->keys[i], b->hashes[i]);

			if (ref.slot != NULL && gt_connection_is_session(ref.slot->value))
				session = ref.slot->value & ~GT_VALUE_SESSION;
		}
		if (session != GT_SNAT_NONE)
			rte_prefetch0(&w->snat.sessions[session]);
	}
}

/* Stages 1 and 2. */
static void prepare(struct gt_worker *worker, struct gt_frame *frames, struct burst *b, unsigned n)
{
	uint32_t interfaces = express_interfaces(worker);

	for (unsigned i = 0; i < n; i++) {
		struct gt_work *w = &b->works[b->n_works];

		b->general[i] = 0;
		if (gt_express_classify(worker, interfaces, &frames[i], &b->express[i],
					&b->keys[i])) {
			b->sessions |= b->express[i].way >= WAY_SESSION;
			continue;
		}
		b->general[i] = (uint8_t)++b->n_works;
		gt_general_begin(worker, &frames[i], w);
		b->keys[i] = w->key;
	}
	gt_flow_hash(&worker->flows, b->keys, b->hashes, n);
	for (unsigned i = 0; i < n; i++)
		if (b->keys[i].service != 0)
			gt_flow_prefetch(&worker->flows, b->hashes[i]);
	if (b->sessions)
		prefetch_sessions(worker, b, n);
}

void gt_worker_burst(struct gt_worker *worker, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n)
{
	struct burst b;

	worker->plan = plan;
	worker->tick = gt_tick(now_ms);
	worker->n_released = 0;
	if (worker->fragments.n_held > 0)
		gt_worker_expire_held(worker, now_ms, false);
	b.n_works = 0;
	b.sessions = false;
	memset(b.sums, 0, sizeof(b.sums));
	prepare(worker, frames, &b, n);
	/* In the order of their arrival, whichever path they take. */
	for (unsigned i = 0; i < n; i++) {
		struct gt_work *w = &b.works[b.n_works];

		if (b.general[i] != 0) {
			w = &b.works[b.general[i] - 1];
		} else {
			if (forward(worker, &frames[i], &b.express[i], &b.keys[i], b.hashes[i],
				    b.sums))
				continue;
			gt_general_begin(worker, &frames[i], w);
		}
		w->hash = b.hashes[i];
		gt_general_decide(worker, &frames[i], w, now_ms);
	}
	for (unsigned i = 0; i < 2; i++)
		if (b.sums[i].frames > 0)
			account(worker, &b.sums[i]);
}
