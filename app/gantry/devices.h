/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices that a configuration names, before DPDK sees them: does each exist, may this process
 * use it, which driver arguments does it need, which NUMA node is it on. DPDK would say what is
 * wrong in its own words, or start without the device.
 */
#ifndef GT_APP_DEVICES_H
#define GT_APP_DEVICES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "config/bond.h"
#include "config/config.h"
#include "netdev.h"

/* A slave of a bond; gantry polls the bond. */
struct gt_slave {
	char name[64]; /* as below */
	bool pci;
	char arguments[512];
	char interface[IFNAMSIZ];
	struct gt_netdev_was was;
};

struct gt_device {
	char name[64]; /* DPDK's: what stands before the first comma, or the PCI address */
	bool pci;
	char arguments[512];	  /* of --vdev; empty with PCI */
	char interface[IFNAMSIZ]; /* the kernel's interface below it; empty: none */
	struct gt_netdev_was was; /* that interface, before gantry */
	struct gt_slave slaves[GT_BOND_SLAVES_MAX];
	unsigned n_slaves; /* 0: it is no bond */
	unsigned bond_mode;
	int node;		  /* NUMA; -1 unknown */
	uint32_t buffer_size_min; /* for the interface's MTU */
	uint32_t buffers_more;	  /* packet buffers that its driver holds beyond its queues */
};

/*
 * Of each of the configuration's interfaces. Changes nothing of the machine. 0, or -errno after a
 * message. Main, before EAL.
 */
int gt_devices_prepare(const struct gt_config *config, const struct gt_log *log,
		       struct gt_device devices[]);

/*
 * Brings the kernel's interfaces below the devices up and sets their MTU: when nothing is wrong,
 * and no other gantry has them (device_lock.h). 0, or -errno after a message. Main, before EAL.
 */
int gt_devices_set_up(const struct gt_config *config, const struct gt_log *log,
		      struct gt_device devices[]);

/* Makes the kernel's interfaces as they were, when the drivers have let go of them. Main. */
void gt_devices_restore(const struct gt_device devices[], const struct gt_log *log);

/* The NUMA node of the first device that tells one, or -1. Warns if they are on several. Main. */
int gt_devices_node(const struct gt_config *config, const struct gt_device devices[],
		    const struct gt_log *log);

/* Is the kernel's interface up and connected? Any caller. */
bool gt_devices_kernel_link(const char interface[IFNAMSIZ]);

#endif
