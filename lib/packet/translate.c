/* SPDX-License-Identifier: BSD-3-Clause */
/* Translation of packets; see translate.h. */
#include "packet/translate.h"
#include "packet/translate_internal.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "base/bytes.h"
#include "base/checksum.h"

/* RFC 7915 5.1: an IPv4 packet above this size is sent with DF, a smaller one may be fragmented. */
#define IPV6_MIN_MTU_AS_IPV4 1260

static inline bool is_v4(const struct gt_addr *a)
{
	return gt_addr_is_v4(a);
}

/* The bytes of an address as its family's header has them. */
static inline const uint8_t *raw(const struct gt_addr *a)
{
	return is_v4(a) ? a->b + 12 : a->b;
}

static inline size_t raw_len(const struct gt_addr *a)
{
	return is_v4(a) ? 4 : 16;
}

uint32_t gt_translate_sum(uint32_t sum, const struct gt_addr *a, const struct gt_addr *b)
{
	return gt_checksum_add(gt_checksum_add(sum, raw(a), raw_len(a)), raw(b), raw_len(b));
}

void gt_translate_adjust(uint8_t *field, uint32_t went, uint32_t came)
{
	rte_be16_t check;
	uint32_t sum;

	memcpy(&check, field, 2);
	/* HC' = ~(~HC + ~m + m'), RFC 1624 equation 3. */
	sum = (uint16_t)~check + (uint32_t)gt_checksum_fold(went) + came;
	check = gt_checksum_fold(gt_checksum_add(0, &sum, sizeof(sum)));
	memcpy(field, &check, 2);
}

static inline bool has_ports(const struct gt_packet *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

static inline size_t check_offset(const struct gt_packet *p)
{
	return p->protocol == IPPROTO_TCP ? 16 : 6;
}

void gt_translate_l4(uint8_t *l4, uint32_t len, const struct gt_packet *p,
		     const struct gt_translation *t)
{
	uint8_t *check = l4 + check_offset(p);
	uint32_t went, came;

	if (p->fragment == GT_FRAGMENT_LATER || !has_ports(p))
		return;
	went = gt_checksum_add(gt_translate_sum(0, &p->src, &p->dst), l4, 4);
	memcpy(l4, &t->src_port, 2);
	memcpy(l4 + 2, &t->dst_port, 2);
	/* An embedded TCP header may end before its checksum. UDP over IPv4 may have none, and
	 * keeps it so (RFC 768). */
	if (check + 2 > l4 + len || (p->protocol == IPPROTO_UDP && check[0] == 0 && check[1] == 0))
		return;
	came = gt_checksum_add(gt_translate_sum(0, &t->src, &t->dst), l4, 4);
	gt_translate_adjust(check, went, came);
	if (p->protocol == IPPROTO_UDP && check[0] == 0 && check[1] == 0)
		check[0] = check[1] = 0xff;
}

/* ---- within a family ---- */

void gt_translate_ttl_v4(uint8_t *ip)
{
	rte_be16_t from, to, check;

	memcpy(&from, ip + 8, 2);
	ip[8]--;
	memcpy(&to, ip + 8, 2);
	memcpy(&check, ip + 10, 2);
	check = gt_checksum_update(check, from, to);
	memcpy(ip + 10, &check, 2);
}

void gt_translate_v4(uint8_t *ip, const struct gt_translation *t)
{
	uint32_t went = gt_checksum_add(0, ip + 12, 8);

	memcpy(ip + 12, raw(&t->src), 4);
	memcpy(ip + 16, raw(&t->dst), 4);
	gt_translate_adjust(ip + 10, went, gt_checksum_add(0, ip + 12, 8));
}

void gt_translate_v6(uint8_t *ip, const struct gt_translation *t)
{
	memcpy(ip + 8, t->src.b, 16);
	memcpy(ip + 24, t->dst.b, 16);
}

/* ---- between families (RFC 7915) ---- */

void gt_read_v4(const uint8_t *ip, const struct gt_packet *p, struct gt_ip_fields *f)
{
	uint16_t frag = gt_read_be16(ip + 6);

	*f = (struct gt_ip_fields){
		.traffic_class = ip[1],
		.ttl = ip[8],
		.protocol = ip[9],
		.payload = (uint16_t)(gt_read_be16(ip + 2) - (ip[0] & 0xf) * 4),
		.fragment = p->fragment != GT_FRAGMENT_NONE,
		.more = (frag & RTE_IPV4_HDR_MF_FLAG) != 0,
		.fragment_offset = frag & RTE_IPV4_HDR_OFFSET_MASK,
		.id = p->fragment_id,
	};
}

/* The parser has walked the chain: a fragment header, if any, lies 8 bytes before what follows it.
 */
void gt_read_v6(const uint8_t *ip, const struct gt_packet *p, struct gt_ip_fields *f)
{
	*f = (struct gt_ip_fields){
		.traffic_class = (uint8_t)(gt_read_be16(ip) >> 4),
		.ttl = ip[7],
		.protocol = p->protocol,
		.payload = (uint16_t)(gt_read_be16(ip + 4) - (p->l4_off - p->l3_off - 40)),
		.fragment = p->fragment != GT_FRAGMENT_NONE,
		.more = p->fragment_more,
		.fragment_offset = p->fragment_offset,
		.id = p->fragment_id,
	};
}

void gt_write_v6(uint8_t *ip, const struct gt_ip_fields *f, const struct gt_translation *t)
{
	memset(ip, 0, 40);
	gt_write_be16(ip, 0x6000 | (uint32_t)f->traffic_class << 4);
	gt_write_be16(ip + 4, f->payload + (f->fragment ? 8 : 0));
	ip[6] = f->fragment ? IPPROTO_FRAGMENT : f->protocol;
	ip[7] = f->ttl;
	memcpy(ip + 8, t->src.b, 16);
	memcpy(ip + 24, t->dst.b, 16);
	if (f->fragment) {
		ip[40] = f->protocol;
		ip[41] = 0;
		gt_write_be16(ip + 42, (uint32_t)f->fragment_offset << 3 | f->more);
		gt_write_be16(ip + 44, f->id >> 16);
		gt_write_be16(ip + 46, f->id);
	}
}

void gt_write_v4(uint8_t *ip, const struct gt_ip_fields *f, const struct gt_translation *t)
{
	uint32_t total = 20 + f->payload;
	bool df = !f->fragment && total > IPV6_MIN_MTU_AS_IPV4;
	rte_be16_t check;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = f->traffic_class;
	gt_write_be16(ip + 2, total);
	gt_write_be16(ip + 4, f->fragment ? f->id : t->ipv4_id);
	gt_write_be16(ip + 6, (df ? RTE_IPV4_HDR_DF_FLAG : 0U) |
				      (f->more ? RTE_IPV4_HDR_MF_FLAG : 0U) | f->fragment_offset);
	ip[8] = f->ttl;
	ip[9] = f->protocol;
	memcpy(ip + 12, raw(&t->src), 4);
	memcpy(ip + 16, raw(&t->dst), 4);
	check = gt_checksum_fold(gt_checksum_add(0, ip, 20));
	memcpy(ip + 10, &check, 2);
}

/* A UDP checksum that IPv4 did without and IPv6 must have (RFC 7915 4.5), over new header `ip`. It
 * ends where UDP's own length says, whatever the packet has behind it (RFC 8200 8.1, RFC 9868). */
static void make_udp_checksum(const uint8_t *ip, uint8_t *udp)
{
	uint32_t len = gt_read_be16(udp + 4);
	uint8_t pseudo[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, IPPROTO_UDP};
	rte_be16_t check = gt_checksum_fold(gt_checksum_add(
		gt_checksum_add(gt_checksum_add(0, ip + 8, 32), pseudo, 8), udp, len));

	if (check == 0)
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* Does L4 of a first fragment follow the fragment header without another header between? The parser
 * has checked the chain. */
static bool is_behind_fragment_header(const struct gt_frame *frame, const struct gt_packet *p)
{
	const uint8_t *ip = frame->data + p->l3_off;
	uint32_t at = 40, end = p->l4_off - (uint32_t)p->l3_off;
	uint8_t next = ip[6];

	while (next != IPPROTO_FRAGMENT && at < end) {
		uint32_t length =
			next == IPPROTO_AH ? (ip[at + 1] + 2U) * 4 : (ip[at + 1] + 1U) * 8;

		next = ip[at];
		at += length;
	}
	return at + 8 == end;
}

/* UDP over IPv6 has a checksum (RFC 8200 8.1): a datagram without one is nothing to pass on. */
static bool lacks_checksum(const struct gt_frame *frame, const struct gt_packet *p)
{
	const uint8_t *l4 = frame->data + p->l4_off;

	return p->protocol == IPPROTO_UDP && p->fragment != GT_FRAGMENT_LATER && l4[6] == 0 &&
	       l4[7] == 0;
}

/* May an IPv4 packet become IPv6? */
static enum gt_drop_reason judge_v4_to_v6(const struct gt_frame *frame, const struct gt_packet *p)
{
	uint32_t end = p->l4_off;

	/* RFC 7915 4.1: other options are left out, a source route that goes on is refused. */
	for (uint32_t i = p->l3_off + 20U; i < end;) {
		const uint8_t *o = frame->data + i;

		if (o[0] == 0)
			break;
		if (o[0] == 1) {
			i++;
			continue;
		}
		if (i + 2 > end || o[1] < 2)
			break;
		if ((o[0] == 131 || o[0] == 137) && i + 3 <= end && o[2] < o[1])
			return GT_DROP_IP_HEADER;
		i += o[1];
	}
	if (!lacks_checksum(frame, p))
		return GT_PARSE_OK;
	/* All of the datagram is needed to sum it up. */
	return p->fragment == GT_FRAGMENT_NONE && p->l3_end <= frame->len ? GT_PARSE_OK
									  : GT_DROP_UDP_HEADER;
}

/*
 * Puts a header of `size` bytes where the old one and its extension headers were: the link layer's
 * bytes move to meet it. Returns the header's place.
 */
static uint8_t *replace_header(struct gt_frame *frame, const struct gt_packet *p, uint32_t size,
			       uint16_t ethertype)
{
	uint8_t *to = frame->data + p->l4_off - size - p->l3_off;
	int32_t grown = (int32_t)size - (p->l4_off - p->l3_off);

	memmove(to, frame->data, p->l3_off);
	frame->data = to;
	frame->len = (uint32_t)((int32_t)frame->len + grown);
	frame->wire_len = (uint32_t)((int32_t)frame->wire_len + grown);
	gt_write_be16(to + p->l3_off - 2, ethertype);
	return to + p->l3_off;
}

/*
 * May an IPv6 packet become IPv4? Extension headers are left out; but in a fragment those behind
 * the fragment header count towards the offsets, and without them the pieces would not fit (RFC
 * 7915 5.1.1 has such packets dropped).
 */
static enum gt_drop_reason judge_v6_to_v4(const struct gt_frame *frame, const struct gt_packet *p)
{
	if (p->fragment == GT_FRAGMENT_NONE)
		return GT_PARSE_OK;
	if (!has_ports(p))
		return GT_DROP_IP_EXTENSION;
	/* The fragment header stands right in front of what it announces. */
	return p->fragment == GT_FRAGMENT_LATER || is_behind_fragment_header(frame, p)
		       ? GT_PARSE_OK
		       : GT_DROP_IP_EXTENSION;
}

static enum gt_drop_reason cross(struct gt_frame *frame, const struct gt_packet *p,
				 const struct gt_translation *t)
{
	uint8_t *ip = frame->data + p->l3_off, *l4 = frame->data + p->l4_off;
	bool to_v6 = p->kind == GT_PACKET_IPV4, no_checksum = to_v6 && lacks_checksum(frame, p);
	enum gt_drop_reason bad = to_v6 ? judge_v4_to_v6(frame, p) : judge_v6_to_v4(frame, p);
	struct gt_ip_fields f;

	if (bad != GT_PARSE_OK)
		return bad;
	if (to_v6)
		gt_read_v4(ip, p, &f);
	else
		gt_read_v6(ip, p, &f);
	f.ttl--;
	gt_translate_l4(l4, frame->len - p->l4_off, p, t);
	if (to_v6) {
		ip = replace_header(frame, p, f.fragment ? 48 : 40, RTE_ETHER_TYPE_IPV6);
		gt_write_v6(ip, &f, t);
		if (no_checksum)
			make_udp_checksum(ip, l4);
	} else {
		ip = replace_header(frame, p, 20, RTE_ETHER_TYPE_IPV4);
		gt_write_v4(ip, &f, t);
	}
	return GT_PARSE_OK;
}

enum gt_drop_reason gt_translate(struct gt_frame *frame, const struct gt_packet *p,
				 const struct gt_translation *t)
{
	uint8_t *ip = frame->data + p->l3_off;

	if (ip[p->kind == GT_PACKET_IPV4 ? 8 : 7] <= 1)
		return GT_DROP_TTL;
	if (p->kind == GT_PACKET_IPV6 && lacks_checksum(frame, p))
		return GT_DROP_UDP_HEADER;
	if (is_v4(&t->dst) != (p->kind == GT_PACKET_IPV4))
		return cross(frame, p, t);
	gt_translate_l4(frame->data + p->l4_off, frame->len - p->l4_off, p, t);
	if (p->kind == GT_PACKET_IPV4) {
		gt_translate_ttl_v4(ip);
		gt_translate_v4(ip, t);
	} else {
		ip[7]--;
		gt_translate_v6(ip, t);
	}
	return GT_PARSE_OK;
}
