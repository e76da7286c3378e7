/* SPDX-License-Identifier: BSD-3-Clause */
/* The fates of datagrams in fragments; see fragments.h. */
#include "flow/fragments.h"

#include <errno.h>
#include <string.h>

struct gt_fragment_entry {
	struct gt_fragment_key key;
	struct gt_fragment_fate fate;
	uint64_t until_ms; /* 0: never used */
};

_Static_assert((GT_FRAGMENT_DATAGRAMS & (GT_FRAGMENT_DATAGRAMS - 1)) == 0, "a power of two");

uint64_t gt_fragments_bytes(void)
{
	return GT_FRAGMENT_DATAGRAMS * sizeof(struct gt_fragment_entry);
}

int gt_fragments_create(struct gt_fragments *f, const uint8_t random[16],
			const struct gt_memory *memory)
{
	memset(f, 0, sizeof(*f));
	f->entries = memory->alloc(memory->ctx, gt_fragments_bytes());
	if (f->entries == NULL)
		return -ENOMEM;
	f->memory = *memory;
	f->hash = gt_aeshash_select();
	gt_aeshash_key_init(&f->key, random);
	return 0;
}

void gt_fragments_destroy(struct gt_fragments *f)
{
	if (f->entries != NULL)
		f->memory.free(f->memory.ctx, f->entries);
	memset(f, 0, sizeof(*f));
}

static bool is_same(const struct gt_fragment_key *a, const struct gt_fragment_key *b)
{
	return a->id == b->id && a->protocol == b->protocol && gt_addr_equal(&a->src, &b->src) &&
	       gt_addr_equal(&a->dst, &b->dst);
}

/* The set of ways that a key may be in. The three blocks are chained, as a block cipher's MAC
 * would. */
static struct gt_fragment_entry *find_set(const struct gt_fragments *f,
					  const struct gt_fragment_key *key)
{
	uint64_t block[2], h;

	memcpy(block, key->src.b, sizeof(block));
	f->hash(&f->key, block, 16, &h, 1);
	memcpy(block, key->dst.b, sizeof(block));
	block[0] ^= h;
	f->hash(&f->key, block, 16, &h, 1);
	block[0] = h;
	block[1] = (uint64_t)key->id << 8 | key->protocol;
	f->hash(&f->key, block, 16, &h, 1);
	return &f->entries[h % (GT_FRAGMENT_DATAGRAMS / GT_FRAGMENT_WAYS) * GT_FRAGMENT_WAYS];
}

void gt_fragments_decide(struct gt_fragments *f, const struct gt_fragment_key *key,
			 struct gt_fragment_fate fate, uint64_t now_ms)
{
	struct gt_fragment_entry *set = find_set(f, key), *to = set;

	/* Its own entry if it has one, else the one that ends first. */
	for (unsigned i = 0; i < GT_FRAGMENT_WAYS; i++) {
		if (set[i].until_ms > now_ms && is_same(&set[i].key, key)) {
			to = &set[i];
			break;
		}
		if (set[i].until_ms < to->until_ms)
			to = &set[i];
	}
	to->key = *key;
	to->fate = fate;
	to->until_ms = now_ms + GT_FRAGMENT_LIFE_MS;
}

bool gt_fragments_find(const struct gt_fragments *f, const struct gt_fragment_key *key,
		       uint64_t now_ms, struct gt_fragment_fate *fate)
{
	const struct gt_fragment_entry *set = find_set(f, key);

	for (unsigned i = 0; i < GT_FRAGMENT_WAYS; i++) {
		if (set[i].until_ms > now_ms && is_same(&set[i].key, key)) {
			*fate = set[i].fate;
			return true;
		}
	}
	return false;
}

bool gt_fragments_hold(struct gt_fragments *f, const struct gt_frame *frame,
		       const struct gt_fragment_key *key, uint64_t now_ms)
{
	if (f->n_held == GT_FRAGMENT_HELD_MAX)
		return false;
	f->held[f->n_held++] = (struct gt_fragment_held){*frame, *key, now_ms};
	return true;
}

unsigned gt_fragments_release(struct gt_fragments *f, const struct gt_fragment_key *key,
			      struct gt_frame out[GT_FRAGMENT_HELD_MAX])
{
	unsigned kept = 0, n = 0;

	for (unsigned i = 0; i < f->n_held; i++) {
		if (is_same(&f->held[i].key, key))
			out[n++] = f->held[i].frame;
		else
			f->held[kept++] = f->held[i];
	}
	f->n_held = kept;
	return n;
}

unsigned gt_fragments_expire(struct gt_fragments *f, uint64_t now_ms, bool all,
			     struct gt_frame out[GT_FRAGMENT_HELD_MAX])
{
	unsigned n = 0;

	/* They came in order: the oldest stand in front. */
	while (n < f->n_held && (all || now_ms - f->held[n].since_ms >= GT_FRAGMENT_HELD_MS)) {
		out[n] = f->held[n].frame;
		n++;
	}
	f->n_held -= n;
	memmove(f->held, f->held + n, f->n_held * sizeof(f->held[0]));
	return n;
}
