/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bond in one line of the configuration: DPDK's own words for it, but that each slave stands in
 * its place with all its arguments, in brackets if it has any:
 *   net_bonding0,mode=4,slave=(net_af_packet0,iface=eth0),slave=0000:3b:00.0
 * DPDK wants each slave's arguments apart, and in the bond's only their names.
 */
#ifndef GT_CONFIG_BOND_H
#define GT_CONFIG_BOND_H

#include <stdbool.h>
#include <stddef.h>

#define GT_BOND_SLAVES_MAX    8
#define GT_BOND_TEXT_MAX      512
#define GT_BOND_ACTIVE_BACKUP 1
#define GT_BOND_BALANCE	      2
#define GT_BOND_LACP	      4

struct gt_bond {
	unsigned mode;
	char arguments[GT_BOND_TEXT_MAX]; /* for DPDK */
	char slaves[GT_BOND_SLAVES_MAX][GT_BOND_TEXT_MAX];
	unsigned n_slaves;
};

/* Does the text of a device begin as a bond's? Any caller. */
bool gt_bond_is(const char *device);

/* 0, or -EINVAL and *wrong says what; whether each slave is a device, the caller sees. Any caller.
 */
int gt_bond_parse(const char *device, struct gt_bond *bond, const char **wrong);

#endif
