/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame taken apart for checks of what left: written anew, so that no mistake of gantry's parser
 * hides here. It knows what a well-formed packet looks like and nothing of gantry.
 */
#ifndef GT_TEST_SUPPORT_VIEW_H
#define GT_TEST_SUPPORT_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct support_view {
	const uint8_t *d; /* the frame, or of an embedded packet its IP header */
	uint32_t len;	  /* bytes that are here */
	uint16_t vid;
	bool tagged;
	uint32_t l3, l4; /* offsets; l4 is what follows all headers of IP */
	uint32_t end;	 /* where the IP packet ends by its own length: may be beyond len */
	bool v4;
	uint8_t protocol, ttl, traffic_class;
	bool fragment, more;
	uint32_t offset, id; /* of a fragment; the offset in bytes */
	struct gt_addr src, dst;
	bool has_ports;
	uint16_t sport, dport;
};

/* False: there is no IP packet whose headers are here. */
bool support_view(const uint8_t *frame, uint32_t len, struct support_view *v);
/* The same for an IP packet without link layer that may be cut behind 8 bytes of L4. */
bool support_view_ip(const uint8_t *ip, uint32_t len, struct support_view *v);

/* An ICMP or ICMPv6 error, not a fragment. */
bool support_view_is_error(const struct support_view *v);
/* Its embedded packet. */
bool support_view_embedded(const struct support_view *v, struct support_view *embedded);

/* End of the bytes of the packet that are here. */
static inline uint32_t support_view_here(const struct support_view *v)
{
	return v->end < v->len ? v->end : v->len;
}

/* Is the IPv4 header's checksum right? True for IPv6. */
bool support_view_header_good(const struct support_view *v);
/* One's complement sum of a whole packet's L4 and its pseudo-header: 0 if its checksum is right.
 * Only where all of it is here; of UDP, what its own length says. */
uint16_t support_view_sum(const struct support_view *v);
/* The sum of what translation changes: addresses, ports and checksum; 0 to 0xfffe. Both checksums
 * are good or damaged alike if it is the same before and after. */
uint16_t support_view_sum_changed(const struct support_view *v);
/* Offset of the L4 checksum from l4, 0: it has none. */
uint32_t support_view_check_at(const struct support_view *v);

uint16_t support_get16(const uint8_t *b);

#endif
