/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP packet wrapped in another for a tunnel's far end, in front of itself in its own frame: the
 * inner packet is not touched, its TTL included (gantry delivers, it does not route: RFC 2003 3.1).
 *   ipip  IP in IP: RFC 2003 (4in4), RFC 2473 (anything in IPv6), RFC 4213 (6in4)
 *   gre   RFC 2784 without any option: four bytes, of which two are the inner EtherType
 *   gue   generic UDP encapsulation, variant 0 (draft-ietf-intarea-gue), to UDP port 6080
 * And the way back: what a router inside the tunnel quotes of such a packet when it refuses it.
 */
#ifndef GT_PACKET_TUNNEL_H
#define GT_PACKET_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include "base/addr.h"
#include "base/frame.h"
#include "packet/parse.h"

/* In the order of the configuration's enum gt_encapsulation. */
enum gt_tunnel_kind { GT_TUNNEL_IPIP, GT_TUNNEL_GRE, GT_TUNNEL_GUE };

#define GT_TUNNEL_GUE_PORT 6080
/* GUE's source ports: the dynamic ones, so that 14 bits are left to vary (RFC 8085 5.1.1). */
#define GT_TUNNEL_GUE_SOURCE 0xc000U

/* RFC 2473 6.3 and RFC 2003 3.1 leave the outer TTL to us: the usual initial one (RFC 1700). */
#define GT_TUNNEL_TTL 64

/* The longest: IPv6, UDP, GUE. */
#define GT_TUNNEL_OVERHEAD_MAX (40 + 8 + 4)
/* And an 802.1Q tag may come in front. */
_Static_assert(GT_TUNNEL_OVERHEAD_MAX + 4 <= GT_HEADROOM, "an outer header fits the headroom");

/* What the outer header says. Both addresses have one family; it need not be the inner one's. */
struct gt_tunnel {
	struct gt_addr src, dst;
	uint8_t kind;	    /* enum gt_tunnel_kind */
	uint16_t ipv4_id;   /* identification of an IPv4 outer header, host order */
	uint32_t variation; /* the connection's: GUE's source port and IPv6's flow label follow it,
			     * so that a server's NIC spreads connections over its queues */
};

/* Bytes that wrapping adds: 20 to 52. Any caller. */
static inline uint32_t gt_tunnel_overhead(uint8_t kind, bool outer_v4)
{
	static const uint8_t shim[] = {
		[GT_TUNNEL_IPIP] = 0, [GT_TUNNEL_GRE] = 4, [GT_TUNNEL_GUE] = 8 + 4};

	return (outer_v4 ? 20U : 40U) + shim[kind];
}

/* What the outer header says of what follows it. Any caller. */
static inline uint8_t gt_tunnel_protocol(uint8_t kind, bool inner_v4)
{
	if (kind == GT_TUNNEL_GRE)
		return IPPROTO_GRE;
	if (kind == GT_TUNNEL_GUE)
		return IPPROTO_UDP;
	return inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/*
 * Wraps the packet that `p` describes; the link layer moves along, with the outer EtherType, and
 * padding behind the packet goes. ToS or traffic class with ECN are the inner ones (RFC 2983
 * uniform, RFC 6040 normal mode), TTL 64, DF as the inner has it, and set where that is IPv6. `p`
 * is not updated, but its l3_off holds for the outer header. The packet is at most 65535 bytes with
 * the overhead. Worker.
 */
void gt_tunnel_wrap(struct gt_frame *frame, const struct gt_packet *p, const struct gt_tunnel *t);

/*
 * Reads what an ICMP error to a tunnel's near end quotes: `len` bytes at `ip`, which are the outer
 * header, IPv6 or IPv4, and what was behind it. Fills src, dst and kind of *t and the inner packet
 * as gt_parse_embedded does, but with l3_off, its begin from `ip`. False: not one of our packets,
 * or cut before the inner ports (RFC 792 promises but 8 bytes). Worker.
 */
bool gt_tunnel_quoted(const uint8_t *ip, uint32_t len, bool outer_v6, struct gt_tunnel *t,
		      struct gt_packet *inner);

#endif
