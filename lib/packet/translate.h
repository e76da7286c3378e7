/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address and port translation of one IP packet, in place: within a family (RFC 3022), or between
 * IPv4 and IPv6 by the header rules of RFC 7915. Checksums are updated incrementally (RFC 1624),
 * never computed anew, so that a packet that came damaged leaves damaged; the one exception is an
 * IPv4 UDP datagram without checksum that becomes IPv6, where RFC 7915 4.5 wants one made.
 */
#ifndef GT_PACKET_TRANSLATE_H
#define GT_PACKET_TRANSLATE_H

#include "base/addr.h"
#include "base/frame.h"
#include "packet/parse.h"

/* The packet's new ends, all of them: what stays is given as it is. Both addresses have one family.
 */
struct gt_translation {
	struct gt_addr src, dst;
	rte_be16_t src_port, dst_port;
	uint16_t ipv4_id; /* for an IPv4 header made anew; network or host order does not matter */
};

/*
 * Translates the packet that `p` describes and takes one from its TTL or hop limit. A later
 * fragment has no ports to change. A change of family moves the packet's begin within the frame:
 * the 14 or 18 bytes of the link layer move along, with the ethertype changed, and 28 bytes of
 * GT_HEADROOM may be used. `p` is not updated. GT_PARSE_OK, or with the frame untouched: TTL (it
 * would be 0), UDP_HEADER (IPv6 without checksum; IPv4 without one, of which a fragment cannot get
 * one in IPv6), IP_HEADER (an unexpired source route, RFC 7915 4.1), IP_EXTENSION (a header behind
 * the fragment header, which IPv4 cannot have). Worker.
 */
enum gt_drop_reason gt_translate(struct gt_frame *frame, const struct gt_packet *p,
				 const struct gt_translation *t);

/*
 * The same for an ICMP error: outer addresses from `outer` (its ports are not used), and the
 * embedded packet, which went the other way, from `inner`. Types and codes change with the family
 * by RFC 7915 4.2 and 5.2, an MTU by the difference of the headers. GT_PARSE_OK, TTL, or ICMP_OTHER
 * (an error that has no counterpart). Worker.
 */
enum gt_drop_reason gt_translate_error(struct gt_frame *frame, const struct gt_packet *p,
				       const struct gt_packet *embedded,
				       const struct gt_translation *outer,
				       const struct gt_translation *inner);

#endif
