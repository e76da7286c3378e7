/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors and resets made out of the packet that causes them, in its own frame; see icmp.h. */
#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "packet/icmp.h"

#define ERROR_TTL 64

/* An error embeds as much as fits: 576 bytes in all (RFC 1812 4.3.2.3), or 1280 (RFC 4443 2.4(c)).
 */
#define ERROR_MAX_V4 576
#define ERROR_MAX_V6 1280

/* The header of an answer to `p`, back to its sender. */
static void write_v4(uint8_t *ip, const struct gt_packet *p, uint8_t protocol, uint32_t total)
{
	rte_be16_t check;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	gt_write_be16(ip + 2, total);
	ip[8] = ERROR_TTL;
	ip[9] = protocol;
	memcpy(ip + 12, p->dst.b + 12, 4);
	memcpy(ip + 16, p->src.b + 12, 4);
	check = gt_checksum_fold(gt_checksum_add(0, ip, 20));
	memcpy(ip + 10, &check, 2);
}

static void write_v6(uint8_t *ip, const struct gt_packet *p, uint8_t protocol, uint32_t payload)
{
	memset(ip, 0, 40);
	ip[0] = 0x60;
	gt_write_be16(ip + 4, payload);
	ip[6] = protocol;
	ip[7] = ERROR_TTL;
	memcpy(ip + 8, p->dst.b, 16);
	memcpy(ip + 24, p->src.b, 16);
}

void gt_icmp_too_big(struct gt_frame *frame, const struct gt_packet *p, uint16_t mtu,
		     const struct gt_mac *mac)
{
	bool v4 = p->kind == GT_PACKET_IPV4;
	uint32_t header = v4 ? 20 : 40, most = (v4 ? ERROR_MAX_V4 : ERROR_MAX_V6) - header - 8;
	uint32_t end = p->l3_end < frame->len ? p->l3_end : frame->len, sum = 0;
	uint32_t embedded = end - p->l3_off < most ? end - p->l3_off : most;
	uint8_t *d = frame->data - header - 8, *ip = d + p->l3_off, *icmp = ip + header;
	rte_be16_t check;

	/* The packet stays where it is; the headers go in front, and the link layer in front of
	 * them. */
	memmove(d, frame->data, p->l3_off);
	memcpy(d, d + 6, 6);
	memcpy(d + 6, mac->b, 6);
	memset(icmp, 0, 8);
	icmp[0] = v4 ? 3 : 2;
	icmp[1] = v4 ? 4 : 0;
	gt_write_be16(icmp + 6, mtu);
	if (v4) {
		write_v4(ip, p, IPPROTO_ICMP, header + 8 + embedded);
	} else {
		uint32_t len = 8 + embedded;
		uint8_t pseudo[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0,
				     0, 0, IPPROTO_ICMPV6};

		write_v6(ip, p, IPPROTO_ICMPV6, len);
		sum = gt_checksum_add(gt_checksum_add(0, ip + 8, 32), pseudo, sizeof(pseudo));
	}
	check = gt_checksum_fold(gt_checksum_add(sum, icmp, 8 + embedded));
	memcpy(icmp + 2, &check, 2);
	frame->data = d;
	frame->len = frame->wire_len = p->l3_off + header + 8 + embedded;
}

/* ---- TCP resets ---- */

void gt_tcp_reset(struct gt_frame *frame, const struct gt_packet *p, const struct gt_mac *mac)
{
	bool v4 = p->kind == GT_PACKET_IPV4;
	uint8_t *d = frame->data, *old = d + p->l4_off, *ip = d + p->l3_off, tcp[20] = {0};
	const uint8_t pseudo[4] = {0, IPPROTO_TCP, 0, sizeof(tcp)};
	uint32_t header = v4 ? 20 : 40, sum;
	rte_be16_t check;

	/* RFC 9293 3.10.7.1: the reset's sequence number is what the sender acknowledged last,
	 * which is just what it expects (RFC 5961 3.2). */
	memcpy(tcp, old + 2, 2);
	memcpy(tcp + 2, old, 2);
	memcpy(tcp + 4, old + 8, 4);
	tcp[12] = 0x50;
	tcp[13] = GT_TCP_RST;
	memcpy(d, d + 6, 6);
	memcpy(d + 6, mac->b, 6);
	if (v4)
		write_v4(ip, p, IPPROTO_TCP, header + (uint32_t)sizeof(tcp));
	else
		write_v6(ip, p, IPPROTO_TCP, sizeof(tcp));
	sum = gt_checksum_add(0, ip + (v4 ? 12 : 8), v4 ? 8 : 32);
	sum = gt_checksum_add(gt_checksum_add(sum, pseudo, sizeof(pseudo)), tcp, sizeof(tcp));
	check = gt_checksum_fold(sum);
	memcpy(tcp + 16, &check, 2);
	memcpy(ip + header, tcp, sizeof(tcp));
	frame->len = frame->wire_len = p->l3_off + header + (uint32_t)sizeof(tcp);
}
