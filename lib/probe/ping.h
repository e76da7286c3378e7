/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Echo requests and replies of ICMP (RFC 792) and ICMPv6 (RFC 4443 4.1, 4.2), without the IP
 * header. The data, which a reply brings back as it was, names who asked and holds a secret, so
 * that nobody off the path can answer.
 */
#ifndef GT_PROBE_PING_H
#define GT_PROBE_PING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GT_PING_BYTES 40 /* of a request */

struct gt_ping {
	uint16_t id, sequence;
	uint64_t token;	 /* of who asks */
	uint64_t secret; /* of the sender's process */
};

/* The request. The checksum of ICMPv6 is left to the kernel (RFC 3542 3.1). Any caller. */
void gt_ping_write(const struct gt_ping *ping, bool v4, uint8_t out[GT_PING_BYTES]);

/* Is it a reply to a request with this secret? Then its id, sequence and token are in *ping. What
 * is longer than the request is one, too. Any caller. */
bool gt_ping_read(const uint8_t *data, size_t len, bool v4, uint64_t secret, struct gt_ping *ping);

/* The length of the IPv4 header before the message, as raw sockets give it; 0: none. Any caller. */
size_t gt_ping_header_v4(const uint8_t *data, size_t len);

#endif
