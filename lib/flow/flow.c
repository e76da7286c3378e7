/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection table; see flow.h for its layout and rules. */
#include "flow/flow.h"

#include <errno.h>

#include "base/frame.h"

#define TYPE_FREE	 0U
#define TYPE_NARROW	 GT_FLOW_TYPE_NARROW
#define TYPE_WIDE_FIRST	 GT_FLOW_TYPE_WIDE_FIRST
#define TYPE_WIDE_SECOND GT_FLOW_TYPE_WIDE_SECOND

#define META_SPILLED	GT_FLOW_META_SPILLED
#define META_TYPE(type) ((type) << 30)
#define META_STATE(s)	((uint32_t)(s) << 26)
#define TAG_TYPE(type)	((uint16_t)((type) << 14))
#define TAG_SPILLED	((uint16_t)(META_SPILLED >> 16))
#define NO_PLACE	GT_FLOW_BUCKET_SLOTS

static inline unsigned slot_type(const struct gt_flow_slot *s)
{
	return s->meta >> 30;
}

static inline bool is_spilled(const struct gt_flow_bucket *b)
{
	return (b->slots[0].meta & META_SPILLED) != 0;
}

static uint64_t count_buckets(uint32_t connections, bool wide)
{
	/* Five eighths of the slots at `connections`; a wide one takes two. At that load hardly a
	 * key finds no place: see displace. */
	uint64_t slots = (uint64_t)connections * (wide ? 2 : 1) * 8 / 5;
	uint64_t buckets = (slots + GT_FLOW_BUCKET_SLOTS - 1) / GT_FLOW_BUCKET_SLOTS;

	return buckets < 2 ? 2 : buckets;
}

uint64_t gt_flow_bytes(uint32_t connections, bool wide)
{
	return count_buckets(connections, wide) * sizeof(struct gt_flow_bucket);
}

int gt_flow_create(struct gt_flow_table *t, uint32_t connections, bool wide,
		   const uint8_t random[16], const struct gt_memory *memory)
{
	uint64_t n = count_buckets(connections, wide);

	if (n > UINT32_MAX)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->buckets = memory->alloc(memory->ctx, n * sizeof(*t->buckets));
	if (t->buckets == NULL)
		return -ENOMEM;
	t->n_buckets = (uint32_t)n;
	t->memory = *memory;
	t->hash = gt_aeshash_select();
	gt_aeshash_key_init(&t->key, random);
	return 0;
}

void gt_flow_destroy(struct gt_flow_table *t)
{
	if (t->buckets != NULL)
		t->memory.free(t->memory.ctx, t->buckets);
	memset(t, 0, sizeof(*t));
}

void gt_flow_hash(const struct gt_flow_table *t, const struct gt_flow_key *keys, uint64_t *hashes,
		  unsigned n)
{
	if (n == 0)
		return;
	t->hash(&t->key, keys, sizeof(*keys), hashes, n);
	for (unsigned i = 0; i < n; i++)
		if (keys[i].wide)
			hashes[i] = gt_flow_hash_wide(t, &keys[i]);
}

static inline uint32_t second_bucket(const struct gt_flow_table *t, uint64_t hash, uint32_t first)
{
	uint32_t second = (uint32_t)(((hash >> 32) * t->n_buckets) >> 32);

	if (second == first)
		second = first + 1 < t->n_buckets ? first + 1 : 0;
	return second;
}

/* ---- finding ---- */

struct gt_flow_ref gt_flow_search(const struct gt_flow_table *t, const struct gt_flow_key *key,
				  uint64_t hash)
{
	uint32_t first = gt_flow_bucket_first(t, hash);
	struct gt_flow_bucket *b = &t->buckets[first];
	struct gt_flow_slot *s = gt_flow_find_in(b, key);

	if (s == NULL && is_spilled(b))
		s = gt_flow_find_in(&t->buckets[second_bucket(t, hash, first)], key);
	return (struct gt_flow_ref){s};
}

/* ---- reading and clearing what a place holds ---- */

/* A place is where an entry begins: any slot if narrow, an even one if wide. */

static struct gt_flow_slot *changing_half(struct gt_flow_bucket *b, unsigned place)
{
	return &b->slots[slot_type(&b->slots[place]) == TYPE_WIDE_FIRST ? place + 1 : place];
}

static void read_key(const struct gt_flow_bucket *b, unsigned place, struct gt_flow_key *key)
{
	const struct gt_flow_slot *s = &b->slots[place];

	if (slot_type(s) == TYPE_WIDE_FIRST) {
		*key = (struct gt_flow_key){.lo = s[0].key,
					    .hi = s[1].key,
					    .service = s->service,
					    .port = s->port,
					    .dst_port = s->dst_port,
					    .wide = true};
	} else {
		*key = (struct gt_flow_key){.lo = s->key,
					    .port = (rte_be16_t)(s->key >> 32),
					    .service = (uint16_t)(s->key >> 48)};
	}
}

static void clear_slot(struct gt_flow_slot *s)
{
	s->key = 0;
	s->value = 0;
	s->meta &= META_SPILLED;
}

static void clear_place(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place)
{
	if (slot_type(&b->slots[place]) == TYPE_WIDE_FIRST) {
		clear_slot(&b->slots[place + 1]);
		t->slots_used--;
	}
	clear_slot(&b->slots[place]);
	t->slots_used--;
	t->entries--;
	t->changes++;
}

void gt_flow_remove(struct gt_flow_table *t, struct gt_flow_ref ref)
{
	/* Buckets are 64-byte aligned: the slot's place follows from its address. */
	size_t index = (size_t)(ref.slot - t->buckets[0].slots);
	struct gt_flow_bucket *b = &t->buckets[index / GT_FLOW_BUCKET_SLOTS];
	unsigned place = index % GT_FLOW_BUCKET_SLOTS;

	clear_place(t, b, slot_type(ref.slot) == TYPE_WIDE_SECOND ? place - 1 : place);
}

/* Calls judge->gone and clears it. */
static void end_entry(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place,
		      const struct gt_flow_judge *judge, bool evicted)
{
	struct gt_flow_ref ref = {changing_half(b, place)};
	uint32_t value = ref.slot->value;
	enum gt_flow_state state = gt_flow_state(ref);
	struct gt_flow_key key;

	read_key(b, place, &key);
	clear_place(t, b, place);
	judge->gone(judge->ctx, key.service, value, state, evicted);
}

static bool is_place(const struct gt_flow_bucket *b, unsigned i)
{
	unsigned type = slot_type(&b->slots[i]);

	return type == TYPE_NARROW || type == TYPE_WIDE_FIRST;
}

static uint16_t service_at(const struct gt_flow_bucket *b, unsigned place)
{
	const struct gt_flow_slot *s = &b->slots[place];

	return slot_type(s) == TYPE_WIDE_FIRST ? s->service : (uint16_t)(s->key >> 48);
}

static void view_place(struct gt_flow_bucket *b, unsigned place, uint32_t tick,
		       const struct gt_flow_judge *judge, struct gt_flow_view *view)
{
	struct gt_flow_ref ref = {changing_half(b, place)};

	view->state = gt_flow_state(ref);
	view->idle = gt_flow_idle(ref.slot->meta, tick);
	judge->view(judge->ctx, service_at(b, place), ref.slot->value, view);
}

/* Clears the expired places; `views`: of those that stay. */
static void reap(struct gt_flow_table *t, struct gt_flow_bucket *b, uint32_t tick,
		 const struct gt_flow_judge *judge, struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS])
{
	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i++) {
		if (!is_place(b, i))
			continue;
		view_place(b, i, tick, judge, &views[i]);
		if (views[i].idle > views[i].timeout)
			end_entry(t, b, i, judge, false);
	}
}

void gt_flow_sweep(struct gt_flow_table *t, uint32_t n, uint32_t tick,
		   const struct gt_flow_judge *judge)
{
	struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS];

	while (n-- > 0) {
		reap(t, &t->buckets[t->hand], tick, judge, views);
		if (++t->hand == t->n_buckets)
			t->hand = 0;
	}
}

/* ---- inserting ---- */

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

	if (is_spilled(b) || find_free(b, key->wide) == NO_PLACE)
		rte_prefetch0(&t->buckets[second_bucket(t, hash, first)]);
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
			end_entry(t, v.bucket, i, judge, true);
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
	reap(t, b, tick, judge, views);
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
		m->to = m->spills ? second_bucket(t, hash, first) : first;
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
		clear_place(t, b, place);
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
	uint32_t indexes[2] = {first, second_bucket(t, hash, first)};
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

/* ---- for reports ---- */

unsigned gt_flow_read(const struct gt_flow_table *t, uint32_t index, uint32_t tick,
		      struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS])
{
	struct gt_flow_bucket copy, again;
	const uint64_t *from = (const uint64_t *)&t->buckets[index];
	unsigned n = 0, used = 0;

	/* Of a large table most are empty. */
	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i++)
		used |= __atomic_load_n(&t->buckets[index].slots[i].meta, __ATOMIC_RELAXED) >> 30;
	if (used == 0)
		return 0;
	for (size_t i = 0; i < sizeof(copy) / 8; i++)
		((uint64_t *)&copy)[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	for (size_t i = 0; i < sizeof(copy) / 8; i++)
		((uint64_t *)&again)[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i++) {
		struct gt_flow_ref ref;
		struct gt_flow_entry *e = &out[n];
		struct gt_flow_key key;

		if (!is_place(&copy, i) || copy.slots[i].key != again.slots[i].key ||
		    slot_type(&copy.slots[i]) != slot_type(&again.slots[i]))
			continue;
		ref.slot = changing_half(&copy, i);
		read_key(&copy, i, &key);
		gt_flow_client(&key, &e->client);
		e->client_port = key.port;
		e->dst_port = key.dst_port;
		e->service = key.service;
		e->value = ref.slot->value;
		e->state = gt_flow_state(ref);
		e->idle_ticks = gt_flow_idle(ref.slot->meta, tick);
		n++;
	}
	return n;
}
