/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's lcore: polls its queue of every port, hands the frames to the packet core (struct
 * gt_worker), and does what the verdicts say. While it has frames it makes no
 * system call but those of a driver, takes no lock and shares no mutable state with another worker.
 *
 *   worker -> main   ring `punt`: frames with verdict PUNT, as mbufs whose port is the interface
 *   worker -> main   ring `kernel`: frames with verdict KERNEL, for the host's kernel; one of its
 *                    own, so that a flood of them does not cost main an ARP request
 *   main -> worker   ring `transmit`: what main sends. DPDK's TX queues are for one thread each,
 *                    and several virtual devices have but one: so main has none of its own.
 *   worker -> worker ring `handed`: frames of connections that the other one owns
 * (pipeline/steer.h) main -> workers  struct gt_shared: the plan in force, and when to stop
 */
#ifndef GT_APP_WORKER_H
#define GT_APP_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "base/log.h"
#include "base/memory.h"
#include "budget.h"
#include "idle.h"
#include "pipeline/pipeline.h"
#include "ports.h"
#include "transmit.h"

/* What main writes and workers read. */
struct gt_shared {
	const struct gt_plan *plan; /* published by store-release */
	struct rte_rcu_qsbr *qsbr;  /* tells when no worker reads an older plan */
	bool stop;
	bool link_down[GT_INTERFACES_MAX]; /* nothing is to be sent there */
	struct gt_loads *loads;		   /* what all workers' servers have; NULL: one worker */
	struct rte_ring *handed[GT_WORKERS_MAX]; /* to each worker, from all others */
	unsigned number;			 /* among those of this process; 0: the only one */
	struct gt_wake wake[GT_WORKERS_MAX];
};

/* For so many workers; no plan yet. *out is to be freed by gt_shared_destroy, also on an error. 0,
 * -ENOMEM. Main, after EAL. */
int gt_shared_create(unsigned workers, struct gt_shared **out);
/* NULL is allowed. Main. */
void gt_shared_destroy(struct gt_shared *shared);

struct gt_lcore {
	struct gt_worker *worker;
	struct gt_shared *shared;
	struct rte_ring *punt, *transmit;
	struct rte_ring *kernel; /* NULL: no interface has a kernel path */
	unsigned index;
	unsigned id; /* EAL's */
	int cpu;
	struct gt_idle idle;
	uint16_t ports[GT_INTERFACES_MAX];
	unsigned n_ports;
	bool checks_ipv4[GT_INTERFACES_MAX];
	bool lacp[GT_INTERFACES_MAX]; /* bonds that send LACPDUs when they are called to send */
	uint64_t wait_tsc;	      /* GT_TX_WAIT_US */
	uint64_t sent_tsc;	      /* no gathered frame came before */
	/* Written by the worker, read by main: TSC cycles in all, and those that found frames. */
	RTE_MARKER counted __rte_cache_aligned;
	uint64_t cycles, busy_cycles;
	struct gt_tx tx[GT_INTERFACES_MAX];
};

/* Where the tables of a node's workers lie. What is freed stays taken until the process ends. Main.
 */
struct gt_memory gt_lcore_memory(const struct gt_config *config, int node);

/*
 * A worker's rings on the NUMA node, and its table of `memory`. *out is to be freed by
 * gt_lcore_destroy. 0, -ENOMEM or -EIO after a message. Main.
 */
int gt_lcore_create(unsigned index, const struct gt_config *config, const struct gt_ports *ports,
		    const struct gt_cpus *cpus, struct gt_shared *shared,
		    const struct gt_memory *memory, const struct gt_log *log,
		    struct gt_lcore **out);
/* The worker must have ended. NULL is allowed. Main. */
void gt_lcore_destroy(struct gt_lcore *l);

/* Runs it on its lcore until shared->stop. 0, or -errno. Main. */
int gt_lcore_launch(struct gt_lcore *l);

/* What main does of a worker's after it has ended: sends what waits in `transmit`, takes back the
 * frames that the core still holds. Main. */
void gt_lcore_finish(struct gt_lcore *l, uint64_t now_ms);

/* ---- frames on the way between main and a worker ---- */

/* Marks a frame of main's: out of which interface, and what it is. Main. */
static inline void gt_transmit_mark(struct rte_mbuf *m, uint8_t out_if, uint8_t verdict)
{
	m->port = out_if;
	m->hash.usr = verdict;
}

/* Hands a frame of main's to the worker that sends it. False: its ring is full. Main. */
static inline bool gt_lcore_transmit(struct gt_lcore *l, struct rte_mbuf *m, uint8_t out_if,
				     uint8_t verdict)
{
	gt_transmit_mark(m, out_if, verdict);
	if (rte_ring_sp_enqueue(l->transmit, m) != 0)
		return false;
	gt_wake_up(&l->shared->wake[l->index]);
	return true;
}

/* An mbuf gets the bytes of its frame, which the core may have moved or cut. Any caller. */
static inline void gt_mbuf_sync(struct rte_mbuf *m, const struct gt_frame *f)
{
	m->data_off = (uint16_t)(f->data - (uint8_t *)m->buf_addr);
	if (likely(m->nb_segs == 1)) {
		m->data_len = (uint16_t)f->len;
		m->pkt_len = f->len;
		return;
	}
	/* An answer ("too big", a reset) is whole where the frame that it was made of went on. */
	if (f->wire_len == f->len) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
		m->nb_segs = 1;
		m->pkt_len = m->data_len;
	}
	m->pkt_len += f->len - m->data_len;
	m->data_len = (uint16_t)f->len;
}

/* A frame of an mbuf's first segment. Any caller. */
static inline void gt_mbuf_frame(struct rte_mbuf *m, uint8_t in_if, struct gt_frame *f)
{
	/* From in_if on: by one store, which compilers do not find. */
	uint64_t fresh = rte_cpu_to_le_64(in_if);

	_Static_assert(offsetof(struct gt_frame, owner) ==
			       offsetof(struct gt_frame, in_if) + sizeof(fresh),
		       "in_if is the first of eight bytes");
	f->data = rte_pktmbuf_mtod(m, uint8_t *);
	f->len = m->data_len;
	f->wire_len = m->pkt_len;
	memcpy(&f->in_if, &fresh, sizeof(fresh));
	f->owner = m;
}

#endif
