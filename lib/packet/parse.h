/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounds-checked parsing of one frame into what the pipeline needs: offsets, ports, flags. Reads
 * only bytes below frame->len, believes no length field that it has not compared with wire_len, and
 * gives the drop reason of the first thing that is wrong. Ethernet II and 802.1Q; IPv4 with options
 * (RFC 791), IPv6 with extension headers (RFC 8200), TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792),
 * ICMPv6 (RFC 4443), ARP by its type alone.
 */
#ifndef GT_PACKET_PARSE_H
#define GT_PACKET_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/frame.h"

enum gt_packet_kind {
	GT_PACKET_ARP, /* only l3_off is set */
	GT_PACKET_IPV4,
	GT_PACKET_IPV6,
};

enum gt_packet_fragment {
	GT_FRAGMENT_NONE,  /* a whole datagram (an IPv6 atomic fragment, RFC 6946, too) */
	GT_FRAGMENT_FIRST, /* its L4 header is whole */
	GT_FRAGMENT_LATER, /* no L4 header: l4_off points at payload, ports are 0 */
};

#define GT_TCP_FIN 0x01
#define GT_TCP_SYN 0x02
#define GT_TCP_RST 0x04
#define GT_TCP_ACK 0x10

struct gt_packet {
	uint16_t l3_off; /* of the IP or ARP header from frame->data */
	uint16_t l4_off; /* of the TCP, UDP or ICMP header, or of whatever follows the IP header */
	uint32_t l3_end; /* from frame->data: where the IP datagram ends; what follows is padding */
	uint8_t kind;	 /* enum gt_packet_kind */
	uint8_t fragment;	      /* enum gt_packet_fragment */
	uint8_t protocol;	      /* of L4, behind all extension headers */
	uint8_t tcp_flags;	      /* 0 unless TCP with its header here */
	uint8_t icmp_type, icmp_code; /* with ICMP and ICMPv6 */
	bool link_group;	      /* destination MAC was broadcast or multicast */
	uint16_t vlan;		      /* VID of the tag, 0: none or a priority tag */
	bool tagged;
	rte_be16_t src_port, dst_port; /* TCP and UDP */
	uint32_t fragment_id;	       /* as in the header; 0 if not a fragment */
	uint16_t fragment_offset;      /* in units of 8 bytes */
	bool fragment_more;	       /* it is not the last one */
	struct gt_addr src, dst;       /* IPv4 as IPv4-mapped */
};

/* ok, or which reason: what the parsers return. */
#define GT_PARSE_OK GT_DROP_REASON_COUNT

/*
 * The link layer: MACs' kind, tag, where the next header starts; kind if the type is known.
 * GT_PARSE_OK or SHORT, VLAN (a second tag), NOT_IP. Worker.
 */
enum gt_drop_reason gt_parse_link(const struct gt_frame *frame, struct gt_packet *p);

/*
 * The rest of what gt_parse_link found to be IPv4 or IPv6. GT_PARSE_OK, or SHORT, IP_HEADER,
 * IP_CHECKSUM, IP_EXTENSION, MARTIAN, TCP_HEADER, UDP_HEADER, TINY_FRAGMENT, FRAGMENT_BAD. MAC, tag
 * and addresses are not compared with an interface's here: the pipeline does. Worker.
 */
enum gt_drop_reason gt_parse_network(const struct gt_frame *frame, struct gt_packet *p);

/*
 * Parses the IP packet that an ICMP error embeds: `len` bytes at `ip`, which may be cut behind 8
 * bytes of L4 (RFC 792; RFC 4443 gives more). Fills kind, protocol, ports, src, dst. Embedded
 * lengths and checksums are neither believed nor checked: routers are known to spoil them.
 * GT_PARSE_OK or ICMP_BAD. Worker.
 */
enum gt_drop_reason gt_parse_embedded(const uint8_t *ip, uint32_t len, bool v6,
				      struct gt_packet *p);

#endif
