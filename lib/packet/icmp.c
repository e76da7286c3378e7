/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors told from queries, echo answered; see icmp.h. */
#include "packet/icmp.h"

#include <rte_ether.h>

#include "base/checksum.h"

/* Hosts' usual initial TTL and hop limit (RFC 1700, RFC 4861 6.3.2's example). */
#define ANSWER_TTL 64

bool gt_icmp_is_error(const struct gt_packet *p)
{
	if (p->kind == GT_PACKET_IPV6)
		return p->icmp_type >= 1 && p->icmp_type <= 4;
	/* unreachable, source quench, time exceeded, parameter problem */
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 11 || p->icmp_type == 12;
}

bool gt_icmp_is_echo_request(const struct gt_packet *p)
{
	return p->icmp_type == (p->kind == GT_PACKET_IPV6 ? 128 : 8) && p->icmp_code == 0;
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t t[16];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

/* The ICMP type lies in the upper byte of a 16-bit word whose lower byte, the code, is 0. */
static void set_type(uint8_t *icmp, uint8_t type)
{
	rte_be16_t from, to, check;

	memcpy(&from, icmp, 2);
	icmp[0] = type;
	memcpy(&to, icmp, 2);
	memcpy(&check, icmp + 2, 2);
	check = gt_checksum_update(check, from, to);
	/* An IPv4 reply may be zero from end to end (id, sequence and payload 0), and then a sum of
	 * 0000 is wrong where FFFF is right; for every other message both are (RFC 1624 3). */
	if (check == 0)
		check = 0xffff;
	memcpy(icmp + 2, &check, 2);
}

void gt_icmp_answer_echo(struct gt_frame *frame, const struct gt_packet *p,
			 const struct gt_mac *mac)
{
	uint8_t *d = frame->data, *ip = d + p->l3_off;

	memcpy(d, d + 6, 6);
	memcpy(d + 6, mac->b, 6);
	/* Swapping source and destination changes neither the IP nor the pseudo-header's sum. */
	if (p->kind == GT_PACKET_IPV4) {
		rte_be16_t from, to, check;

		swap(ip + 12, ip + 16, 4);
		memcpy(&from, ip + 8, 2); /* TTL and protocol */
		ip[8] = ANSWER_TTL;
		memcpy(&to, ip + 8, 2);
		memcpy(&check, ip + 10, 2);
		check = gt_checksum_update(check, from, to);
		memcpy(ip + 10, &check, 2);
	} else {
		swap(ip + 8, ip + 24, 16);
		ip[7] = ANSWER_TTL;
	}
	if (p->fragment != GT_FRAGMENT_LATER)
		set_type(d + p->l4_off, p->kind == GT_PACKET_IPV4 ? 0 : 129);
}
