/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation of ICMP errors; see translate.h. The embedded packet is one that the other side was
 * sent, and must look there as it did when it was sent. Within a family that is done in place;
 * between families both headers change their size, and the error is put together anew.
 */
#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "packet/icmp.h"
#include "packet/translate.h"
#include "packet/translate_internal.h"

/* Longest error that is translated between families: RFC 4443 2.4(c) sends no longer ones. */
#define ERROR_MAX 1280

struct error {
	uint8_t type, code;
	uint32_t rest; /* bytes 4 to 7: unused, a pointer or an MTU */
};

/* ---- types and codes between families ---- */

static bool unreachable_to_v6(uint8_t code, struct error *e)
{
	switch (code) {
	case 2: /* protocol unreachable: the next-header field is what is wrong */
		*e = (struct error){4, 1, 6};
		return true;
	case 3:
		*e = (struct error){1, 4, 0};
		return true;
	case 4:
		/* The MTU grows by the difference of the headers; none given: IPv6's least. */
		e->rest &= 0xffff;
		*e = (struct error){2, 0, e->rest + 20 < 1280 ? 1280 : e->rest + 20};
		return true;
	case 9:
	case 10:
	case 13:
	case 15:
		*e = (struct error){1, 1, 0};
		return true;
	case 0:
	case 1:
	case 5:
	case 6:
	case 7:
	case 8:
	case 11:
	case 12:
		*e = (struct error){1, 0, 0};
		return true;
	default:
		return false;
	}
}

/* RFC 7915 figure 3: where a field of the IPv4 header is in IPv6's; 255: nowhere. */
static uint8_t pointer_to_v6(uint8_t pointer)
{
	static const uint8_t map[20] = {0,   1,	  4, 4, 255, 255, 255, 255, 7,	6,
					255, 255, 8, 8, 8,   8,	  24,  24,  24, 24};

	return pointer < sizeof(map) ? map[pointer] : 255;
}

/* RFC 7915 figure 6. */
static uint8_t pointer_to_v4(uint32_t pointer)
{
	static const uint8_t map[8] = {0, 1, 255, 255, 2, 2, 9, 8};

	if (pointer < 8)
		return map[pointer];
	return pointer < 24 ? 12 : pointer < 40 ? 16 : 255;
}

static bool error_to_v6(struct error *e)
{
	uint8_t pointer;

	switch (e->type) {
	case 3:
		return unreachable_to_v6(e->code, e);
	case 11:
		*e = (struct error){3, e->code, 0};
		return true;
	case 12:
		pointer = pointer_to_v6((uint8_t)(e->rest >> 24));
		if ((e->code != 0 && e->code != 2) || pointer == 255)
			return false;
		*e = (struct error){4, 0, pointer};
		return true;
	default:
		return false;
	}
}

static bool error_to_v4(struct error *e)
{
	static const uint8_t unreachable[5] = {1, 10, 1, 1, 3};
	uint8_t pointer;

	switch (e->type) {
	case 1:
		if (e->code > 4)
			return false;
		*e = (struct error){3, unreachable[e->code], 0};
		return true;
	case 2:
		/* IPv4's least is 68 (RFC 791); the field has 16 bits. */
		e->rest = e->rest < 68 + 20 ? 68 : e->rest - 20;
		*e = (struct error){3, 4, e->rest > 65535 ? 65535 : e->rest};
		return true;
	case 3:
		*e = (struct error){11, e->code, 0};
		return true;
	case 4:
		if (e->code == 1) {
			*e = (struct error){3, 2, 0};
			return true;
		}
		pointer = pointer_to_v4(e->rest);
		if (e->code != 0 || pointer == 255)
			return false;
		*e = (struct error){12, 0, (uint32_t)pointer << 24};
		return true;
	default:
		return false;
	}
}

/* ---- within a family ---- */

static enum gt_drop_reason translate_in_place(struct gt_frame *frame, const struct gt_packet *p,
					      const struct gt_packet *embedded,
					      const struct gt_translation *outer,
					      const struct gt_translation *inner)
{
	uint8_t *icmp = frame->data + p->l4_off, *ip = icmp + 8;
	uint32_t end = p->l3_end < frame->len ? p->l3_end : frame->len;
	uint32_t len = end - p->l4_off, went, came;
	bool v4 = p->kind == GT_PACKET_IPV4;

	/* The sum over all that may change; what does not takes itself out. */
	went = gt_checksum_add(0, icmp, len & ~1U);
	gt_translate_l4(ip + embedded->l4_off, len - 8 - embedded->l4_off, embedded, inner);
	if (v4)
		gt_translate_v4(ip, inner);
	else
		gt_translate_v6(ip, inner);
	came = gt_checksum_add(0, icmp, len & ~1U);
	if (!v4) {
		went = gt_translate_sum(went, &p->src, &p->dst);
		came = gt_translate_sum(came, &outer->src, &outer->dst);
	}
	gt_translate_adjust(icmp + 2, went, came);
	ip = frame->data + p->l3_off;
	if (v4) {
		gt_translate_ttl_v4(ip);
		gt_translate_v4(ip, outer);
	} else {
		ip[7]--;
		gt_translate_v6(ip, outer);
	}
	return GT_PARSE_OK;
}

/* ---- between families ---- */

/* Sums an ICMP message up; with ICMPv6 over its pseudo-header too. 0 if its checksum is right. */
static rte_be16_t icmp_checksum(const uint8_t *icmp, uint32_t len, bool v6,
				const struct gt_addr *src, const struct gt_addr *dst)
{
	uint32_t sum = 0;

	if (v6) {
		uint8_t pseudo[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0,
				     0, 0, IPPROTO_ICMPV6};

		sum = gt_translate_sum(gt_checksum_add(0, pseudo, sizeof(pseudo)), src, dst);
	}
	return gt_checksum_fold(gt_checksum_add(sum, icmp, len));
}

/* Writes the ICMP message with its embedded packet, whose fields are known. Returns its length. */
static uint32_t write_message(uint8_t *icmp, const struct error *e, struct gt_ip_fields *fields,
			      const struct gt_packet *embedded, const struct gt_translation *inner,
			      const uint8_t *l4, uint32_t l4_len, bool to_v6)
{
	uint32_t header = to_v6 ? (fields->fragment ? 48 : 40) : 20;

	icmp[0] = e->type;
	icmp[1] = e->code;
	icmp[2] = icmp[3] = 0;
	gt_write_be32(icmp + 4, e->rest);
	if (to_v6)
		gt_write_v6(icmp + 8, fields, inner);
	else
		gt_write_v4(icmp + 8, fields, inner);
	if (l4_len > ERROR_MAX - 100U)
		l4_len = ERROR_MAX - 100U;
	memcpy(icmp + 8 + header, l4, l4_len);
	gt_translate_l4(icmp + 8 + header, l4_len, embedded, inner);
	return 8 + header + l4_len;
}

/*
 * Where an error's embedded packet ends: before the extensions of RFC 4884, if there are any. They
 * speak of labels and interfaces in a form that only their own family's length field tells; as RFC
 * 4884 5.2 has it, an error without them stays an error.
 */
static uint32_t without_extensions(const uint8_t *icmp, uint32_t len, bool v4,
				   const struct gt_packet *embedded)
{
	uint32_t ends = v4 ? (icmp[0] == 3 || icmp[0] == 11 || icmp[0] == 12 ? icmp[5] * 4U : 0)
			   : (icmp[0] == 1 || icmp[0] == 3 ? icmp[4] * 8U : 0);

	return ends >= embedded->l4_off + 8U && 8 + ends < len ? 8 + ends : len;
}

static enum gt_drop_reason translate_across(struct gt_frame *frame, const struct gt_packet *p,
					    const struct gt_packet *embedded,
					    const struct gt_translation *outer,
					    const struct gt_translation *inner)
{
	bool to_v6 = p->kind == GT_PACKET_IPV4;
	const uint8_t *icmp = frame->data + p->l4_off, *ip = icmp + 8;
	uint32_t len = p->l3_end - p->l4_off, header = to_v6 ? 40 : 20, size, total;
	struct error e = {icmp[0], icmp[1], gt_read_be32(icmp + 4)};
	struct gt_ip_fields fields, outer_fields;
	uint8_t out[40 + ERROR_MAX];
	rte_be16_t check;

	if (p->l3_end > frame->len || icmp_checksum(icmp, len, !to_v6, &p->src, &p->dst) != 0)
		return GT_DROP_ICMP_BAD;
	if (!(to_v6 ? error_to_v6(&e) : error_to_v4(&e)))
		return GT_DROP_ICMP_OTHER;
	len = without_extensions(icmp, len, to_v6, embedded);
	if (to_v6) {
		gt_read_v4(ip, embedded, &fields);
		gt_read_v4(frame->data + p->l3_off, p, &outer_fields);
	} else {
		gt_read_v6(ip, embedded, &fields);
		gt_read_v6(frame->data + p->l3_off, p, &outer_fields);
	}
	size = write_message(out + header, &e, &fields, embedded, inner, ip + embedded->l4_off,
			     len - 8 - embedded->l4_off, to_v6);
	outer_fields.ttl--;
	outer_fields.payload = size;
	outer_fields.protocol = to_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	if (to_v6)
		gt_write_v6(out, &outer_fields, outer);
	else
		gt_write_v4(out, &outer_fields, outer);
	check = icmp_checksum(out + header, size, to_v6, &outer->src, &outer->dst);
	memcpy(out + header + 2, &check, 2);

	/* It ends where the old one ended; if it is longer, it begins in the headroom. */
	total = p->l3_off + header + size;
	memmove(frame->data + p->l3_end - total, frame->data, p->l3_off);
	frame->data += (int32_t)(p->l3_end - total);
	memcpy(frame->data + p->l3_off, out, header + size);
	frame->data[p->l3_off - 2] = to_v6 ? 0x86 : 0x08;
	frame->data[p->l3_off - 1] = to_v6 ? 0xdd : 0x00;
	frame->len = frame->wire_len = total;
	return GT_PARSE_OK;
}

enum gt_drop_reason gt_translate_error(struct gt_frame *frame, const struct gt_packet *p,
				       const struct gt_packet *embedded,
				       const struct gt_translation *outer,
				       const struct gt_translation *inner)
{
	const uint8_t *ip = frame->data + p->l3_off;

	if (ip[p->kind == GT_PACKET_IPV4 ? 8 : 7] <= 1)
		return GT_DROP_TTL;
	if (gt_addr_is_v4(&outer->dst) != (p->kind == GT_PACKET_IPV4))
		return translate_across(frame, p, embedded, outer, inner);
	return translate_in_place(frame, p, embedded, outer, inner);
}
