/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames taken apart; see support_view.h. */
#include "support_view.h"

#include <netinet/in.h>
#include <string.h>

#include "support.h"

uint16_t support_get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static uint32_t get32(const uint8_t *b)
{
	return (uint32_t)support_get16(b) << 16 | support_get16(b + 2);
}

static bool view_v4(struct support_view *v)
{
	const uint8_t *ip = v->d + v->l3;
	uint32_t frag;

	if (v->l3 + 20 > v->len || (ip[0] & 15) < 5)
		return false;
	frag = support_get16(ip + 6);
	v->l4 = v->l3 + (ip[0] & 15U) * 4;
	v->end = v->l3 + support_get16(ip + 2);
	v->traffic_class = ip[1];
	v->id = support_get16(ip + 4);
	v->offset = (frag & 0x1fff) * 8;
	v->more = (frag & 0x2000) != 0;
	v->fragment = v->offset != 0 || v->more;
	v->ttl = ip[8];
	v->protocol = ip[9];
	memset(v->src.b, 0, 10);
	memset(v->src.b + 10, 0xff, 2);
	v->dst = v->src;
	memcpy(v->src.b + 12, ip + 12, 4);
	memcpy(v->dst.b + 12, ip + 16, 4);
	return v->l4 <= v->len;
}

static bool view_v6(struct support_view *v)
{
	const uint8_t *ip = v->d + v->l3;
	uint8_t next;

	if (v->l3 + 40 > v->len)
		return false;
	v->l4 = v->l3 + 40;
	v->end = v->l4 + support_get16(ip + 4);
	v->traffic_class = (uint8_t)(support_get16(ip) >> 4);
	v->ttl = ip[7];
	memcpy(v->src.b, ip + 8, 16);
	memcpy(v->dst.b, ip + 24, 16);
	for (next = ip[6]; next == 0 || next == 43 || next == 44 || next == 51 || next == 60 ||
			   next == 135 || next == 139 || next == 140;) {
		const uint8_t *e = v->d + v->l4;

		if (v->l4 + 8 > v->len)
			return false;
		if (next == 44) {
			v->offset = support_get16(e + 2) & 0xfff8;
			v->more = e[3] & 1;
			v->fragment = v->offset != 0 || v->more;
			v->id = v->fragment ? get32(e + 4) : 0;
		}
		v->l4 += next == 44 ? 8 : next == 51 ? (e[1] + 2U) * 4 : (e[1] + 1U) * 8;
		next = e[0];
		/* Behind a later fragment's header there is no header any more. */
		if (v->offset != 0)
			break;
	}
	v->protocol = next;
	return v->l4 <= v->len;
}

static bool view(struct support_view *v)
{
	if (v->l3 >= v->len)
		return false;
	v->v4 = v->d[v->l3] >> 4 == 4;
	if (!v->v4 && v->d[v->l3] >> 4 != 6)
		return false;
	if (!(v->v4 ? view_v4(v) : view_v6(v)))
		return false;
	v->has_ports = (v->protocol == IPPROTO_TCP || v->protocol == IPPROTO_UDP) &&
		       v->offset == 0 && v->l4 + 4 <= v->len;
	if (v->has_ports) {
		v->sport = support_get16(v->d + v->l4);
		v->dport = support_get16(v->d + v->l4 + 2);
	}
	return true;
}

bool support_view(const uint8_t *frame, uint32_t len, struct support_view *v)
{
	uint16_t type;

	*v = (struct support_view){.d = frame, .len = len, .l3 = 14};
	if (len < 18)
		return false;
	type = support_get16(frame + 12);
	if (type == 0x8100) {
		v->tagged = true;
		v->vid = support_get16(frame + 14) & 0xfff;
		v->l3 = 18;
		type = support_get16(frame + 16);
	}
	return view(v) && type == (v->v4 ? 0x0800 : 0x86dd);
}

bool support_view_ip(const uint8_t *ip, uint32_t len, struct support_view *v)
{
	*v = (struct support_view){.d = ip, .len = len};
	return view(v);
}

bool support_view_is_error(const struct support_view *v)
{
	uint8_t type = v->l4 + 8 <= v->len ? v->d[v->l4] : 0;

	if (v->fragment || v->l4 + 8 > v->len)
		return false;
	if (v->v4)
		return v->protocol == IPPROTO_ICMP &&
		       (type == 3 || type == 4 || type == 11 || type == 12);
	return v->protocol == IPPROTO_ICMPV6 && type >= 1 && type <= 127;
}

bool support_view_embedded(const struct support_view *v, struct support_view *embedded)
{
	uint32_t from = v->l4 + 8, here = support_view_here(v);

	return from < here && support_view_ip(v->d + from, here - from, embedded);
}

/* ---- checksums ---- */

bool support_view_header_good(const struct support_view *v)
{
	/* Every IPv4 header is a multiple of 4 bytes. */
	return !v->v4 || support_sum(0, v->d + v->l3, (v->d[v->l3] & 15U) * 4) == 0xffff;
}

uint32_t support_view_check_at(const struct support_view *v)
{
	switch (v->protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

static uint16_t sum_addresses(const struct support_view *v)
{
	uint32_t skip = v->v4 ? 12 : 0;
	uint16_t sum = support_sum(0, v->src.b + skip, 16 - skip);

	return support_sum(sum, v->dst.b + skip, 16 - skip);
}

/* The two zeros of one's complement are one. */
static uint16_t fold(uint16_t sum)
{
	return sum == 0xffff ? 0 : sum;
}

uint16_t support_view_sum(const struct support_view *v)
{
	const uint8_t *l4 = v->d + v->l4;
	uint32_t len = v->end - v->l4;
	uint16_t sum = 0;

	if (v->protocol == IPPROTO_UDP)
		len = support_get16(l4 + 4);
	if (v->protocol != IPPROTO_ICMP) {
		uint8_t tail[4] = {0, v->protocol, (uint8_t)(len >> 8), (uint8_t)len};

		sum = support_sum(sum_addresses(v), tail, 4);
	}
	return fold(support_sum(sum, l4, len));
}

uint16_t support_view_sum_changed(const struct support_view *v)
{
	const uint8_t *l4 = v->d + v->l4;
	uint16_t sum = support_sum(sum_addresses(v), l4, 4);

	return fold(support_sum(sum, l4 + support_view_check_at(v), 2));
}
