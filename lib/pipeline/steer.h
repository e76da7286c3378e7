/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker a frame belongs to, where there are several. A connection belongs to one worker; who
 * receives a frame that is another's hands it over. In the order of preference:
 *
 *   - A device whose receive-side scaling is known (`exact`) brings whole TCP and UDP packets to
 *     their owner by itself: the Toeplitz hash of addresses and ports under our key, by a table
 *     that we wrote (base/toeplitz.h). Replies of snat too: their owner has chosen the source port
 *     so that the hash of the reply leads to it (flow/snat.h).
 *   - What such a device cannot place, and all frames of other devices, is placed by the same hash
 *     in software: an ICMP error by the packet that it embeds; a VIP of persistence = source by the
 *     client's address alone, so that one worker knows all of a client.
 *   - The fragments of a datagram meet at a worker of their own, by source, destination and
 *     protocol; it learns from the first whose they all are, and hands them on in order.
 *
 * Everything else (ARP, echo, replies of nat) needs no memory, and stays.
 */
#ifndef GT_PIPELINE_STEER_H
#define GT_PIPELINE_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/frame.h"

struct gt_steer {
	uint16_t worker, n_workers;
	bool exact[GT_INTERFACES_MAX];
};

/* The owner of a connection, by a packet that comes in for it: the client's to the VIP, or with
 * snat the server's to the source address. Worker. */
uint16_t gt_steer_connection(const struct gt_steer *s, const struct gt_addr *src,
			     rte_be16_t src_port, const struct gt_addr *dst, rte_be16_t dst_port);

/* The worker that knows all of a client. Worker. */
uint16_t gt_steer_source(const struct gt_steer *s, const struct gt_addr *client);

/* The worker where the fragments of a datagram meet. Worker. */
uint16_t gt_steer_fragments(const struct gt_steer *s, const struct gt_addr *src,
			    const struct gt_addr *dst, uint8_t protocol);

#endif
