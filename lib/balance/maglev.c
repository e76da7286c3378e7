/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev tables with weights; see maglev.h. */
#include "balance/maglev.h"

#include <errno.h>
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

/* Where a server stands in its permutation, and the turns that it has saved up. */
struct walker {
	uint32_t next;
	uint32_t credit;
};

static void take_slot(struct walker *w, uint32_t skip, uint16_t value, uint16_t *table,
		      uint8_t *taken, uint32_t size)
{
	uint32_t slot = w->next;

	while (taken[slot]) {
		slot += skip;
		if (slot >= size)
			slot -= size;
	}
	taken[slot] = 1;
	table[slot] = value;
	slot += skip;
	w->next = slot >= size ? slot - size : slot;
}

int gt_maglev_fill(const struct gt_maglev_server *servers,
		   const struct gt_maglev_permutation *permutations, size_t n, uint16_t *table,
		   uint32_t size)
{
	uint32_t max = 0, filled = 0;
	struct walker *walkers;
	uint8_t *taken;
	int ret = 0;

	if (n == 0 || n > size)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (servers[i].weight == 0)
			return -EINVAL;
		if (servers[i].weight > max)
			max = servers[i].weight;
	}
	walkers = calloc(n, sizeof(*walkers));
	taken = calloc(size, 1);
	if (walkers == NULL || taken == NULL) {
		ret = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		/* So much that everyone takes a slot in the first turn: the least weight is served.
		 */
		walkers[i] = (struct walker){permutations[i].offset, max - servers[i].weight};
	}
	while (filled < size) {
		for (size_t i = 0; i < n && filled < size; i++) {
			walkers[i].credit += servers[i].weight;
			if (walkers[i].credit < max)
				continue;
			walkers[i].credit -= max;
			take_slot(&walkers[i], permutations[i].skip, servers[i].value, table, taken,
				  size);
			filled++;
		}
	}
out:
	free(taken);
	free(walkers);
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
