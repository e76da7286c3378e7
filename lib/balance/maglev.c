/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev tables with weights; see maglev.h. */
#include "balance/maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Primes: the default and what larger sets need, each about twice the one before. */
static const uint32_t sizes[] = {65537, 131071, 262139, 524287, 1048573, 2097143, 4194301, 8388593};

uint32_t gt_maglev_size(size_t n)
{
	size_t i = 0;

	while (i < sizeof(sizes) / sizeof(sizes[0]) - 1 && sizes[i] < n * 100)
		i++;
	return sizes[i];
}

struct gt_maglev_permutation gt_maglev_permutation(const struct gt_siphash_key *key,
						   uint64_t identity, uint32_t size)
{
	uint64_t in[2] = {identity, 0};
	uint64_t h = gt_siphash(key, in, sizeof(in));

	/* The halves are independent; a size of 1 leaves nothing to permute. */
	return (struct gt_maglev_permutation){
		.offset = (uint32_t)(h >> 32) % size,
		.skip = size > 1 ? (uint32_t)h % (size - 1) + 1 : 1,
	};
}

/*
 * The fill. Taken slot by slot as the paper has it, most of the time goes into slots that are
 * taken: size * ln(size) are looked at, half of them for the last few hundred, and each look waits
 * for the one before and for a branch that nobody can foretell. So each server looks at several
 * slots ahead without a branch and notes which are free, and for the last slots it is computed, not
 * searched, when each server would come to them. Who gets which slot is what it was, byte for byte
 * (test/unit/test_tables.c).
 */

/* Slots that a server looks at in one go, at most: of few servers, and of many, whose notes shall
 * stay in the cache. A multiple of 4. */
#define LOOK_FEW  128
#define LOOK_MANY 32
#define FEW	  64
/* So many slots at the end are computed; a position is packed with an index below that. */
#define LAST_MAX    256
#define LAST_SHIFT  8
#define LAST_SIZE   (1U << (32 - LAST_SHIFT)) /* of tables that have such an end, at most */
#define LAST_SERVER 25 /* looks that computing a slot costs for each server, roughly */
_Static_assert(LAST_MAX == 1 << LAST_SHIFT, "an index is the packed part");

/* Where a server stands in its permutation, the turns that it has saved up, and the free slots that
 * it has seen ahead: from `next` on, a slot that there is not behind the last. */
struct walker {
	uint32_t *next;
	uint32_t *ahead;
	uint32_t at; /* the next slot that it looks at */
	uint32_t skip;
	uint32_t step; /* four times that */
	uint32_t credit;
	uint32_t weight;
	uint16_t value;
};

struct filling {
	struct walker *walkers;
	size_t n;
	uint16_t *table;
	uint8_t *is_free; /* of each slot 1 or 0, and a 0 behind the last: not bits, which wait for
			   each other's words (20 % slower) */
	uint32_t size, n_free, max_weight, look;
	bool equal; /* all weights: everyone has every turn, and no credit is left over */
};

static inline uint32_t wrap(uint32_t slot, uint32_t size)
{
	/* Without a branch: slot - size is huge where slot is the smaller one. */
	return slot < slot - size ? slot : slot - size;
}

static void look_ahead(const struct filling *f, struct walker *w)
{
	/* As many as have some 40 free ones among them. */
	const uint64_t wanted = 24ULL * f->size / f->n_free;
	const uint32_t look = (wanted < f->look ? (uint32_t)wanted : f->look) & ~3U;
	const uint32_t size = f->size, step = w->step;
	const uint8_t *is_free = f->is_free;
	uint32_t *ahead = w->ahead;
	uint32_t at[4] = {w->at};

	/* Four ways of their own, that none waits for another. */
	for (unsigned j = 1; j < 4; j++)
		at[j] = wrap(at[j - 1] + w->skip, size);
	for (uint32_t i = 0; i < look; i += 4)
		for (unsigned j = 0; j < 4; j++) {
			*ahead = at[j];
			ahead += is_free[at[j]];
			at[j] = wrap(at[j] + step, size);
		}
	*ahead = size;
	w->at = at[0];
	w->next = w->ahead;
}

/* The walker's next slot that is free still: what was free when it was seen may be another's by
 * now. */
static uint32_t find_slot(const struct filling *f, struct walker *w)
{
	for (;;) {
		uint32_t slot = *w->next;

		if (slot == f->size) {
			look_ahead(f, w);
			continue;
		}
		w->next++;
		if (f->is_free[slot])
			return slot;
	}
}

/* Is it the server's turn? Each turn counts. */
static inline bool has_turn(struct walker *w, uint32_t max_weight)
{
	w->credit += w->weight;
	if (w->credit < max_weight)
		return false;
	w->credit -= max_weight;
	return true;
}

/* Until so few are left. Returns whose turn is next. */
static size_t fill_most(struct filling *f, uint32_t n_last)
{
	const uint32_t max_weight = f->max_weight;
	uint8_t *const is_free = f->is_free;
	uint16_t *const table = f->table;
	const bool equal = f->equal;
	uint32_t n_free = f->n_free;
	size_t i = 0;

	while (n_free > n_last) {
		struct walker *w = &f->walkers[i];
		uint32_t slot;

		i = i + 1 < f->n ? i + 1 : 0;
		if (!equal && !has_turn(w, max_weight))
			continue;
		slot = *w->next;
		if (is_free[slot]) {
			w->next++;
		} else {
			f->n_free = n_free;
			slot = find_slot(f, w);
		}
		is_free[slot] = 0;
		table[slot] = w->value;
		n_free--;
	}
	f->n_free = n_free;
	return i;
}

/* ---- the last slots ---- */

/* x with x * a = 1 modulo a prime, a from 1 on: Euclid's algorithm, extended. */
static uint32_t inverse(uint32_t a, uint32_t prime)
{
	int64_t r = prime, next_r = a, x = 0, next_x = 1;

	while (next_r != 0) {
		int64_t q = r / next_r, swap = r - q * next_r;

		r = next_r;
		next_r = swap;
		swap = x - q * next_x;
		x = next_x;
		next_x = swap;
	}
	return (uint32_t)(x < 0 ? x + prime : x);
}

/* After how many steps a server comes to each of these slots, with the slot's index. */
static void come_to(const struct filling *f, const struct walker *w, const uint32_t *slots,
		    uint32_t n, uint32_t *steps)
{
	uint32_t from = *w->next < f->size ? *w->next : w->at;
	uint64_t steps_each = inverse(w->skip, f->size);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t way = wrap(slots[i] + (f->size - from), f->size);

		steps[i] = (uint32_t)(way * steps_each % f->size) << LAST_SHIFT | i;
	}
}

static uint32_t find_least(const uint32_t *steps, uint32_t n)
{
	uint32_t least = steps[0];

	for (uint32_t i = 1; i < n; i++)
		least = steps[i] < least ? steps[i] : least;
	return least & (LAST_MAX - 1);
}

/* steps: room for LAST_MAX of each server. The next turn is server `turn`'s. */
static void fill_last(struct filling *f, uint32_t *steps, size_t turn)
{
	uint32_t slots[LAST_MAX], n = 0;

	for (uint32_t i = 0; i < f->size && n < f->n_free; i++)
		if (f->is_free[i])
			slots[n++] = i;
	for (size_t i = 0; i < f->n; i++)
		come_to(f, &f->walkers[i], slots, n, &steps[i * f->n_free]);
	for (size_t i = turn; n > 0; i = i + 1 < f->n ? i + 1 : 0) {
		uint32_t at;

		if (!has_turn(&f->walkers[i], f->max_weight))
			continue;
		at = find_least(&steps[i * f->n_free], n);
		f->table[slots[at]] = f->walkers[i].value;
		/* The last one takes its place, with every server. */
		slots[at] = slots[--n];
		for (size_t j = 0; j < f->n; j++) {
			uint32_t *s = &steps[j * f->n_free];

			s[at] = (s[n] & ~(LAST_MAX - 1U)) | at;
		}
	}
}

/* How many slots are left to be computed: no more than is cheaper than searching. */
static uint32_t count_last(size_t n, uint32_t size)
{
	size_t last = size / (LAST_SERVER * n);

	if (size >= LAST_SIZE)
		return 0;
	return last < LAST_MAX ? (uint32_t)last : LAST_MAX;
}

/* ---- all of them ---- */

static uint32_t heaviest(const struct gt_maglev_server *servers, size_t n, bool *equal)
{
	uint32_t max = 0;

	for (size_t i = 0; i < n; i++) {
		if (servers[i].weight == 0)
			return 0;
		*equal = *equal && servers[i].weight == servers[0].weight;
		if (servers[i].weight > max)
			max = servers[i].weight;
	}
	return max;
}

int gt_maglev_fill(const struct gt_maglev_server *servers,
		   const struct gt_maglev_permutation *permutations, size_t n, uint16_t *table,
		   uint32_t size)
{
	struct filling f = {.n = n,
			    .table = table,
			    .size = size,
			    .n_free = size,
			    .equal = true,
			    .look = n <= FEW ? LOOK_FEW : LOOK_MANY};
	uint32_t n_last, room = f.look + 1, *ahead, *steps;
	int ret = -ENOMEM;

	if (n == 0 || n > size)
		return -EINVAL;
	f.max_weight = heaviest(servers, n, &f.equal);
	if (f.max_weight == 0)
		return -EINVAL;
	n_last = count_last(n, size);
	f.walkers = malloc(n * sizeof(*f.walkers));
	f.is_free = malloc(size + 1ULL);
	ahead = malloc(n * room * sizeof(*ahead));
	steps = malloc(n * n_last * sizeof(*steps) + 1);
	if (f.walkers == NULL || f.is_free == NULL || ahead == NULL || steps == NULL)
		goto out;
	memset(f.is_free, 1, size);
	f.is_free[size] = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t *mine = &ahead[i * room];

		/* So much credit that everyone takes a slot in the first turn: the least weight is
		 * served. */
		f.walkers[i] =
			(struct walker){.next = mine,
					.ahead = mine,
					.at = permutations[i].offset,
					.skip = permutations[i].skip,
					.step = (uint32_t)(4ULL * permutations[i].skip % size),
					.credit = f.max_weight - servers[i].weight,
					.weight = servers[i].weight,
					.value = servers[i].value};
		*mine = size;
	}
	fill_last(&f, steps, fill_most(&f, n_last));
	ret = 0;
out:
	free(steps);
	free(ahead);
	free(f.is_free);
	free(f.walkers);
	return ret;
}

static int by_identity(const void *a, const void *b)
{
	uint64_t x = ((const struct gt_maglev_server *)a)->identity;
	uint64_t y = ((const struct gt_maglev_server *)b)->identity;

	return x < y ? -1 : x > y;
}

int gt_maglev_build(const struct gt_siphash_key *key, const struct gt_maglev_server *servers,
		    size_t n, uint16_t *table, uint32_t size)
{
	struct gt_maglev_permutation *permutations;
	struct gt_maglev_server *sorted;
	int ret = -ENOMEM;

	if (n == 0 || n > size)
		return -EINVAL;
	/* Turns go by identity, so that the order in the file does not matter. */
	sorted = malloc(n * sizeof(*sorted));
	permutations = malloc(n * sizeof(*permutations));
	if (sorted == NULL || permutations == NULL)
		goto out;
	memcpy(sorted, servers, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_identity);
	for (size_t i = 0; i < n; i++)
		permutations[i] = gt_maglev_permutation(key, sorted[i].identity, size);
	ret = gt_maglev_fill(sorted, permutations, n, table, size);
out:
	free(permutations);
	free(sorted);
	return ret;
}
