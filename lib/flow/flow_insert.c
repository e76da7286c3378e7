/* SPDX-License-Identifier: BSD-3-Clause */
/* Making entries of the connection table, and room for them; see flow.h for the rules. */
#include "flow/flow_internal.h"

#define NO_PLACE GT_FLOW_BUCKET_SLOTS

static bool is_free(const struct gt_flow_bucket *b, unsigned i)
{
	return slot_type(&b->slots[i]) == TYPE_FREE;
}

/* Narrow entries fill a bucket from its end, wide ones from its front: pairs stay whole. */
static unsigned find_free(const struct gt_flow_bucket *b, bool wide)
{
	if (wide) {
		for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i += 2)
			if (is_free(b, i) && is_free(b, i + 1))
				return i;
	} else {
		for (unsigned i = GT_FLOW_BUCKET_SLOTS; i-- > 0;)
			if (is_free(b, i))
				return i;
	}
	return NO_PLACE;
}

void gt_flow_prefetch_second(const struct gt_flow_table *t, const struct gt_flow_key *key,
			     uint64_t hash)
{
	uint32_t first = gt_flow_bucket_first(t, hash);
	const struct gt_flow_bucket *b = &t->buckets[first];

	if (gt_flow_is_spilled(b) || find_free(b, key->wide) == NO_PLACE)
		gt_flow_fetch(&t->buckets[gt_flow_bucket_second(t, hash, first)]);
}

/* A bucket that is full, and how its entries were judged. */
struct full {
	struct gt_flow_bucket *bucket;
	struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS];
};

/* The lower the rank, the sooner it yields; RANK_NEVER does not. */
#define RANK_NEVER UINT32_MAX

static uint32_t rank_place(const struct full *f, unsigned place, enum gt_flow_state newcomer,
			   const struct gt_flow_judge *judge)
{
	const struct gt_flow_view *view = &f->views[place];
	uint32_t young = GT_TICK_MASK - (view->idle & GT_TICK_MASK);
	struct gt_flow_key key;

	switch (view->state) {
	case GT_FLOW_SYN:
	case GT_FLOW_SOURCE_NEW:
		return young;
	case GT_FLOW_CLOSED:
		return 1U << 24 | young;
	case GT_FLOW_FIN:
		return 2U << 24 | young;
	default:
		/* A SYN may leave a source record too: that is no better proof of a client. */
		if (newcomer == GT_FLOW_SYN || gt_flow_is_source(newcomer) ||
		    view->idle < GT_FLOW_LONG_IDLE_TICKS)
			return RANK_NEVER;
		read_key(f->bucket, place, &key);
		if (!judge->rehashes(judge->ctx, &key, changing_half(f->bucket, place)->value))
			return RANK_NEVER;
		return 3U << 24 | young;
	}
}

/* A pair yields as reluctantly as its more reluctant half; a free half does not mind. */
static uint32_t rank_pair(const struct full *f, unsigned pair, enum gt_flow_state newcomer,
			  const struct gt_flow_judge *judge)
{
	uint32_t rank = 0;

	for (unsigned i = pair; i < pair + 2; i++) {
		uint32_t r = is_place(f->bucket, i) ? rank_place(f, i, newcomer, judge) : 0;

		if (r > rank)
			rank = r;
	}
	return rank;
}

struct victim {
	struct gt_flow_bucket *bucket;
	unsigned place;
	uint32_t rank;
};

static void find_victim(const struct full *f, bool wide, enum gt_flow_state newcomer,
			const struct gt_flow_judge *judge, struct victim *best)
{
	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i += wide ? 2 : 1) {
		uint32_t rank;

		if (wide)
			rank = rank_pair(f, i, newcomer, judge);
		else if (is_place(f->bucket, i))
			rank = rank_place(f, i, newcomer, judge);
		else
			continue;
		if (rank < best->rank)
			*best = (struct victim){f->bucket, i, rank};
	}
}

/* Makes room in either bucket; NO_PLACE if nothing yields. */
static unsigned evict(struct gt_flow_table *t, const struct full full[2], bool wide,
		      enum gt_flow_state newcomer, const struct gt_flow_judge *judge,
		      struct gt_flow_bucket **in)
{
	struct victim v = {NULL, NO_PLACE, RANK_NEVER};

	for (unsigned i = 0; i < 2; i++)
		find_victim(&full[i], wide, newcomer, judge, &v);
	if (v.bucket == NULL)
		return NO_PLACE;
	for (unsigned i = v.place; i < v.place + (wide ? 2 : 1); i++)
		if (is_place(v.bucket, i))
			gt_flow_end_entry(t, v.bucket, i, judge, true);
	*in = v.bucket;
	return v.place;
}

static struct gt_flow_ref write_entry(struct gt_flow_table *t, struct gt_flow_bucket *b,
				      unsigned place, const struct gt_flow_key *key, uint32_t value,
				      enum gt_flow_state state, uint32_t tick)
{
	struct gt_flow_slot *s = &b->slots[place];
	uint32_t meta = META_STATE(state) | (tick & GT_TICK_MASK);

	t->entries++;
	t->changes++;
	t->slots_used += 1U + key->wide;
	s->key = key->lo;
	if (key->wide) {
		s->port = key->port;
		s->service = key->service;
		s->dst_port = key->dst_port;
		s->tag = (uint16_t)((s->tag & TAG_SPILLED) | TAG_TYPE(TYPE_WIDE_FIRST));
		s++;
		s->key = key->hi;
		meta |= META_TYPE(TYPE_WIDE_SECOND);
	} else {
		meta |= META_TYPE(TYPE_NARROW);
	}
	s->value = value;
	s->meta = (s->meta & META_SPILLED) | meta;
	return (struct gt_flow_ref){s};
}

/* Where a newcomer fits in `b` once the entry at `place` has left; NO_PLACE: nowhere yet. */
static unsigned place_left_by(const struct gt_flow_bucket *b, unsigned place, bool wide)
{
	if (!wide || slot_type(&b->slots[place]) == TYPE_WIDE_FIRST)
		return place;
	return is_free(b, place ^ 1) ? place & ~1U : NO_PLACE;
}

/* A place of its own, free or expired; NO_PLACE: the bucket is full, as `views` says. */
static unsigned find_room(struct gt_flow_table *t, struct gt_flow_bucket *b, bool wide,
			  uint32_t tick, const struct gt_flow_judge *judge,
			  struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS])
{
	unsigned place = find_free(b, wide);

	if (place != NO_PLACE)
		return place;
	gt_flow_reap(t, b, tick, judge, views);
	return find_free(b, wide);
}

#define NO_BUCKET UINT32_MAX

/* An entry that might move from its bucket, and where to. */
struct move {
	struct gt_flow_key key;
	uint32_t to;	 /* NO_BUCKET: it may not, or would not help */
	bool spills;	 /* that is its second one */
	unsigned leaves; /* the place for the newcomer */
};

/* Which of a bucket's entries could move where: all their lines are fetched at once. */
static void plan_moves(const struct gt_flow_table *t, uint32_t from, bool wide, uint32_t not_to,
		       struct move moves[GT_FLOW_BUCKET_SLOTS])
{
	const struct gt_flow_bucket *b = &t->buckets[from];

	for (unsigned place = 0; place < GT_FLOW_BUCKET_SLOTS; place++) {
		struct move *m = &moves[place];
		uint32_t first;
		uint64_t hash;

		m->to = NO_BUCKET;
		if (!is_place(b, place))
			continue;
		m->leaves = place_left_by(b, place, wide);
		if (m->leaves == NO_PLACE)
			continue;
		read_key(b, place, &m->key);
		gt_flow_hash(t, &m->key, &hash, 1);
		first = gt_flow_bucket_first(t, hash);
		m->spills = from == first;
		m->to = m->spills ? gt_flow_bucket_second(t, hash, first) : first;
		if (m->to == not_to)
			m->to = NO_BUCKET;
		else
			rte_prefetch0(&t->buckets[m->to]);
	}
}

/*
 * Makes a place for a newcomer in the full bucket `from`: moves one of its entries to that one's
 * own other bucket, if there is room, or if such a move makes some there, `depth` times over
 * (cuckoo hashing, Pagh and Rodler 2004). Nothing moves to bucket `not_to`, whose place is being
 * counted on. Gives the place that became free, or NO_PLACE.
 */
static unsigned make_room(struct gt_flow_table *t, uint32_t from, bool wide, uint32_t tick,
			  const struct gt_flow_judge *judge, unsigned depth, uint32_t not_to)
{
	struct gt_flow_bucket *b = &t->buckets[from];
	struct move moves[GT_FLOW_BUCKET_SLOTS];

	plan_moves(t, from, wide, not_to, moves);
	for (unsigned place = 0; place < GT_FLOW_BUCKET_SLOTS; place++) {
		struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS];
		const struct move *m = &moves[place];
		struct gt_flow_slot *s;
		unsigned free_place;

		if (m->to == NO_BUCKET)
			continue;
		free_place = find_room(t, &t->buckets[m->to], m->key.wide, tick, judge, views);
		if (free_place == NO_PLACE && depth > 0)
			free_place = make_room(t, m->to, m->key.wide, tick, judge, depth - 1, from);
		if (free_place == NO_PLACE)
			continue;
		s = changing_half(b, place);
		write_entry(t, &t->buckets[m->to], free_place, &m->key, s->value,
			    gt_flow_state((struct gt_flow_ref){s}), s->meta & GT_TICK_MASK);
		gt_flow_clear_place(t, b, place);
		if (m->spills)
			b->slots[0].meta |= META_SPILLED;
		return m->leaves;
	}
	return NO_PLACE;
}

/*
 * Both buckets are full: makes room in one of them. Without it 1.5 % of the narrow keys find no
 * place at five eighths load, with one move less than one in 10^5. A bucket has only two places for
 * wide ones: one move leaves 0.3 %, two less than one in 10^4 (test_flow_load measures both, and
 * mixtures). That is 8 and 12 other lines to look at, or a few more in a mixture; a second move for
 * narrow ones would be 40.
 */
static unsigned displace(struct gt_flow_table *t, const uint32_t indexes[2], bool wide,
			 uint32_t tick, const struct gt_flow_judge *judge,
			 struct gt_flow_bucket **in)
{
	for (unsigned depth = 0; depth <= wide; depth++) {
		for (unsigned i = 0; i < 2; i++) {
			unsigned place =
				make_room(t, indexes[i], wide, tick, judge, depth, NO_BUCKET);

			if (place == NO_PLACE)
				continue;
			*in = &t->buckets[indexes[i]];
			return place;
		}
	}
	return NO_PLACE;
}

/* Are so many slots in use that looking for room elsewhere would mostly be in vain? Then it would
 * be each frame of a flood that did. */
static bool is_crowded(const struct gt_flow_table *t)
{
	return t->slots_used >= (uint64_t)t->n_buckets * (GT_FLOW_BUCKET_SLOTS * 3 / 4);
}

/* The first bucket has no free place. */
static __attribute__((noinline)) struct gt_flow_ref
insert_into_full(struct gt_flow_table *t, const struct gt_flow_key *key, uint64_t hash,
		 uint32_t value, enum gt_flow_state state, uint32_t tick,
		 const struct gt_flow_judge *judge)
{
	uint32_t first = gt_flow_bucket_first(t, hash);
	uint32_t indexes[2] = {first, gt_flow_bucket_second(t, hash, first)};
	struct full full[2] = {{.bucket = &t->buckets[indexes[0]]},
			       {.bucket = &t->buckets[indexes[1]]}};
	struct gt_flow_bucket *in = NULL;
	unsigned place = NO_PLACE;

	for (unsigned i = 0; i < 2 && place == NO_PLACE; i++) {
		in = full[i].bucket;
		place = find_room(t, in, key->wide, tick, judge, full[i].views);
	}
	if (place == NO_PLACE && !is_crowded(t))
		place = displace(t, indexes, key->wide, tick, judge, &in);
	if (place == NO_PLACE)
		place = evict(t, full, key->wide, state, judge, &in);
	if (place == NO_PLACE)
		return (struct gt_flow_ref){NULL};
	if (in == full[1].bucket)
		full[0].bucket->slots[0].meta |= META_SPILLED;
	return write_entry(t, in, place, key, value, state, tick);
}

struct gt_flow_ref gt_flow_insert(struct gt_flow_table *t, const struct gt_flow_key *key,
				  uint64_t hash, uint32_t value, enum gt_flow_state state,
				  uint32_t tick, const struct gt_flow_judge *judge)
{
	struct gt_flow_bucket *b = &t->buckets[gt_flow_bucket_first(t, hash)];
	unsigned place = find_free(b, key->wide);

	if (place == NO_PLACE)
		return insert_into_full(t, key, hash, value, state, tick, judge);
	return write_entry(t, b, place, key, value, state, tick);
}
