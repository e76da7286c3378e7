/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interface below a device (of af_packet, af_xdp, tap): what gantry changes there is
 * undone when it stops. That it was brought up stays: taking it down would cost a link its time to
 * come back at every restart.
 */
#ifndef GT_APP_NETDEV_H
#define GT_APP_NETDEV_H

#include <net/if.h>
#include <stdbool.h>

#include "base/log.h"
#include "config/config.h"

/* One ioctl on an interface, with the rest of *r as the caller set it. 0, -errno. Any caller. */
int gt_netdev_control(unsigned long request, const char name[IFNAMSIZ], struct ifreq *r);

/* What it was before gantry. */
struct gt_netdev_was {
	bool known;
	bool promiscuous, all_multicast;
	int mtu;
	int mtu_set; /* by gantry; else the same */
};

/*
 * Notes what it is, gives it the MTU of its interface `c` and brings it up; where: "FILE:LINE:
 * device:
 * ", for messages. An empty name is none. 0, or -errno after a message. Main, before EAL.
 */
int gt_netdev_set_up(const char name[IFNAMSIZ], const struct gt_config_interface *c,
		     const char *where, const struct gt_log *log, struct gt_netdev_was *was);

/*
 * Makes it so again, but for what somebody else changed meanwhile. One that is gone, or was never
 * noted, is none of ours. Main, when no driver uses it any more.
 */
void gt_netdev_restore(const char name[IFNAMSIZ], const struct gt_netdev_was *was,
		       const struct gt_log *log);

#endif
