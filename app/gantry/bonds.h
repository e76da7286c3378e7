/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bonds: what gantry asks DPDK's bonding driver about the slaves of a port. A slave counts as up
 * while it carries frames: with LACP once both ends agreed on it (IEEE 802.1AX, "distributing"),
 * else while its link is up.
 */
#ifndef GT_APP_BONDS_H
#define GT_APP_BONDS_H

#include "ports.h"

/* The port's slaves, of what the configuration names. 0, -errno after a message. Main. */
int gt_bonds_find(struct gt_port *port, const struct gt_device *device, const struct gt_log *log);

/*
 * Reads the slaves and tells of each change, once `tell`. Sets port->moved if frames take another
 * way now: switches must learn it. True: one at least is up. Main.
 */
bool gt_bonds_update(struct gt_port *port, const struct gt_log *log, bool tell);

#endif
