/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounds-checked parsing; see parse.h. Every read is below frame->len, which each step checks
 * first. */
#include "packet/parse.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "base/bytes.h"
#include "base/checksum.h"

/* RFC 8200 wants each extension header at most once (destination options twice): seven kinds. */
#define EXTENSIONS_MAX 8

enum gt_drop_reason gt_parse_link(const struct gt_frame *frame, struct gt_packet *p)
{
	const uint8_t *d = frame->data;
	uint16_t type;

	memset(p, 0, sizeof(*p));
	if (frame->len < RTE_ETHER_HDR_LEN)
		return GT_DROP_SHORT;
	p->link_group = d[0] & 1;
	p->l3_off = RTE_ETHER_HDR_LEN;
	type = gt_read_be16(d + 12);
	if (type == RTE_ETHER_TYPE_VLAN) {
		if (frame->len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
			return GT_DROP_SHORT;
		p->tagged = true;
		p->vlan = gt_read_be16(d + 14) & 0xfff;
		p->l3_off += RTE_VLAN_HLEN;
		type = gt_read_be16(d + 16);
	}
	switch (type) {
	case RTE_ETHER_TYPE_IPV4:
		p->kind = GT_PACKET_IPV4;
		return GT_PARSE_OK;
	case RTE_ETHER_TYPE_IPV6:
		p->kind = GT_PACKET_IPV6;
		return GT_PARSE_OK;
	case RTE_ETHER_TYPE_ARP:
		p->kind = GT_PACKET_ARP;
		return GT_PARSE_OK;
	case RTE_ETHER_TYPE_VLAN:
	case RTE_ETHER_TYPE_QINQ:
		return GT_DROP_VLAN;
	default:
		return GT_DROP_NOT_IP;
	}
}

/*
 * The L4 header at p->l4_off of a whole datagram or a first fragment; `payload` bytes of the
 * datagram follow there.
 */
static enum gt_drop_reason parse_l4(const struct gt_frame *frame, struct gt_packet *p,
				    uint32_t payload)
{
	bool whole = p->fragment == GT_FRAGMENT_NONE;
	enum gt_drop_reason cut = whole ? GT_DROP_SHORT : GT_DROP_TINY_FRAGMENT;
	const uint8_t *d = frame->data + p->l4_off;
	bool icmp = p->protocol == (p->kind == GT_PACKET_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	uint32_t need = p->protocol == IPPROTO_TCP	       ? 20
			: (p->protocol == IPPROTO_UDP || icmp) ? 8
							       : 0;

	if (payload < need)
		return cut;
	if (need > 0 && p->l4_off + need > frame->len)
		return GT_DROP_SHORT;
	if (p->protocol == IPPROTO_TCP) {
		uint32_t header = (uint32_t)(d[12] >> 4) * 4;

		if (header < 20)
			return GT_DROP_TCP_HEADER;
		if (header > payload)
			return whole ? GT_DROP_TCP_HEADER : GT_DROP_TINY_FRAGMENT;
		p->tcp_flags = d[13];
	} else if (p->protocol == IPPROTO_UDP) {
		uint16_t length = gt_read_be16(d + 4);

		if (length < 8 || (whole && length > payload))
			return GT_DROP_UDP_HEADER;
	} else {
		if (icmp) {
			p->icmp_type = d[0];
			p->icmp_code = d[1];
		}
		return GT_PARSE_OK;
	}
	p->src_port = gt_copy_be16(d);
	p->dst_port = gt_copy_be16(d + 2);
	return GT_PARSE_OK;
}

/*
 * Judges a fragment by its offset (bytes), whether more follow, and its length; sets p->fragment.
 * `before` bytes of headers count towards the 65,535 that the whole datagram may have: the IPv4
 * header (RFC 791), the IPv6 extension headers before the fragment's (RFC 8200 4.5). RFC 1858 3: a
 * TCP fragment at offset 8 exists only to overwrite the first one's flags.
 */
static enum gt_drop_reason judge_fragment(struct gt_packet *p, uint32_t before, uint32_t offset,
					  bool more, uint32_t payload)
{
	if (payload == 0 || (more && payload % 8 != 0) || before + offset + payload > 65535)
		return GT_DROP_FRAGMENT_BAD;
	if (offset == 8 && p->protocol == IPPROTO_TCP)
		return GT_DROP_TINY_FRAGMENT;
	p->fragment = offset == 0 ? GT_FRAGMENT_FIRST : GT_FRAGMENT_LATER;
	p->fragment_offset = (uint16_t)(offset / 8);
	p->fragment_more = more;
	return GT_PARSE_OK;
}

static enum gt_drop_reason parse_ipv4(const struct gt_frame *frame, struct gt_packet *p)
{
	const uint8_t *h = frame->data + p->l3_off;
	uint32_t header, total;
	uint16_t frag;

	if (frame->len < p->l3_off + sizeof(struct rte_ipv4_hdr))
		return GT_DROP_SHORT;
	header = (uint32_t)(h[0] & 0xf) * 4;
	total = gt_read_be16(h + 2);
	if (h[0] >> 4 != 4 || header < sizeof(struct rte_ipv4_hdr) || total < header ||
	    p->l3_off + total > frame->wire_len)
		return GT_DROP_IP_HEADER;
	if (p->l3_off + header > frame->len)
		return GT_DROP_SHORT;
	if (gt_checksum_fold(gt_checksum_add(0, h, header)) != 0)
		return GT_DROP_IP_CHECKSUM;
	if (gt_addr_is_martian_v4(gt_copy_be32(h + 12)))
		return GT_DROP_MARTIAN;

	p->src = gt_addr_from_v4(gt_copy_be32(h + 12));
	p->dst = gt_addr_from_v4(gt_copy_be32(h + 16));
	p->protocol = h[9];
	p->l4_off = (uint16_t)(p->l3_off + header);
	p->l3_end = p->l3_off + total;
	frag = gt_read_be16(h + 6);
	if ((frag & (RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0) {
		enum gt_drop_reason bad = judge_fragment(
			p, header,
			(uint32_t)(frag & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS,
			(frag & RTE_IPV4_HDR_MF_FLAG) != 0, total - header);

		if (bad != GT_PARSE_OK)
			return bad;
		p->fragment_id = gt_read_be16(h + 4);
		if (p->fragment == GT_FRAGMENT_LATER)
			return GT_PARSE_OK;
	}
	return parse_l4(frame, p, total - header);
}

static bool is_extension(uint8_t next)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case 139: /* HIP, RFC 7401 */
	case 140: /* Shim6, RFC 5533 */
		return true;
	default:
		return false;
	}
}

static uint32_t extension_length(uint8_t type, const uint8_t *e)
{
	if (type == IPPROTO_FRAGMENT)
		return 8;
	if (type == IPPROTO_AH)
		return (uint32_t)(e[1] + 2) * 4;
	return (uint32_t)(e[1] + 1) * 8;
}

/*
 * The fragment header `e`, with `before` bytes of extension headers in front of it and `payload`
 * bytes of the datagram behind it. An atomic fragment (RFC 6946) is a whole datagram.
 */
static enum gt_drop_reason parse_fragment_header(const uint8_t *e, uint32_t before,
						 uint32_t payload, struct gt_packet *p)
{
	uint16_t word = gt_read_be16(e + 2);
	uint32_t offset = word & 0xfff8;
	bool more = word & 1;

	if (offset == 0 && !more)
		return GT_PARSE_OK;
	p->fragment_id = rte_be_to_cpu_32(gt_copy_be32(e + 4));
	p->protocol = e[0];
	return judge_fragment(p, before, offset, more, payload);
}

/*
 * Walks the chain of extension headers that begins with `next` at p->l4_off; sets protocol and
 * l4_off to what follows it, or of a later fragment to what follows the fragment header.
 */
static enum gt_drop_reason walk_extensions(const struct gt_frame *frame, struct gt_packet *p,
					   uint8_t next)
{
	uint32_t off = p->l4_off, begin = off, end = p->l3_end;
	bool seen_fragment = false;

	for (unsigned n = 0; is_extension(next) && p->fragment != GT_FRAGMENT_LATER; n++) {
		const uint8_t *e = frame->data + off;
		uint32_t length;

		if (n == EXTENSIONS_MAX || (next == IPPROTO_HOPOPTS && n > 0))
			return GT_DROP_IP_EXTENSION;
		/* RFC 7112: a first fragment has the whole chain. */
		if (off + 8 > end)
			return p->fragment ? GT_DROP_TINY_FRAGMENT : GT_DROP_IP_EXTENSION;
		if (off + 8 > frame->len)
			return GT_DROP_SHORT;
		length = extension_length(next, e);
		if (off + length > end)
			return p->fragment ? GT_DROP_TINY_FRAGMENT : GT_DROP_IP_EXTENSION;
		/* RFC 5095 forbids type 0; segments left: we would be a waypoint. */
		if (next == IPPROTO_ROUTING && e[3] != 0)
			return GT_DROP_IP_EXTENSION;
		if (next == IPPROTO_FRAGMENT) {
			enum gt_drop_reason bad;

			if (seen_fragment)
				return GT_DROP_IP_EXTENSION;
			seen_fragment = true;
			bad = parse_fragment_header(e, off - begin, end - off - 8, p);
			if (bad != GT_PARSE_OK)
				return bad;
		}
		next = e[0];
		off += length;
	}
	p->protocol = next;
	p->l4_off = (uint16_t)off;
	return GT_PARSE_OK;
}

static enum gt_drop_reason parse_ipv6(const struct gt_frame *frame, struct gt_packet *p)
{
	const uint8_t *h = frame->data + p->l3_off;
	static const uint8_t unspecified[16];
	enum gt_drop_reason bad;
	bool asks_address;

	if (frame->len < p->l3_off + sizeof(struct rte_ipv6_hdr))
		return GT_DROP_SHORT;
	p->l4_off = (uint16_t)(p->l3_off + sizeof(struct rte_ipv6_hdr));
	p->l3_end = p->l4_off + (uint32_t)gt_read_be16(h + 4);
	if (h[0] >> 4 != 6 || p->l3_end > frame->wire_len)
		return GT_DROP_IP_HEADER;
	/* :: may only ask whether an address is free, by a solicitation (RFC 4862 5.4.2). */
	asks_address = memcmp(h + 8, unspecified, 16) == 0 && h[6] == IPPROTO_ICMPV6;
	if (gt_addr_is_martian_v6(h + 8) && !asks_address)
		return GT_DROP_MARTIAN;
	memcpy(p->src.b, h + 8, 16);
	memcpy(p->dst.b, h + 24, 16);
	if (gt_addr_is_v4(&p->dst))
		return GT_DROP_NOT_OURS;
	bad = walk_extensions(frame, p, h[6]);
	if (bad == GT_PARSE_OK && p->fragment != GT_FRAGMENT_LATER)
		bad = parse_l4(frame, p, p->l3_end - p->l4_off);
	if (bad == GT_PARSE_OK && asks_address && p->icmp_type != 135)
		return GT_DROP_MARTIAN;
	return bad;
}

enum gt_drop_reason gt_parse_network(const struct gt_frame *frame, struct gt_packet *p)
{
	return p->kind == GT_PACKET_IPV4 ? parse_ipv4(frame, p) : parse_ipv6(frame, p);
}

/* Ports of TCP and UDP at `l4`, if the embedded bytes reach so far. */
static enum gt_drop_reason embedded_ports(const uint8_t *ip, uint32_t len, uint32_t l4,
					  struct gt_packet *p)
{
	/* RFC 792 promises 8 bytes of L4; the ports are in the first 4. */
	if (l4 + 8 > len)
		return GT_DROP_ICMP_BAD;
	p->l4_off = (uint16_t)l4;
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
		p->src_port = gt_copy_be16(ip + l4);
		p->dst_port = gt_copy_be16(ip + l4 + 2);
	}
	return GT_PARSE_OK;
}

static enum gt_drop_reason embedded_v4(const uint8_t *ip, uint32_t len, struct gt_packet *p)
{
	uint32_t header;

	if (len < sizeof(struct rte_ipv4_hdr) || ip[0] >> 4 != 4)
		return GT_DROP_ICMP_BAD;
	header = (uint32_t)(ip[0] & 0xf) * 4;
	/* A later fragment has no ports to go by. */
	if (header < sizeof(struct rte_ipv4_hdr) ||
	    (gt_read_be16(ip + 6) & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		return GT_DROP_ICMP_BAD;
	p->src = gt_addr_from_v4(gt_copy_be32(ip + 12));
	p->dst = gt_addr_from_v4(gt_copy_be32(ip + 16));
	p->protocol = ip[9];
	return embedded_ports(ip, len, header, p);
}

static enum gt_drop_reason embedded_v6(const uint8_t *ip, uint32_t len, struct gt_packet *p)
{
	uint32_t off = sizeof(struct rte_ipv6_hdr);
	uint8_t next;

	if (len < off || ip[0] >> 4 != 6)
		return GT_DROP_ICMP_BAD;
	memcpy(p->src.b, ip + 8, 16);
	memcpy(p->dst.b, ip + 24, 16);
	next = ip[6];
	for (unsigned n = 0; is_extension(next); n++) {
		const uint8_t *e = ip + off;

		if (n == EXTENSIONS_MAX || off + 8 > len)
			return GT_DROP_ICMP_BAD;
		if (next == IPPROTO_FRAGMENT && (gt_read_be16(e + 2) & 0xfff8) != 0)
			return GT_DROP_ICMP_BAD;
		off += extension_length(next, e);
		next = e[0];
	}
	p->protocol = next;
	return embedded_ports(ip, len, off, p);
}

enum gt_drop_reason gt_parse_embedded(const uint8_t *ip, uint32_t len, bool v6, struct gt_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->kind = v6 ? GT_PACKET_IPV6 : GT_PACKET_IPV4;
	return v6 ? embedded_v6(ip, len, p) : embedded_v4(ip, len, p);
}
