/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker does when nothing comes in. With idle = poll it goes on asking its devices. With
 * idle = sleep, and always where it shares its CPU with main, it does that for GT_IDLE_SPIN_US
 * after the last frame and then rests:
 *
 *   - until a frame comes, if all of its devices have a descriptor that tells of it: the sockets of
 *     net_af_packet, the queues of net_tap, the RX interrupts of a NIC. At most for
 * GT_IDLE_WAIT_MS, because fragments, old connections, plans and the end want to be looked after
 * too. Who puts a frame into one of its rings wakes it.
 *   - else in naps that grow to GT_IDLE_NAP_MAX_US: a device without interrupts does not tell.
 *
 * A turn with frames makes none of this module's system calls.
 */
#ifndef GT_APP_IDLE_H
#define GT_APP_IDLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/poll.h> /* poll.h here is the loop's */

#include <rte_common.h>

#include "base/frame.h"
#include "base/log.h"
#include "config/bond.h"
#include "config/config.h"
#include "cpus.h"

struct gt_lcore;
struct gt_ports;

/* About what it costs to be woken: who has just had frames rather waits awake. */
#define GT_IDLE_SPIN_US	   20
#define GT_IDLE_WAIT_MS	   1
#define GT_IDLE_NAP_MIN_US 10
/* With the time to wake up (6 to 17 us where measured) a frame waits for less than 100 us. */
#define GT_IDLE_NAP_MAX_US 80

/* How others wake a worker: on a cache line of its own, which is read for each frame handed over.
 */
struct gt_wake {
	bool asleep __rte_cache_aligned;
	int fd; /* eventfd; -1: it never waits for one */
};

struct gt_idle {
	bool sleeps;
	uint64_t spin_tsc;
	uint64_t busy_tsc; /* the last turn that had something to do */
	uint32_t nap_us;
	/* What tells of frames; behind them the worker's own struct gt_wake. n_fds 0: naps. */
	struct pollfd fds[GT_INTERFACES_MAX * GT_BOND_SLAVES_MAX + 2];
	unsigned n_fds;
	int interrupts;		     /* epoll of NICs' interrupts; -1: none */
	bool arm[GT_INTERFACES_MAX]; /* ports whose interrupt must be enabled each time */
};

/* Do workers sleep when idle? Any caller. */
static inline bool gt_idle_sleeps(const struct gt_config *config, const struct gt_cpus *cpus)
{
	return config->idle == GT_IDLE_SLEEP || cpus->shared;
}

/* The ports are started. Without descriptors it will nap. Main. */
void gt_idle_init(struct gt_lcore *l, bool sleeps, const struct gt_ports *ports,
		  const struct gt_log *log);
void gt_idle_close(struct gt_lcore *l);

/* Before the first turn, on the worker's own thread. */
void gt_idle_begin(struct gt_idle *idle);

/* There was something to do. Worker. */
static inline void gt_idle_busy(struct gt_idle *idle, uint64_t tsc)
{
	idle->busy_tsc = tsc;
	idle->nap_us = GT_IDLE_NAP_MIN_US;
}

/* After a turn with nothing to do: rests, if it is time to. True: it did. Worker. */
bool gt_idle_rest(struct gt_lcore *l, uint64_t tsc);

/* A frame for it is in one of its rings. Main, other workers. */
void gt_wake_up(struct gt_wake *wake);

#endif
