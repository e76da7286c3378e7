/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks on main's event loop. Nothing here waits: sockets are non-blocking and in main's
 * epoll set, timers are looked at each turn, a turn begins so many checks at most. What the results
 * mean is lib/probe/health.h's and the node's business.
 *
 * Servers that are asked the same at the same address and port share one check: an archive behind
 * four VIPs gets one C-ECHO each interval, not four.
 */
#ifndef GT_APP_PROBER_H
#define GT_APP_PROBER_H

#include <sched.h>

#include "kernel.h"
#include "node/node.h"

/* Checks that begin in one turn of main's loop, which turns once a millisecond at least. */
#define GT_PROBER_STARTS_MAX 64

struct gt_prober;

/* cpus: where programs of exec checks may run. log: its hook must outlive the prober. NULL: no
 * memory. Main, as for all below. */
struct gt_prober *gt_prober_create(const cpu_set_t *cpus, const struct gt_log *log);
/* Ends all checks. NULL is allowed. */
void gt_prober_destroy(struct gt_prober *p);

/* The epoll set in which its checks wait: before the first gt_prober_configure. */
void gt_prober_watch(struct gt_prober *p, int epoll_fd);

/* The TAPs through which `via = vip` goes: before the first gt_prober_configure. */
void gt_prober_kernel(struct gt_prober *p, struct gt_kernel *kernel);

/*
 * Checks the servers of the node's configuration from now on: once before main's loop begins to
 * run it, and right after each gt_node_reload, for it knows servers by their index. Checks that
 * did not change go on, with their timers and what is known of them; the others end. It reads the
 * files that checks name. 0, or -ENOMEM after a message: then nobody is checked.
 */
int gt_prober_configure(struct gt_prober *p, struct gt_node *node, uint64_t now_ms);

/* An event of the epoll set whose token is GT_SOURCE_PROBER's. */
void gt_prober_event(struct gt_prober *p, uint64_t token, uint32_t events, uint64_t now_ms);

/* Ends and begins what is due. What is more than one turn may begin waits for the next. */
void gt_prober_run(struct gt_prober *p, uint64_t now_ms);

/* How many checks there are, each of one server or of several that share it. */
size_t gt_prober_count(const struct gt_prober *p);

#endif
