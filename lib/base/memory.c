/* SPDX-License-Identifier: BSD-3-Clause */
/* The C heap as a source of memory; see memory.h. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *heap_alloc(void *ctx, size_t bytes)
{
	void *p;

	(void)ctx;
	/* Whole lines, as aligned_alloc wants. */
	p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

static void heap_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

const struct gt_memory gt_memory_heap = {heap_alloc, heap_free, NULL};
