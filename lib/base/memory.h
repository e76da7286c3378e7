/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where long-lived memory comes from. The core takes all of it at creation through this hook:
 * hugepages of the right NUMA node under `gantry run`, the C heap in tests and replay. Nothing is
 * allocated for a frame.
 */
#ifndef GT_BASE_MEMORY_H
#define GT_BASE_MEMORY_H

#include <stddef.h>

struct gt_memory {
	/* `bytes` zeroed, at 64 bytes alignment, or NULL. */
	void *(*alloc)(void *ctx, size_t bytes);
	void (*free)(void *ctx, void *p); /* p may be NULL */
	void *ctx;
};

/* The C heap. Any caller. */
extern const struct gt_memory gt_memory_heap;

#endif
