/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side scaling as pipeline/steer.h wants it: the device hashes addresses and ports of whole
 * TCP and UDP packets under our key, and places them by our table; so each worker receives the
 * connections that it owns.
 */
#ifndef GT_APP_RSS_H
#define GT_APP_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "base/toeplitz.h"

/* Asks for it in conf, if the device can and there are several workers. `key` must live until the
 * device is configured. Main. */
void gt_rss_ask(const struct rte_eth_dev_info *info, uint16_t workers,
		uint8_t key[GT_TOEPLITZ_KEY_BYTES], struct rte_eth_conf *conf);

/* Writes the table of a started device. False: software must place its frames. Main. */
bool gt_rss_place(uint16_t port, const struct rte_eth_dev_info *info, uint16_t workers);

#endif
