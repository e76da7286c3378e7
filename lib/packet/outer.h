/* SPDX-License-Identifier: BSD-3-Clause */
/* What the outer headers to a tunnel's far end have in common: main makes it ready, once for a
 * configuration, and packet/wrap.h writes headers by it. */
#ifndef GT_PACKET_OUTER_H
#define GT_PACKET_OUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* What is to be known beside what is the same: none of these, and it is IPv4 in all. */
#define GT_OUTER_SHIM	0x01 /* there is something between the headers: gre, gue */
#define GT_OUTER_VARIES 0x02 /* the source follows the connection */
#define GT_OUTER_V6	0x04 /* IPv6, whose flow label does */

/* What all packets to one far end have in common. */
struct gt_outer {
	/* Eight bytes as they leave: of IPv4 TTL and protocol, the checksum as 0, and the source,
	 * which is 0 if it varies; of IPv6 the first ones, with the length and all else as 0. */
	uint8_t fixed[8];
	/* The longest packet that fits when wrapped, of IPv4 and IPv6; 0 of the family that is not
	 * inside */
	uint16_t fits[2];
	uint16_t sum; /* of IPv4: all in the header's checksum that is always the same */
	uint8_t overhead;
	uint8_t flags; /* GT_OUTER_... */
};
_Static_assert(sizeof(struct gt_outer) == 16, "it has its place in a server's cache line");

/* src: NULL if it varies. mtu: of the way there. Main. */
void gt_outer_init(struct gt_outer *o, uint8_t kind, bool inner_v6, const struct gt_addr *src,
		   const struct gt_addr *dst, uint32_t mtu);

/* Does a packet of `len` bytes fit its way when wrapped? Worker. */
static inline bool gt_outer_fits(const struct gt_outer *o, uint32_t len, bool v6)
{
	return len <= o->fits[v6];
}

#endif
