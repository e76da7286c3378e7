/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eight frames in a row that are all what most frames are, clients' packets of connections, or
 * replies of nat's servers or to sessions of snat, over IPv4 or IPv6: from the judging of their
 * bytes to the sending they stay in lanes, and what is done for all eight at once is done so. As
 * soon as one of them is anything else the chunk is opened: each frame has its struct express then,
 * and goes on alone. Stages 1 and 2 are in chunk_take.h, and of replies in chunk_replies.h; stage 4
 * in chunk_run.h, and where there are replies in chunk_both.h.
 */
#ifndef GT_PIPELINE_CHUNK_H
#define GT_PIPELINE_CHUNK_H

#include "pipeline/express_send.h"
#include "pipeline/lanes.h"

/*
 * What is known of a chunk's frames. Words of 64 bits lie in the order in which two vectors of them
 * come from vectors of 32 bits: CHUNK_AT tells which frame is where, and the other way round.
 */
struct chunk {
	union {
		uint64_t keys[GT_LANES]; /* IPv4: as of struct gt_flow_key: lo */
		/* IPv6: what the connection's two slots are to hold, with room for value and meta
		 */
		uint64_t wide[GT_LANES][4];
	};
	uint64_t hashes[GT_LANES];
	uint64_t services[GT_LANES];	      /* struct gt_plan_express */
	struct gt_flow_slot *slots[GT_LANES]; /* as of struct express */
	/* in the frames' order */
	uint32_t l3_len[GT_LANES];
	uint8_t acks; /* a bit for each: it is_ordinary_tcp */
	/* ... it is a reply. Its hash and service are what struct express has there, came_sum and
	 * nat or place; its slot is what stage 4 reads: the session, or chunk_nat_slot */
	uint8_t replies;
	/* A bit for each, by CHUNK_AT: it is not in its first bucket. Its slot is its second bucket
	 * until that was searched; NULL: it cannot be there */
	uint8_t missing;
	bool closed;	 /* this is what counts, not the frames' struct express */
	uint8_t express; /* how all of them go, if it is closed: enum gt_express */
	bool v6;
} __attribute__((aligned(32)));

static const uint8_t chunk_at[GT_LANES] = {0, 1, 4, 5, 2, 3, 6, 7};
#define CHUNK_AT(i) chunk_at[i]

/* Bits for frames, as bits by CHUNK_AT; and the other way round. */
static inline unsigned chunk_turned(unsigned bits)
{
	return (bits & 0xc3) | (bits & 0x0c) << 2 | (bits & 0x30) >> 2;
}

_Static_assert(offsetof(struct gt_plan_express, idle_ticks) == 0 &&
		       offsetof(struct gt_plan_express, flags) == 4 &&
		       offsetof(struct gt_plan_express, service) == 6 &&
		       offsetof(struct gt_plan_express_v4, to) == 8,
	       "a record's words: key; idle_ticks, flags << 32, service << 48");
_Static_assert(offsetof(struct gt_flow_slot, value) == 8 &&
		       offsetof(struct gt_flow_slot, meta) == 12,
	       "a slot's second word");
_Static_assert(offsetof(struct gt_plan_server, vip) == 12 &&
		       offsetof(struct gt_plan_server, out_if) == 14 &&
		       offsetof(struct gt_plan_server, express) == 15,
	       "a server's first 16 bytes");
_Static_assert(offsetof(struct gt_frame, out_if) == offsetof(struct gt_frame, in_if) + 1 &&
		       offsetof(struct gt_frame, verdict) == offsetof(struct gt_frame, in_if) + 2 &&
		       offsetof(struct gt_frame, in_place) == offsetof(struct gt_frame, in_if) + 3,
	       "what becomes of a frame is one word");

_Static_assert(offsetof(struct gt_plan_nat, vip_port) == offsetof(struct gt_plan_nat, port) + 2 &&
		       offsetof(struct gt_plan_nat, number) ==
			       offsetof(struct gt_plan_nat, port) + 4 &&
		       sizeof(struct gt_plan_nat) == offsetof(struct gt_plan_nat, port) + 8,
	       "the second half of what is read of it");

/* 16 bytes of a server of nat, the last of which are its ports and its number. */
static inline const void *chunk_nat_slot(const struct gt_plan_nat *nat)
{
	return (const uint8_t *)&nat->port - 8;
}

/* Words of 64 bits, of all eight frames, by CHUNK_AT. */
struct chunk_words {
	__m256i a, b;
};

static inline struct chunk_words chunk_words(lanes low, lanes high)
{
	return (struct chunk_words){_mm256_unpacklo_epi32(low, high),
				    _mm256_unpackhi_epi32(low, high)};
}

static inline void chunk_store(struct chunk_words w, void *to)
{
	_mm256_store_si256(to, w.a);
	_mm256_store_si256((__m256i *)to + 1, w.b);
}

static inline struct chunk_words chunk_load(const void *from)
{
	return (struct chunk_words){_mm256_load_si256(from),
				    _mm256_load_si256((const __m256i *)from + 1)};
}

/* A bit for each word that is the same; are all? */
static inline unsigned chunk_equal(struct chunk_words x, struct chunk_words y)
{
	__m256i a = _mm256_cmpeq_epi64(x.a, y.a), b = _mm256_cmpeq_epi64(x.b, y.b);

	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(a)) |
	       (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(b)) << 4;
}

static inline bool chunk_are_equal(struct chunk_words x, struct chunk_words y)
{
	__m256i differ = _mm256_or_si256(_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b));

	return _mm256_testz_si256(differ, differ) != 0;
}

/* The lower halves of words, as lanes. */
static inline lanes chunk_low(struct chunk_words w)
{
	return _mm256_castps_si256(
		_mm256_shuffle_ps(_mm256_castsi256_ps(w.a), _mm256_castsi256_ps(w.b), 0x88));
}

static inline lanes chunk_high(struct chunk_words w)
{
	return _mm256_castps_si256(
		_mm256_shuffle_ps(_mm256_castsi256_ps(w.a), _mm256_castsi256_ps(w.b), 0xdd));
}

_Static_assert(offsetof(struct gt_flow_key, port) == 16 &&
		       offsetof(struct gt_flow_key, service) == 18 &&
		       offsetof(struct gt_flow_key, dst_port) == 20 &&
		       offsetof(struct gt_flow_key, wide) == 22,
	       "a wide key's rest is one word");

/* By words: a key that is copied waits until it is written. */
static __rte_always_inline void chunk_put_wide(const uint64_t w[4], struct gt_flow_key *key)
{
	/* port, service, dst_port: none, wide */
	uint64_t rest = (uint32_t)w[1] | 1ULL << 48;

	key->lo = w[0];
	key->hi = w[2];
	memcpy(&key->port, &rest, sizeof(rest));
}

/* What the lanes know, told to each frame's express. */
static __rte_always_inline void chunk_open_family(struct chunk *c, struct express *express, bool v6)
{
	uint8_t kind = gt_flow_make_kind(v6 ? GT_FLOW_TYPE_WIDE_SECOND : GT_FLOW_TYPE_NARROW,
					 GT_FLOW_ESTABLISHED);

	c->closed = false;
	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct express *x = &express[i];
		unsigned at = CHUNK_AT(i);

		if (v6) {
			chunk_put_wide(c->wide[at], &x->key);
		} else {
			x->key.lo = c->keys[at];
			x->key.wide = false;
		}
		x->hash = c->hashes[at];
		x->slot = c->slots[at];
		memcpy(&x->service, &c->services[at], sizeof(x->service));
		x->l3_len = c->l3_len[i];
		x->way = (uint8_t)way_of(x->service.flags);
		x->kind = (c->acks >> i & 1) != 0 ? kind : NO_KIND;
		x->protocol = IPPROTO_TCP;
		x->v6 = v6;
	}
	for (unsigned left = c->replies; unlikely(left != 0); left &= left - 1) {
		struct express *x = &express[__builtin_ctz(left)];

		x->slot = NULL;
		x->way = c->express == GT_EXPRESS_NAT ? WAY_NAT_REPLY : WAY_SESSION_REPLY;
	}
}

static inline void chunk_open(struct chunk *c, struct express *express)
{
	if (c->v6)
		chunk_open_family(c, express, true);
	else
		chunk_open_family(c, express, false);
}

/* ... after chunk_locate, which believes what begins like the key. */
static __rte_noinline void chunk_open_located(const struct gt_flow_table *t, struct chunk *c,
					      struct express *express)
{
	chunk_open(c, express);
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct express *x = &express[i];

		if ((c->missing >> CHUNK_AT(i) & 1) != 0)
			x->slot = NULL;
		if (x->slot != NULL && !x->v6 && x->slot->meta >> 30 != GT_FLOW_TYPE_NARROW)
			x->slot = gt_flow_find(t, &x->key, x->hash).slot;
	}
}

/* ---- stage 3 ---- */

/* Where to look on for the connection that is not in its first bucket, fetched. */
static inline struct gt_flow_slot *chunk_look_on(const struct gt_flow_table *t, uint64_t hash)
{
	uint32_t first = gt_flow_bucket_first(t, hash);
	struct gt_flow_bucket *second;

	if (!gt_flow_is_spilled(&t->buckets[first]))
		return NULL;
	second = &t->buckets[gt_flow_bucket_second(t, hash, first)];
	gt_flow_fetch(second);
	return second->slots;
}

static inline __m256i chunk_wide(const struct chunk *c, unsigned at)
{
	return _mm256_load_si256((const __m256i *)(const void *)c->wide[at]);
}

/* In IPv4 it may be a wide entry that begins alike; its kind will tell. */
static inline struct gt_flow_slot *chunk_match(struct gt_flow_bucket *b, uint64_t key)
{
	unsigned hits = gt_flow_match(b, key);

	return hits != 0 ? gt_flow_nth(b, hits) : NULL;
}

/* One frame's slot, if it is in its first bucket: else a bit that says that it is not. */
static __rte_always_inline unsigned chunk_locate_one(struct chunk *c, unsigned at, bool v6)
{
	struct gt_flow_bucket *b = (struct gt_flow_bucket *)c->slots[at];
	unsigned hits;

	if (v6) {
		c->slots[at] = gt_flow_find_words(b, chunk_wide(c, at));
		return (unsigned)(c->slots[at] == NULL) << at;
	}
	hits = gt_flow_match(b, c->keys[at]);
	c->slots[at] = gt_flow_nth(b, hits);
	return (unsigned)(hits == 0) << at;
}

/* Those that are not in their first buckets: where to look on, fetched. */
static inline void chunk_miss(const struct gt_flow_table *t, struct chunk *c, unsigned missing)
{
	c->missing = (uint8_t)missing;
	for (; unlikely(missing != 0); missing &= missing - 1) {
		unsigned at = (unsigned)__builtin_ctz(missing);

		c->slots[at] = chunk_look_on(t, c->hashes[at]);
	}
}

static __rte_always_inline void chunk_locate_all(const struct gt_flow_table *t, struct chunk *c,
						 bool v6)
{
	unsigned missing = 0;

	LANES_UNROLL
	for (unsigned at = 0; at < GT_LANES; at++)
		missing |= chunk_locate_one(c, at, v6);
	chunk_miss(t, c, missing);
}

static __rte_noinline void chunk_locate_v4(const struct gt_flow_table *t, struct chunk *c)
{
	chunk_locate_all(t, c, false);
}

static __rte_noinline void chunk_locate_v6(const struct gt_flow_table *t, struct chunk *c)
{
	chunk_locate_all(t, c, true);
}

/* ... of clients among replies. */
static __rte_noinline void chunk_locate_some(const struct gt_flow_table *t, struct chunk *c)
{
	unsigned missing = 0;

	for (unsigned left = c->replies ^ GT_LANES_ALL; left != 0; left &= left - 1) {
		unsigned at = CHUNK_AT((unsigned)__builtin_ctz(left));

		missing |= c->v6 ? chunk_locate_one(c, at, true) : chunk_locate_one(c, at, false);
	}
	chunk_miss(t, c, missing);
}

/* The slots of a closed chunk's connections, or that they are missing. */
static inline void chunk_locate(const struct gt_flow_table *t, struct chunk *c)
{
	if (unlikely(c->replies != 0))
		chunk_locate_some(t, c);
	else if (c->v6)
		chunk_locate_v6(t, c);
	else
		chunk_locate_v4(t, c);
}

/* ... of those that were missing. False: one is in no bucket. */
static inline bool chunk_search(struct chunk *c)
{
	bool found = true;

	for (unsigned left = c->missing; unlikely(left != 0); left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctz(left);
		struct gt_flow_bucket *b = (struct gt_flow_bucket *)c->slots[at];

		if (b != NULL)
			c->slots[at] = c->v6 ? gt_flow_find_words(b, chunk_wide(c, at))
					     : chunk_match(b, c->keys[at]);
		found &= c->slots[at] != NULL;
	}
	c->missing = 0;
	return found;
}

#endif
