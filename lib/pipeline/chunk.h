/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eight frames in a row that are all what most frames are, clients' packets of connections, over
 * IPv4 or IPv6: from the judging of their bytes to the sending they stay in lanes, and what is done
 * for all eight at once is done so. As soon as one of them is anything else the chunk is opened:
 * each frame has its struct express then, and goes on alone. Stages 1 and 2 are in chunk_take.h,
 * stage 4 in chunk_run.h.
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
	/* A bit for each, by CHUNK_AT: it is not in its first bucket. Its slot is its second bucket
	 * until that was searched; NULL: it cannot be there */
	uint8_t missing;
	bool closed;	 /* this is what counts, not the frames' struct express */
	uint8_t express; /* how all of them go, if it is closed: enum gt_express */
	bool v6;
} __attribute__((aligned(32)));

#define CHUNK_AT(i) ((const uint8_t[GT_LANES]){0, 1, 4, 5, 2, 3, 6, 7}[i])

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

/* What chunk_locate is for a family. */
static __rte_always_inline void chunk_locate_family(const struct gt_flow_table *t, struct chunk *c,
						    bool v6)
{
	unsigned missing = 0;

	LANES_UNROLL
	for (unsigned i = 0; i < GT_LANES; i++) {
		struct gt_flow_bucket *b = (struct gt_flow_bucket *)c->slots[i];

		if (v6) {
			c->slots[i] = gt_flow_find_words(b, chunk_wide(c, i));
			missing |= (unsigned)(c->slots[i] == NULL) << i;
		} else {
			unsigned hits = gt_flow_match(b, c->keys[i]);

			c->slots[i] = gt_flow_nth(b, hits);
			missing |= (unsigned)(hits == 0) << i;
		}
	}
	c->missing = (uint8_t)missing;
	for (; unlikely(missing != 0); missing &= missing - 1) {
		unsigned at = (unsigned)__builtin_ctz(missing);

		c->slots[at] = chunk_look_on(t, c->hashes[at]);
	}
}

static __rte_noinline void chunk_locate_v4(const struct gt_flow_table *t, struct chunk *c)
{
	chunk_locate_family(t, c, false);
}

static __rte_noinline void chunk_locate_v6(const struct gt_flow_table *t, struct chunk *c)
{
	chunk_locate_family(t, c, true);
}

/* The slots of a closed chunk's connections, or that they are missing. */
static inline void chunk_locate(const struct gt_flow_table *t, struct chunk *c)
{
	if (c->v6)
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
