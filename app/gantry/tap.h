/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TAP of an interface with `kernel`: a network interface of the host's that has gantry's own
 * addresses on that wire, its MAC and its MTU. It is not persistent: it goes when gantry goes,
 * however it ends, and with it its addresses and routes.
 *
 * No default route of the host's is touched. What has an own address as its source finds its way by
 * a table of its own: the rule `from ADDRESS lookup TABLE`, and in TABLE the own subnets and, where
 * the interface has one, the default route by its `gateway`. TABLE follows from the TAP's name.
 */
#ifndef GT_APP_TAP_H
#define GT_APP_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "config/config.h"
#include "rtnl.h"

struct gt_tap {
	int fd; /* non-blocking; -1: the interface has no kernel path */
	char name[IFNAMSIZ];
	unsigned index; /* the kernel's */
	uint32_t table; /* of its routes */
};

/* The number of the routing table of a TAP: the same at each start. Any caller. */
uint32_t gt_tap_table(const char *name);

/*
 * Makes the TAP, down and without addresses, so that what the host does not allow is found before
 * anything starts. 0; -errno after a message: no /dev/net/tun, no CAP_NET_ADMIN, the name is taken.
 * Main.
 */
int gt_tap_create(struct gt_tap *tap, const struct gt_config_interface *c,
		  const struct gt_log *log);

/* Gives it MAC, MTU, addresses and routes, and brings it up. 0, -errno after a message. Main. */
int gt_tap_set_up(struct gt_tap *tap, const struct gt_config_interface *c, const struct gt_mac *mac,
		  const struct gt_log *log);

/*
 * A reload: other addresses or gateways. `from` is what is in force now; what both have stays
 * untouched. 0; -errno after a message, and then what could be done is done. Main.
 */
int gt_tap_readdress(struct gt_tap *tap, const struct gt_config_interface *from,
		     const struct gt_config_interface *to, const struct gt_log *log);

/* Removes rules and TAP. One with fd -1 is allowed. Main. */
void gt_tap_close(struct gt_tap *tap, const struct gt_log *log);

#endif
