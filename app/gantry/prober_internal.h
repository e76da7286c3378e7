/* SPDX-License-Identifier: BSD-3-Clause */
/* What the prober's engine and its plan share. */
#ifndef GT_APP_PROBER_INTERNAL_H
#define GT_APP_PROBER_INTERNAL_H

#include "prober.h"
#include "prober_heap.h"
#include "prober_target.h"

struct gt_prober {
	struct gt_log log;
	struct gt_node *node;
	int epoll_fd;
	uint64_t now_ms;
	uint32_t serial;
	/* Where targets live, so that an event finds its own: a slot outlives its target. */
	struct gt_prober_slot {
		struct gt_target *target; /* NULL: free */
		uint32_t generation;	  /* counts beginnings and ends */
	} * slots;
	size_t slots_capacity;
	uint32_t free_from;	    /* no slot below is free */
	struct gt_kernel *kernel;   /* NULL: there is none */
	struct gt_via_table *via;   /* see prober_via.c; NULL: no check goes through a VIP */
	struct gt_target_heap heap; /* of all targets */
};

/* The host's routes for the targets that go through VIPs. 0, -ENOMEM. */
int gt_prober_route(struct gt_prober *p);

/* Room for n more targets. 0, -ENOMEM. */
int gt_prober_reserve(struct gt_prober *p, size_t n);
/* The prober's from now on; due_ms is set. There must be room. */
void gt_prober_add(struct gt_prober *p, struct gt_target *t);
/* Ends its check and frees it. */
void gt_prober_remove(struct gt_prober *p, struct gt_target *t);
/* Of one that is not the prober's (yet). NULL is allowed. */
void gt_target_free(struct gt_target *t);

#endif
