/* SPDX-License-Identifier: BSD-3-Clause */
/* One of the functions of bench_lookup.h: the build says which, and for which CPU. */
#include "bench_lookup.h"

#include "base/frame.h"

unsigned GT_BENCH_LOOK_UP(const struct gt_flow_table *t, const struct gt_flow_key *keys,
			  uint32_t tick)
{
	struct gt_flow_bucket *buckets[GT_BURST_MAX];
	struct gt_flow_ref refs[GT_BURST_MAX];
	uint64_t hashes[GT_BURST_MAX];
	unsigned found = 0;

	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		hashes[i] = gt_flow_hash_narrow(t, keys[i].lo);
		buckets[i] = gt_flow_prefetch(t, hashes[i]);
	}
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		refs[i].slot = gt_flow_find_narrow(buckets[i], keys[i].lo);
		/* The few that are in their second bucket are fetched, too, before they are read.
		 */
		if (refs[i].slot == NULL)
			gt_flow_prefetch_second(t, &keys[i], hashes[i]);
	}
	for (unsigned i = 0; i < GT_BURST_MAX; i++) {
		if (refs[i].slot == NULL)
			refs[i] = gt_flow_search(t, &keys[i], hashes[i]);
		if (refs[i].slot == NULL)
			continue;
		gt_flow_touch(refs[i], GT_FLOW_ESTABLISHED, tick);
		found++;
	}
	return found;
}
