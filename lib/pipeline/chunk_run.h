/* SPDX-License-Identifier: BSD-3-Clause */
/* Stage 4 of eight frames together: see chunk.h. Their entries are read in lanes, and each frame is
 * sent as to_server or to_session does it. */
#ifndef GT_PIPELINE_CHUNK_RUN_H
#define GT_PIPELINE_CHUNK_RUN_H

#include "pipeline/chunk.h"

/* Value and meta of all slots, in the frames' order. */
static inline void chunk_read(struct gt_flow_slot *const slots[GT_LANES], lanes *value, lanes *meta)
{
	__m128i two[4];
	struct chunk_words w;

	for (unsigned i = 0; i < 4; i++) {
		__m128i low = _mm_loadl_epi64((const __m128i *)(const void *)&slots[2 * i]->value);

		two[i] = _mm_castps_si128(
			_mm_loadh_pi(_mm_castsi128_ps(low),
				     (const __m64 *)(const void *)&slots[2 * i + 1]->value));
	}
	w.a = _mm256_inserti128_si256(_mm256_castsi128_si256(two[0]), two[1], 1);
	w.b = _mm256_inserti128_si256(_mm256_castsi128_si256(two[2]), two[3], 1);
	*value = chunk_low(w);
	*meta = chunk_high(w);
}

/* What is not as run_plain, or to_session, asks it of a client's packet: 0 where all is. */
static __rte_always_inline lanes chunk_unusual(const struct reach *r, const struct chunk *c,
					       lanes value, lanes meta, lanes tick, bool sessions)
{
	uint32_t type = c->v6 ? GT_FLOW_TYPE_WIDE_SECOND : GT_FLOW_TYPE_NARROW;
	struct chunk_words services = chunk_load(c->services);
	lanes n = lanes_all(r->n_servers), idle, limit, bad;

	/* gt_flow_kind */
	bad = _mm256_xor_si256(meta, lanes_all(type << 30 | GT_FLOW_ESTABLISHED << 26));
	bad = _mm256_and_si256(bad, LANES(0xdcU << 24));
	if (sessions) {
		/* a session, and its pair's server */
		value = _mm256_xor_si256(value, LANES(GT_VALUE_SESSION));
		value = _mm256_and_si256(value, LANES(GT_VALUE_SESSION | GT_VALUE_OTHER_SERVER));
		bad = _mm256_or_si256(bad, value);
		/* Before a reload its service may have been snat's: it is only if it says so. */
		value = _mm256_andnot_si256(chunk_high(services), LANES(GT_EXPRESS_SESSIONS));
		bad = _mm256_or_si256(bad, value);
	} else {
		bad = _mm256_or_si256(bad, _mm256_cmpeq_epi32(_mm256_min_epu32(value, n), n));
	}
	idle = _mm256_and_si256(_mm256_sub_epi32(tick, meta), LANES(GT_TICK_MASK));
	limit = chunk_low(services);
	/* idle has 24 bits, and a limit no more than 31 */
	return _mm256_or_si256(bad, _mm256_cmpgt_epi32(idle, limit));
}

/* As it is to be from now on. */
static inline lanes chunk_touched(lanes word, lanes tick)
{
	return _mm256_or_si256(_mm256_andnot_si256(LANES(GT_TICK_MASK), word), tick);
}

/* nat's packet to its server, as a frame that goes out. False: it is not all that is to be done. */
static __rte_always_inline bool chunk_translate(struct gt_frame *f, uint32_t len, bool v6,
						const struct gt_plan_server *to)
{
	const struct express x = {.l3_len = len, .protocol = IPPROTO_TCP};

	if (!to_nat_server(f, &x, v6, to))
		return false;
	memcpy(f->data, to->macs, sizeof(to->macs));
	return true;
}

/* A tunnel's. */
static __rte_always_inline bool chunk_wrap(const struct gt_plan *plan, struct gt_frame *f,
					   uint32_t len, bool v6, const struct gt_plan_server *to)
{
	if (!gt_outer_fits(&to->outer, len, v6))
		return false;
	memcpy(to_tunnel(plan, f, len, v6, to) - IP_OFF, to->macs, sizeof(to->macs));
	return true;
}

/* To a server that is to have it so; `express` and v6: the chunk's. */
static __rte_always_inline bool chunk_send(const struct gt_plan *plan, struct gt_frame *f,
					   uint32_t len, uint32_t express, bool v6,
					   const struct gt_plan_server *to)
{
	if (express == GT_EXPRESS_NAT)
		return chunk_translate(f, len, v6, to);
	if (express == GT_EXPRESS_TUNNEL)
		return chunk_wrap(plan, f, len, v6, to);
	memcpy(f->data, to->macs, sizeof(to->macs));
	return true;
}

/* snat's, by its session. */
static __rte_always_inline bool chunk_send_session(struct gt_frame *f, uint32_t len, bool v6,
						   const struct gt_plan_server *to,
						   const struct gt_snat_pair *pair, uint16_t port)
{
	const struct express x = {.l3_len = len, .protocol = IPPROTO_TCP};
	uint8_t *ip = f->data + IP_OFF;

	if (pair->v6 != v6 || !may_rewrite(ip, &x, v6, to->mtu))
		return false;
	memcpy(f->data, to->macs, sizeof(to->macs));
	rewrite_to_pair(ip, &x, v6, pair, port);
	return true;
}

/*
 * Frames one behind the other by the same way, some of them not in the sums yet. By fields, for
 * these to be registers: a struct that is copied is written and read in pieces that do not fit, and
 * waited for.
 */
struct chunk_tally {
	/* the reach's sums */
	uint64_t sum_in;
	uint32_t sum_out, between;
	uint32_t way;	  /* vip_out_of their server, with the chunk's express; replies: without */
	uint32_t verdict; /* what becomes of each, from in_if on, but for in_place */
	uint32_t first;	  /* of those that are not in the sums: how many were before */
	uint32_t in, grown;
};

static inline uint32_t chunk_verdict(uint32_t way, uint32_t in_if)
{
	return in_if | (way >> 8 & 0xff00) | GT_SEND << 16;
}

/* n: how many there are of its kind. */
static __rte_always_inline void chunk_count(struct chunk_tally *t, uint32_t n)
{
	t->sum_in += ((uint64_t)(n - t->first) << 32) + t->in;
	t->sum_out += t->in + t->grown;
	t->first = n;
	t->in = t->grown = 0;
}

static __rte_always_inline void chunk_take_sums(struct chunk_tally *t, const struct sums *sums,
						uint32_t express, uint32_t in_if)
{
	t->sum_in = sums->in;
	t->sum_out = sums->out_bytes;
	t->between = sums->between;
	t->way = (t->between & 0xffffff) | express << 24;
	if (unlikely(t->between >> 24 != in_if))
		t->way = UINT32_MAX;
	t->verdict = chunk_verdict(t->way, in_if);
	t->first = t->in = t->grown = 0;
}

static __rte_always_inline void chunk_give_sums(struct chunk_tally *t, uint32_t n,
						struct sums *sums)
{
	chunk_count(t, n);
	sums->in = t->sum_in;
	sums->out_bytes = t->sum_out;
	sums->between = t->between;
}

/* From now on they go another way. */
static __rte_always_inline void chunk_turn_off(struct reach *r, struct chunk_tally *t, uint32_t n,
					       uint32_t way, uint32_t in_if)
{
	chunk_count(t, n);
	if (t->sum_in > 0)
		account(r->w, (struct sums){t->sum_in, t->sum_out, t->between});
	t->sum_in = t->sum_out = 0;
	t->between = join_ends(way, (uint8_t)in_if);
	t->way = way;
	t->verdict = chunk_verdict(way, in_if);
}

/* Servers and their counters, by number times this: both records are as long. */
#define CHUNK_SERVER sizeof(struct gt_plan_server)
_Static_assert(sizeof(struct gt_plan_server) == 64 && sizeof(struct gt_server_counters) == 64,
	       "chunk_scaled");

static inline lanes chunk_scaled(lanes numbers)
{
	return _mm256_slli_epi32(numbers, 6);
}

static inline const struct gt_plan_server *chunk_server(const struct reach *r, uint32_t at)
{
	return (const struct gt_plan_server *)(const void *)((const uint8_t *)r->servers + at);
}

static inline struct gt_server_counters *chunk_counters(const struct reach *r, uint32_t at)
{
	return (struct gt_server_counters *)(void *)((uint8_t *)r->counts + at);
}

static inline void chunk_depart(struct gt_frame *f, const struct chunk_tally *t, bool in_place)
{
	uint32_t verdict = t->verdict | (uint32_t)in_place << 24;

	memcpy(&f->in_if, &verdict, sizeof(verdict));
}

/* What a chunk's entries said, in the frames' order. */
struct chunk_entries {
	uint32_t values[GT_LANES];  /* snat: sessions, or a reply's ports */
	uint32_t servers[GT_LANES]; /* by chunk_server */
	uint32_t metas[GT_LANES];   /* as they are to be */
} __attribute__((aligned(32)));

/* How many of these frames are before frame i. */
static inline uint32_t chunk_before(unsigned frames, unsigned i)
{
	return (uint32_t)__builtin_popcount(frames & ((1U << i) - 1));
}

/* The servers of clients' sessions, each by its pair. False: one is no server. */
static __rte_always_inline bool chunk_find_servers(const struct reach *r, unsigned clients,
						   struct chunk_entries *e)
{
	bool good = true;

	for (unsigned left = clients; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		uint16_t server =
			gt_snat_pair(&r->w->snat, gt_connection_session(e->values[i]))->server;

		good &= server < r->n_servers;
		e->servers[i] = (uint32_t)(server * CHUNK_SERVER);
	}
	return good;
}

/* Frame i of a chunk, a client's, whose entry is in `slot`. False: it is the general path's. */
static __rte_always_inline bool chunk_go(struct reach *r, struct gt_frame *f, const struct chunk *c,
					 unsigned i, struct gt_flow_slot *slot, uint32_t express,
					 bool v6, const struct chunk_entries *e, uint32_t in_if,
					 struct chunk_tally *t)
{
	uint32_t its, came = f->wire_len, at = e->servers[i];
	bool in_place = express != GT_EXPRESS_TUNNEL;
	const struct gt_snat_pair *pair = NULL;
	const struct gt_plan_server *to;
	struct gt_server_counters *count;

	if (express == GT_EXPRESS_SNAT)
		pair = gt_snat_pair(&r->w->snat, gt_connection_session(e->values[i]));
	to = chunk_server(r, at);
	memcpy(&its, &to->vip, sizeof(its));
	if (unlikely(its != t->way)) {
		if (its >> 24 != express)
			return false;
		chunk_turn_off(r, t, chunk_before(c->replies ^ GT_LANES_ALL, i), its, in_if);
	}
	if (express == GT_EXPRESS_SNAT
		    ? !chunk_send_session(f, c->l3_len[i], v6, to, pair, gt_snat_port(e->values[i]))
		    : !chunk_send(r->plan, f, c->l3_len[i], express, v6, to))
		return false;
	slot->meta = e->metas[i];
	count = chunk_counters(r, at);
	count->frames++;
	count->bytes += came;
	t->in += came;
	if (!in_place)
		t->grown += f->wire_len - came;
	chunk_depart(f, t, in_place);
	return true;
}

/* How many of a closed chunk's frames, from the first on, were forwarded. If not all it has to be
 * opened. `express` and v6: its own. Clients' alone; each frame has its place in the code. */
static __rte_always_inline unsigned run_chunk_by(struct reach *r, struct gt_frame *frames,
						 const struct chunk *c, uint32_t express, bool v6)
{
	lanes value, meta, bad, tick = lanes_all(r->tick);
	uint32_t in_if = frames[0].in_if;
	struct chunk_entries entries;
	struct chunk_tally tally;
	unsigned i;

	chunk_read(c->slots, &value, &meta);
	bad = chunk_unusual(r, c, value, meta, tick, express == GT_EXPRESS_SNAT);
	if (unlikely(_mm256_testz_si256(bad, bad) == 0))
		return 0;
	lanes_store(express == GT_EXPRESS_SNAT ? value : chunk_scaled(value),
		    express == GT_EXPRESS_SNAT ? entries.values : entries.servers);
	lanes_store(chunk_touched(meta, tick), entries.metas);
	if (express == GT_EXPRESS_SNAT && !chunk_find_servers(r, GT_LANES_ALL, &entries))
		return 0;
	chunk_take_sums(&tally, &r->requests, express, in_if);
	LANES_UNROLL
	for (i = 0; i < GT_LANES; i++)
		if (unlikely(!chunk_go(r, &frames[i], c, i, c->slots[CHUNK_AT(i)], express, v6,
				       &entries, in_if, &tally)))
			break;
	chunk_give_sums(&tally, i, &r->requests);
	return i;
}

static __rte_noinline unsigned run_chunk_dr(struct reach *r, struct gt_frame *frames,
					    const struct chunk *c)
{
	return run_chunk_by(r, frames, c, GT_EXPRESS_DR, c->v6);
}

static __rte_noinline unsigned run_chunk_tunnel(struct reach *r, struct gt_frame *frames,
						const struct chunk *c)
{
	return c->v6 ? run_chunk_by(r, frames, c, GT_EXPRESS_TUNNEL, true)
		     : run_chunk_by(r, frames, c, GT_EXPRESS_TUNNEL, false);
}

static __rte_noinline unsigned run_chunk_nat(struct reach *r, struct gt_frame *frames,
					     const struct chunk *c)
{
	return c->v6 ? run_chunk_by(r, frames, c, GT_EXPRESS_NAT, true)
		     : run_chunk_by(r, frames, c, GT_EXPRESS_NAT, false);
}

static __rte_noinline unsigned run_chunk_snat(struct reach *r, struct gt_frame *frames,
					      const struct chunk *c)
{
	return c->v6 ? run_chunk_by(r, frames, c, GT_EXPRESS_SNAT, true)
		     : run_chunk_by(r, frames, c, GT_EXPRESS_SNAT, false);
}

#endif
