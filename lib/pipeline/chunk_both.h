/* SPDX-License-Identifier: BSD-3-Clause */
/* Stage 4 of a chunk with replies among its frames, of nat or snat: see chunk_run.h. */
#ifndef GT_PIPELINE_CHUNK_BOTH_H
#define GT_PIPELINE_CHUNK_BOTH_H

#include "pipeline/chunk_run.h"

/*
 * What the frames lead to, in their order. Of replies, entries.values has the ports as they are to
 * be (nat: the record's); entries.metas the first word of the session as it is to be.
 */
struct chunk_both {
	struct chunk_entries entries;
	void *slots[GT_LANES];				/* clients' entries, replies' sessions */
	uint32_t clients[GT_LANES], services[GT_LANES]; /* snat: of replies' sessions */
} __attribute__((aligned(32)));

/* How replies go by the gateway of the last one's VIP; UINT32_MAX: there was none. */
struct chunk_way {
	const struct gt_plan_route *route;
	uint32_t vip_if;
};

/* A session's first word of which this alone is not 0. */
static inline uint32_t chunk_session_word(struct gt_snat_session s)
{
	uint32_t word;

	memcpy(&word, &s, sizeof(word));
	return word;
}

/* Of its bits, tick is the lowest 24, as those of an entry's meta: chunk_touched. */
_Static_assert(offsetof(struct gt_snat_session, client) == 4 &&
		       offsetof(struct gt_snat_session, vip_port) == 8 &&
		       offsetof(struct gt_snat_session, client_port) == 10 &&
		       offsetof(struct gt_snat_session, server) == 12 &&
		       offsetof(struct gt_snat_session, service) == 14,
	       "a session's words: ...; client; ports of a reply; server, service << 16");

/* All bits set for each of these frames. */
static inline lanes chunk_lanes(unsigned frames)
{
	const lanes bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);

	return _mm256_cmpeq_epi32(_mm256_and_si256(lanes_all(frames), bits), bits);
}

/* What is not as session_reply asks it of a session: 0 where all is. */
static inline lanes chunk_session_unusual(const struct reach *r, lanes first, lanes last)
{
	const uint32_t live = chunk_session_word((struct gt_snat_session){.live = 1});
	lanes n_servers = lanes_all(r->n_servers), n_services = lanes_all(r->n_services);
	lanes server = _mm256_and_si256(last, LANES(0xffff)), service = _mm256_srli_epi32(last, 16);
	lanes bad = _mm256_andnot_si256(first, lanes_all(live));

	bad = _mm256_or_si256(bad,
			      _mm256_cmpeq_epi32(_mm256_min_epu32(server, n_servers), n_servers));
	return _mm256_or_si256(
		bad, _mm256_cmpeq_epi32(_mm256_min_epu32(service, n_services), n_services));
}

/* Which replies' clients are on one of our own wires, a bit for each. */
static __rte_always_inline unsigned chunk_find_near(const struct reach *r,
						    const struct gt_frame *frames,
						    const struct chunk *c, lanes client,
						    uint32_t express, bool v6)
{
	unsigned near = 0;

	if (!v6 && express == GT_EXPRESS_SNAT) {
		const struct gt_plan_route *way = r->plan->routes[1];

		for (; way < r->plan->subnets_end[1]; way++) {
			lanes differs = _mm256_and_si256(
				_mm256_xor_si256(client,
						 lanes_all(gt_addr_word_to_v4(way->net[1]))),
				lanes_all(gt_addr_word_to_v4(way->mask[1])));

			near |= lanes_bits(_mm256_cmpeq_epi32(differs, _mm256_setzero_si256()));
		}
		return near & c->replies;
	}
	for (unsigned left = c->replies; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		const struct gt_flow_slot *slot = c->slots[CHUNK_AT(i)];
		struct end to = end_in(frames[i].data + IP_OFF, v6, 1);
		bool is;

		if (v6 && express == GT_EXPRESS_SNAT)
			to.v6 = gt_snat_client_v6(
				(const struct gt_snat_session *)(const void *)slot);
		is = v6 ? gt_plan_find_subnet_v6(r->plan, to.v6) != NULL
			: gt_plan_find_subnet_v4(r->plan, to.v4) != NULL;
		near |= (unsigned)is << i;
	}
	return near;
}

/* To a client on one of our own wires, as a frame that goes alone. */
static __rte_noinline bool chunk_send_near(struct reach *r, struct gt_frame *f,
					   const struct chunk *c, unsigned i)
{
	struct express x = {.l3_len = c->l3_len[i], .protocol = IPPROTO_TCP, .v6 = c->v6};

	memcpy(&x.service, &c->services[CHUNK_AT(i)], sizeof(x.service));
	if (c->express == GT_EXPRESS_NAT)
		return nat_reply(r, f, &x);
	x.came_sum = c->hashes[CHUNK_AT(i)];
	return c->v6 ? session_reply(r, f, &x, true) : session_reply(r, f, &x, false);
}

/* ... which counts it, too. */
static __rte_always_inline bool chunk_go_near(struct reach *r, struct gt_frame *f,
					      const struct chunk *c, unsigned i, uint32_t in_if,
					      struct chunk_way *way, struct chunk_tally *t)
{
	bool sent;

	chunk_give_sums(t, chunk_before(c->replies, i), &r->replies);
	sent = chunk_send_near(r, f, c, i);
	chunk_take_sums(t, &r->replies, 0, in_if);
	t->first = chunk_before(c->replies, i) + sent;
	way->vip_if = UINT32_MAX;
	return sent;
}

/* nat's reply, as it goes to its client. */
static __rte_always_inline void chunk_translate_back(uint8_t *ip, uint32_t ports, bool v6,
						     const struct gt_plan_server *server)
{
	const struct express x = {.protocol = IPPROTO_TCP};
	/* of the record: the server's, or 0; the VIP's */
	rte_be16_t port = (rte_be16_t)ports != 0 ? (rte_be16_t)(ports >> 16)
						 : gt_copy_be16(ip + (v6 ? 40 : 20));

	rewrite_end(ip, &x, v6, 0, &server->vip_addr, port, server->reply_sum);
}

/* A session's. */
static __rte_always_inline void chunk_send_back(uint8_t *ip, unsigned i, uint64_t came_sum, bool v6,
						const struct gt_plan_server *server,
						const struct chunk_both *both)
{
	struct gt_snat_session *s = both->slots[i];
	const struct end client = {.v4 = both->clients[i], .v6 = gt_snat_client_v6(s)};
	const struct express x = {.protocol = IPPROTO_TCP};
	uint64_t sum = (uint16_t)~came_sum;

	if (v6)
		sum += gt_rewrite_sum(server->vip_addr.b, client.v6->b, 0);
	else
		sum += (uint64_t)gt_addr_v4(&server->vip_addr) + client.v4;
	rewrite(ip, &x, v6, &server->vip_addr, &client, both->entries.values[i], sum);
	memcpy(s, &both->entries.metas[i], sizeof(both->entries.metas[i]));
}

/* Replies go by another VIP's gateway from now on. */
static __rte_always_inline void chunk_turn_back(struct reach *r, const struct chunk *c, unsigned i,
						uint32_t vip_if, uint32_t in_if,
						struct chunk_way *way, struct chunk_tally *t)
{
	uint32_t out;

	way->vip_if = vip_if;
	way->route = r->plan->defaults[!c->v6][vip_if];
	out = (uint32_t)way->route->out_if << 16;
	if (out != t->way)
		chunk_turn_off(r, t, chunk_before(c->replies, i), out, in_if);
}

/* Frame i of a chunk, a reply. False: it is the general path's. */
static __rte_always_inline bool chunk_go_back(struct reach *r, struct gt_frame *f,
					      const struct chunk *c, unsigned i, uint32_t express,
					      bool v6, const struct chunk_both *both,
					      uint32_t in_if, struct chunk_way *way,
					      struct chunk_tally *t)
{
	uint32_t came = f->wire_len, at = both->entries.servers[i];
	const struct express x = {.l3_len = c->l3_len[i], .protocol = IPPROTO_TCP};
	const struct gt_plan_server *server = chunk_server(r, at);
	struct gt_server_counters *count = chunk_counters(r, at);
	uint8_t *ip = f->data + IP_OFF;

	if (express == GT_EXPRESS_SNAT &&
	    unlikely(r->services[both->services[i]].vip != server->vip))
		return false;
	if (unlikely(!has_family(server, v6)))
		return false;
	if (unlikely(server->vip_if != way->vip_if))
		chunk_turn_back(r, c, i, server->vip_if, in_if, way, t);
	if (unlikely(!may_rewrite(ip, &x, v6, way->route->plain_mtu)))
		return false;
	memcpy(f->data, way->route->macs, sizeof(way->route->macs));
	if (express == GT_EXPRESS_NAT)
		chunk_translate_back(ip, both->entries.values[i], v6, server);
	else
		chunk_send_back(ip, i, c->hashes[CHUNK_AT(i)], v6, server, both);
	count->reply_frames++;
	count->reply_bytes += came;
	t->in += came;
	chunk_depart(f, t, true);
	return true;
}

/* False: it is not all ordinary. `near`: which replies' clients are on one of our own wires. */
static __rte_always_inline bool chunk_begin_both(const struct reach *r,
						 const struct gt_frame *frames,
						 const struct chunk *c, uint32_t express, bool v6,
						 struct chunk_both *both, unsigned *near)
{
	const uint32_t answered = chunk_session_word((struct gt_snat_session){.answered = 1});
	lanes replies = chunk_lanes(c->replies), tick = lanes_all(r->tick), bad, w[4], first;

	if (v6 && express == GT_EXPRESS_SNAT && unlikely(!gt_snat_is_wide(&r->w->snat)))
		return false;
	for (unsigned i = 0; i < GT_LANES; i++)
		both->slots[i] = c->slots[CHUNK_AT(i)];
	lanes_turn((const uint8_t *const *)both->slots, 0, w);
	bad = chunk_unusual(r, c, w[2], w[3], tick, express == GT_EXPRESS_SNAT);
	bad = _mm256_andnot_si256(replies, bad);
	if (express == GT_EXPRESS_SNAT)
		bad = _mm256_or_si256(
			bad, _mm256_and_si256(replies, chunk_session_unusual(r, w[0], w[3])));
	if (unlikely(_mm256_testz_si256(bad, bad) == 0))
		return false;
	first = _mm256_or_si256(chunk_touched(w[0], tick), lanes_all(answered));
	lanes_store(w[1], both->clients);
	lanes_store(w[2], both->entries.values);
	lanes_store(_mm256_srli_epi32(w[3], 16), both->services);
	lanes_store(chunk_scaled(_mm256_blendv_epi8(w[2], _mm256_and_si256(w[3], LANES(0xffff)),
						    replies)),
		    both->entries.servers);
	lanes_store(_mm256_blendv_epi8(chunk_touched(w[3], tick), first, replies),
		    both->entries.metas);
	if (express == GT_EXPRESS_SNAT &&
	    !chunk_find_servers(r, c->replies ^ GT_LANES_ALL, &both->entries))
		return false;
	*near = chunk_find_near(r, frames, c, w[1], express, v6);
	return true;
}

/* As run_chunk_by, of both ways: so much that each frame with its place in the code would not fit
 * the first cache. */
static __rte_always_inline unsigned run_chunk_both(struct reach *r, struct gt_frame *frames,
						   const struct chunk *c, uint32_t express, bool v6)
{
	uint32_t in_if = frames[0].in_if, replies = c->replies;
	struct chunk_way way = {NULL, UINT32_MAX};
	struct chunk_tally out, back;
	struct chunk_both both;
	unsigned i, near;
	bool sent;

	if (unlikely(!chunk_begin_both(r, frames, c, express, v6, &both, &near)))
		return 0;
	chunk_take_sums(&out, &r->requests, express, in_if);
	chunk_take_sums(&back, &r->replies, 0, in_if);
	for (i = 0; i < GT_LANES; i++) {
		if ((replies >> i & 1) == 0) {
			sent = chunk_go(r, &frames[i], c, i, both.slots[i], express, v6,
					&both.entries, in_if, &out);
		} else if (unlikely((near >> i & 1) != 0)) {
			sent = chunk_go_near(r, &frames[i], c, i, in_if, &way, &back);
		} else {
			sent = chunk_go_back(r, &frames[i], c, i, express, v6, &both, in_if, &way,
					     &back);
		}
		if (unlikely(!sent))
			break;
	}
	chunk_give_sums(&out, chunk_before(c->replies ^ GT_LANES_ALL, i), &r->requests);
	chunk_give_sums(&back, chunk_before(c->replies, i), &r->replies);
	return i;
}

static __rte_noinline unsigned run_chunk_nat_both(struct reach *r, struct gt_frame *frames,
						  const struct chunk *c)
{
	return c->v6 ? run_chunk_both(r, frames, c, GT_EXPRESS_NAT, true)
		     : run_chunk_both(r, frames, c, GT_EXPRESS_NAT, false);
}

static __rte_noinline unsigned run_chunk_snat_both(struct reach *r, struct gt_frame *frames,
						   const struct chunk *c)
{
	return c->v6 ? run_chunk_both(r, frames, c, GT_EXPRESS_SNAT, true)
		     : run_chunk_both(r, frames, c, GT_EXPRESS_SNAT, false);
}

/* One that has replies. */
static inline unsigned run_chunk_with_replies(struct reach *r, struct gt_frame *frames,
					      const struct chunk *c)
{
	if (c->express == GT_EXPRESS_NAT)
		return run_chunk_nat_both(r, frames, c);
	/* A session's reply is known only as long as no pair has changed. */
	return r->w->snat.pairs_changed == r->pairs_changed ? run_chunk_snat_both(r, frames, c) : 0;
}

static inline unsigned run_chunk(struct reach *r, struct gt_frame *frames, const struct chunk *c)
{
	if (likely(c->express == GT_EXPRESS_DR))
		return run_chunk_dr(r, frames, c);
	if (c->replies != 0)
		return run_chunk_with_replies(r, frames, c);
	switch (c->express) {
	case GT_EXPRESS_NAT:
		return run_chunk_nat(r, frames, c);
	case GT_EXPRESS_SNAT:
		return run_chunk_snat(r, frames, c);
	default:
		return run_chunk_tunnel(r, frames, c);
	}
}

#endif
