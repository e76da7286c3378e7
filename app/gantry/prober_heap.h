/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets by the time at which something is due: a binary heap, each target knows its place. */
#ifndef GT_APP_PROBER_HEAP_H
#define GT_APP_PROBER_HEAP_H

#include "prober_target.h"

struct gt_target_heap {
	struct gt_target **list;
	size_t n, capacity;
};

/* Room for n. 0, -ENOMEM. */
int gt_target_heap_reserve(struct gt_target_heap *h, size_t n);
/* There must be room. */
void gt_target_heap_add(struct gt_target_heap *h, struct gt_target *t);
void gt_target_heap_remove(struct gt_target_heap *h, struct gt_target *t);
/* Its due_ms has changed. */
void gt_target_heap_moved(struct gt_target_heap *h, struct gt_target *t);

/* The one that is due first, or NULL. */
static inline struct gt_target *gt_target_heap_first(const struct gt_target_heap *h)
{
	return h->n > 0 ? h->list[0] : NULL;
}

#endif
