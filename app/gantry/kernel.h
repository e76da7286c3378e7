/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path: frames for own addresses go from the wire to the host's kernel by the TAP of
 * their interface, and what the kernel sends there goes onto the wire. Main carries both, a bounded
 * number at a time; no frame of a VIP comes here.
 */
#ifndef GT_APP_KERNEL_H
#define GT_APP_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/frame.h"
#include "config/config.h"
#include "ports.h"
#include "tap.h"

struct gt_run;

struct gt_kernel {
	struct gt_tap taps[GT_INTERFACES_MAX]; /* by interface */
	unsigned n;			       /* that are set: their fd may be -1 all the same */
	struct gt_log log;
	/*
	 * A packet of the kernel's, whole Ethernet frame, for the address of a VIP: true, if it may
	 * go onto the wire as it is now (a check through the VIP, with its server's MAC put in).
	 * Else it is dropped: the VIP's clients are on the wire, and this host is none of them.
	 * NULL: none may.
	 */
	bool (*redirect)(void *ctx, uint8_t interface, uint8_t *frame, size_t len);
	void *redirect_ctx;
	uint64_t to_vips; /* frames that were dropped for it */
};

/* Has any interface `kernel`? Any caller. */
bool gt_kernel_wanted(const struct gt_config *config);

/* Makes the TAPs. 0, -errno after a message; gt_kernel_close undoes it in any case. Main. */
int gt_kernel_create(struct gt_kernel *k, const struct gt_config *config, const struct gt_log *log);
/* Sets them up, when the ports' MACs are known. 0, -errno after a message. Main. */
int gt_kernel_set_up(struct gt_kernel *k, const struct gt_config *config,
		     const struct gt_ports *ports);
/* A reload: other addresses or gateways than in `from`. Goes on over what fails, and tells of it:
 * 0, or the first -errno. Main. */
int gt_kernel_readdress(struct gt_kernel *k, const struct gt_config *from,
			const struct gt_config *to);
void gt_kernel_close(struct gt_kernel *k);

/* Puts the TAPs into main's epoll set, with tokens of GT_SOURCE_KERNEL. 0, -errno. Main. */
int gt_kernel_watch(struct gt_kernel *k, int epoll_fd);

/* Takes at most `most` frames of the workers' and gives them to the kernel. How many. Main. */
unsigned gt_kernel_take(struct gt_run *r, unsigned most);

/* An ARP reply, an announcement or a neighbour advertisement is main's, and news to the kernel,
 * which has its own table of neighbours: it gets a copy. Of other frames nothing. Main. */
void gt_kernel_copy(struct gt_kernel *k, const struct rte_mbuf *m);

/* The kernel has frames to send on an interface. Main. */
void gt_kernel_event(struct gt_run *r, unsigned interface);

#endif
