/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which work is left to a device, of what it can do; docs/latency.md says why these and no others.
 */
#ifndef GT_APP_OFFLOADS_H
#define GT_APP_OFFLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "devices.h"

/* What must hold for all devices of this node. */
struct gt_offload_rules {
	bool one_pool; /* all buffers are of one pool */
	bool chains;   /* a frame may lie in several buffers */
};

/* Main. */
void gt_offload_rules(const struct gt_device devices[], size_t n, struct gt_offload_rules *out);

/* Asks for them in conf. Main. */
void gt_offloads_ask(const struct rte_eth_dev_info *info, const struct gt_offload_rules *rules,
		     struct rte_eth_conf *conf);

/* "IPv4 checksum, fast free" of what was asked for; "none". Returns buf. Main. */
char *gt_offloads_format(const struct rte_eth_conf *conf, char *buf, size_t size);

#endif
