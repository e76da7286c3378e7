/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP and ICMPv6 (RFC 792, RFC 4443): what is an error, and an echo request turned into its reply.
 */
#ifndef GT_PACKET_ICMP_H
#define GT_PACKET_ICMP_H

#include <stdbool.h>

#include "base/frame.h"
#include "packet/parse.h"

#define GT_IPPROTO_ICMP	  1
#define GT_IPPROTO_ICMPV6 58

/* Is it an error that embeds the packet that caused it (and not a redirect or a query)? Worker. */
bool gt_icmp_is_error(const struct gt_packet *p);

/* Is it an echo request? Worker. */
bool gt_icmp_is_echo_request(const struct gt_packet *p);

/*
 * Turns an echo request, or any fragment of one, into the reply in place: MACs and IP addresses
 * swapped, TTL or hop limit 64, and in the piece that has the ICMP header its type; checksums
 * updated by RFC 1624, so that a datagram that came damaged leaves damaged. `mac` becomes the
 * source. A fragment needs no reassembly: identification and offsets stay, and the sender puts them
 * together. Worker.
 */
void gt_icmp_answer_echo(struct gt_frame *frame, const struct gt_packet *p,
			 const struct gt_mac *mac);

/*
 * Turns a packet into the error that says it is too big for `mtu`: "fragmentation needed" (RFC
 * 1191) or "packet too big" (RFC 4443 3.2), from the address that it went to, back to its sender.
 * Uses 48 bytes of GT_HEADROOM. Worker.
 */
void gt_icmp_too_big(struct gt_frame *frame, const struct gt_packet *p, uint16_t mtu,
		     const struct gt_mac *mac);

/*
 * Turns a TCP packet that has an ACK into the reset that ends its connection, back to its sender.
 * Worker.
 */
void gt_tcp_reset(struct gt_frame *frame, const struct gt_packet *p, const struct gt_mac *mac);

#endif
