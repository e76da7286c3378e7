/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection table; see flow.h for its layout and rules. */
#include "flow/flow_internal.h"

#include <errno.h>

#include "base/frame.h"

static uint64_t count_buckets(uint32_t connections, bool wide)
{
	/* Five eighths of the slots at `connections`; a wide one takes two. At that load hardly a
	 * key finds no place: see displace (flow_insert.c). */
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

/* ---- finding ---- */

struct gt_flow_ref gt_flow_search(const struct gt_flow_table *t, const struct gt_flow_key *key,
				  uint64_t hash)
{
	uint32_t first = gt_flow_bucket_first(t, hash);
	struct gt_flow_bucket *b = &t->buckets[first];
	struct gt_flow_slot *s = gt_flow_find_in(b, key);

	if (s == NULL && gt_flow_is_spilled(b))
		s = gt_flow_find_in(&t->buckets[gt_flow_bucket_second(t, hash, first)], key);
	return (struct gt_flow_ref){s};
}

/* ---- clearing places ---- */

static void clear_slot(struct gt_flow_slot *s)
{
	s->key = 0;
	s->value = 0;
	s->meta &= META_SPILLED;
}

void gt_flow_clear_place(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place)
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

	gt_flow_clear_place(t, b, slot_type(ref.slot) == TYPE_WIDE_SECOND ? place - 1 : place);
}

void gt_flow_end_entry(struct gt_flow_table *t, struct gt_flow_bucket *b, unsigned place,
		       const struct gt_flow_judge *judge, bool evicted)
{
	struct gt_flow_ref ref = {changing_half(b, place)};
	uint32_t value = ref.slot->value;
	enum gt_flow_state state = gt_flow_state(ref);
	struct gt_flow_key key;

	read_key(b, place, &key);
	gt_flow_clear_place(t, b, place);
	judge->gone(judge->ctx, key.service, value, state, evicted);
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

void gt_flow_reap(struct gt_flow_table *t, struct gt_flow_bucket *b, uint32_t tick,
		  const struct gt_flow_judge *judge,
		  struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS])
{
	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i++) {
		if (!is_place(b, i))
			continue;
		view_place(b, i, tick, judge, &views[i]);
		if (views[i].idle > views[i].timeout)
			gt_flow_end_entry(t, b, i, judge, false);
	}
}

void gt_flow_sweep(struct gt_flow_table *t, uint32_t n, uint32_t tick,
		   const struct gt_flow_judge *judge)
{
	struct gt_flow_view views[GT_FLOW_BUCKET_SLOTS];

	while (n-- > 0) {
		gt_flow_reap(t, &t->buckets[t->hand], tick, judge, views);
		if (++t->hand == t->n_buckets)
			t->hand = 0;
	}
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
