/* SPDX-License-Identifier: BSD-3-Clause */
/* What the prober's engine and its plan share. */
#ifndef GT_APP_PROBER_INTERNAL_H
#define GT_APP_PROBER_INTERNAL_H

#include <sched.h>

#include "prober.h"
#include "prober_heap.h"
#include "prober_target.h"

/* A token is a slot and its generation, so that an event of a check that is over finds nothing. */
#define GT_PROBER_SLOT_BITS 24

/* Slots of what checks share, behind all that targets may have. */
enum gt_prober_shared {
	GT_SHARED_PING4 = (1 << GT_PROBER_SLOT_BITS) - 3,
	GT_SHARED_PING6,
	GT_SHARED_PROGRAMS,
};
_Static_assert(GT_CONFIG_SERVERS_MAX < GT_SHARED_PING4, "each server may have a slot");

/* Programs that checks run at once: each is a process, and a start takes about a millisecond. */
#define GT_PROGRAMS_MAX 32

struct gt_programs {
	unsigned n_running;
	unsigned n_killed;	     /* whose end is awaited: no check's any more */
	int killed[GT_PROGRAMS_MAX]; /* their pidfds */
	bool told;		     /* that there are too many */
};

struct gt_prober {
	struct gt_log log;
	struct gt_node *node;
	int epoll_fd;
	cpu_set_t cpus; /* on which programs of checks may run */
	uint64_t now_ms;
	uint64_t spent_us; /* on events, in this turn */
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
	struct gt_pinger *pinger;   /* sockets that icmp checks share; NULL: none yet */
	struct gt_programs programs;
	/* Of which interfaces it was told that the host checks their servers, as bits. */
	uint32_t told_routes;
};

/* The host's routes for the targets that go through VIPs. 0, -ENOMEM. */
int gt_prober_route(struct gt_prober *p);

/* Room for n more targets. 0, -ENOMEM. */
int gt_prober_reserve(struct gt_prober *p, size_t n);
/* The prober's from now on; due_ms is set. There must be room. */
void gt_prober_add(struct gt_prober *p, struct gt_target *t);
/* Ends its check and frees it. */
void gt_prober_remove(struct gt_prober *p, struct gt_target *t);
/* The target whose check is under way by this token, or NULL. */
struct gt_target *gt_prober_find(const struct gt_prober *p, uint64_t token);
/* Watches a descriptor that checks share, or changes to it what an event of it finds. 0, -errno. */
int gt_prober_watch_shared(struct gt_prober *p, int fd, enum gt_prober_shared what, bool again);

/* prober_icmp.c: echo replies have come. */
void gt_pinger_event(struct gt_prober *p, enum gt_prober_shared what);
void gt_pinger_destroy(struct gt_prober *p);

/* prober_exec.c: a program that was killed has ended. */
void gt_programs_event(struct gt_prober *p);
/* Waits a moment for those that were killed. */
void gt_programs_destroy(struct gt_prober *p);

/* Of one that is not the prober's (yet). NULL is allowed. */
void gt_target_free(struct gt_target *t);

#endif
