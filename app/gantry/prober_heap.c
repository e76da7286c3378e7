/* SPDX-License-Identifier: BSD-3-Clause */
/* A binary heap of targets; see prober_heap.h. */
#include "prober_heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int gt_target_heap_reserve(struct gt_target_heap *h, size_t n)
{
	struct gt_target **list;

	if (n <= h->capacity)
		return 0;
	list = reallocarray(h->list, n, sizeof(struct gt_target *));
	if (list == NULL)
		return -ENOMEM;
	h->list = list;
	h->capacity = n;
	return 0;
}

static void put(struct gt_target_heap *h, size_t i, struct gt_target *t)
{
	h->list[i] = t;
	t->heap = i;
}

/* Towards the first, as far as it is due earlier than its parents. */
static void rise(struct gt_target_heap *h, struct gt_target *t)
{
	size_t i = t->heap;

	while (i > 0 && t->due_ms < h->list[(i - 1) / 2]->due_ms) {
		put(h, i, h->list[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(h, i, t);
}

/* Away from the first, as far as it is due later than a child. */
static void sink(struct gt_target_heap *h, struct gt_target *t)
{
	size_t i = t->heap, child;

	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && h->list[child + 1]->due_ms < h->list[child]->due_ms)
			child++;
		if (t->due_ms <= h->list[child]->due_ms)
			break;
		put(h, i, h->list[child]);
		i = child;
	}
	put(h, i, t);
}

void gt_target_heap_moved(struct gt_target_heap *h, struct gt_target *t)
{
	rise(h, t);
	sink(h, t);
}

void gt_target_heap_add(struct gt_target_heap *h, struct gt_target *t)
{
	assert(h->n < h->capacity);
	put(h, h->n++, t);
	rise(h, t);
}

void gt_target_heap_remove(struct gt_target_heap *h, struct gt_target *t)
{
	struct gt_target *last = h->list[--h->n];

	if (last == t)
		return;
	put(h, t->heap, last);
	gt_target_heap_moved(h, last);
}
