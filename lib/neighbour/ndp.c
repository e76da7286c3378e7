/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 neighbour discovery: solicitations and advertisements of RFC 4861, on Ethernet (RFC 2464).
 * Extension headers are not accepted: no stack sends any here, and RFC 6980 forbids the fragment
 * header, the only one that was ever seen, in attacks.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "base/checksum.h"
#include "neighbour/table.h"

#define IPV6_LEN    40
#define MESSAGE_LEN 24 /* ICMPv6 header, flags and target */
#define OPTION_LEN  8  /* a link-layer address */
#define ICMPV6	    58

#define SOLICITATION  135
#define ADVERTISEMENT 136

#define OPTION_SOURCE 1
#define OPTION_TARGET 2

#define FLAG_SOLICITED 0x40
#define FLAG_OVERRIDE  0x20

/* What a message says. */
struct message {
	struct gt_addr src, dst, target;
	struct gt_mac mac; /* of the option that belongs to the type, if has_mac */
	bool has_mac;
	bool advertisement;
	bool unspecified; /* the source is ::, it looks for duplicates (RFC 4862) */
	uint8_t flags;
};

static const struct gt_addr all_nodes = {{0xff, 0x02, [15] = 1}};

/* RFC 2464 7. */
static struct gt_mac multicast_mac(const struct gt_addr *group)
{
	struct gt_mac m = {{0x33, 0x33}};

	memcpy(&m.b[2], &group->b[12], 4);
	return m;
}

/* RFC 4291 2.7.1. */
static struct gt_addr solicited_node(const struct gt_addr *target)
{
	struct gt_addr a = {{0xff, 0x02, [11] = 1, [12] = 0xff}};

	memcpy(&a.b[13], &target->b[13], 3);
	return a;
}

static bool is_solicited_node(const struct gt_addr *a)
{
	struct gt_addr group = solicited_node(a);

	return gt_addr_equal(&group, a);
}

/* Of the header at `ip` and `len` bytes of ICMPv6 behind it: 0 where the field is right. */
static rte_be16_t icmp_checksum(const uint8_t *ip, uint16_t len)
{
	rte_be32_t pseudo[2] = {rte_cpu_to_be_32(len), RTE_BE32(ICMPV6)};
	uint32_t sum = gt_checksum_add(0, ip + 8, 32);

	sum = gt_checksum_add(sum, pseudo, sizeof(pseudo));
	return gt_checksum_fold(gt_checksum_add(sum, ip + IPV6_LEN, len));
}

/* The options behind the message: false if malformed. */
static bool read_options(const uint8_t *p, uint32_t left, struct message *m)
{
	uint8_t wanted = m->advertisement ? OPTION_TARGET : OPTION_SOURCE;

	while (left > 0) {
		if (left < 2 || p[1] == 0 || p[1] * 8U > left)
			return false;
		if (p[0] == wanted && !m->has_mac) {
			/* An Ethernet address fills one unit of 8 bytes (RFC 2464 6). */
			if (p[1] * 8U != OPTION_LEN)
				return false;
			memcpy(m->mac.b, p + 2, 6);
			if (!gt_mac_is_unicast(&m->mac))
				return false;
			m->has_mac = true;
		}
		left -= p[1] * 8U;
		p += p[1] * 8U;
	}
	return true;
}

/* The rules of RFC 4861 7.1.1 and 7.1.2 that need no more than the message. */
static bool valid(const struct message *m)
{
	/* Also where RFC 4861 only forbids multicast: an IPv4-mapped target would meet a VIP. */
	if (gt_addr_is_martian_v6(m->target.b))
		return false;
	if (m->advertisement)
		return !gt_addr_is_martian_v6(m->src.b) &&
		       !(m->dst.b[0] == 0xff && (m->flags & FLAG_SOLICITED));
	if (m->unspecified)
		return is_solicited_node(&m->dst) && !m->has_mac;
	return !gt_addr_is_martian_v6(m->src.b);
}

/* Reads the IPv6 packet of `len` bytes, padding included: false if it is none of this room's. */
static bool read_message(const uint8_t *ip, uint32_t len, struct message *m)
{
	static const struct gt_addr unspecified;
	const uint8_t *icmp = ip + IPV6_LEN;

	if (len < IPV6_LEN + MESSAGE_LEN)
		return false;

	uint16_t payload = (uint16_t)(ip[4] << 8 | ip[5]);

	if (ip[0] >> 4 != 6 || ip[6] != ICMPV6 || ip[7] != 255)
		return false;
	if (payload < MESSAGE_LEN || payload > len - IPV6_LEN)
		return false;
	if ((icmp[0] != SOLICITATION && icmp[0] != ADVERTISEMENT) || icmp[1] != 0)
		return false;
	if (icmp_checksum(ip, payload) != 0)
		return false;

	*m = (struct message){.advertisement = icmp[0] == ADVERTISEMENT, .flags = icmp[4]};
	memcpy(m->src.b, ip + 8, 16);
	memcpy(m->dst.b, ip + 24, 16);
	memcpy(m->target.b, icmp + 8, 16);
	m->unspecified = gt_addr_equal(&m->src, &unspecified);
	return read_options(icmp + MESSAGE_LEN, payload - MESSAGE_LEN, m) && valid(m);
}

/* Writes header, message and the option with our MAC; returns their length. */
static size_t write_message(uint8_t *ip, const struct message *m)
{
	uint8_t *icmp = ip + IPV6_LEN;
	uint8_t *option = icmp + MESSAGE_LEN;

	memset(ip, 0, IPV6_LEN + MESSAGE_LEN);
	ip[0] = 6 << 4;
	ip[5] = MESSAGE_LEN + OPTION_LEN;
	ip[6] = ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, m->src.b, 16);
	memcpy(ip + 24, m->dst.b, 16);
	icmp[0] = m->advertisement ? ADVERTISEMENT : SOLICITATION;
	icmp[4] = m->flags;
	memcpy(icmp + 8, m->target.b, 16);
	option[0] = m->advertisement ? OPTION_TARGET : OPTION_SOURCE;
	option[1] = OPTION_LEN / 8;
	memcpy(option + 2, m->mac.b, 6);

	rte_be16_t sum = icmp_checksum(ip, MESSAGE_LEN + OPTION_LEN);

	memcpy(icmp + 2, &sum, 2);
	return IPV6_LEN + MESSAGE_LEN + OPTION_LEN;
}

/* A solicitation without an option is shorter than the answer: it then grows into the headroom. */
static void answer(const struct gt_neighbour_input *in, const struct message *asked)
{
	struct gt_frame *frame = in->frame;
	uint32_t need = in->l3_off + IPV6_LEN + MESSAGE_LEN + OPTION_LEN;
	struct gt_mac to = asked->has_mac ? asked->mac : in->from;
	struct message reply = {
		.src = asked->target,
		.dst = asked->src,
		.target = asked->target,
		.mac = in->link->mac,
		.advertisement = true,
		.flags = FLAG_SOLICITED | FLAG_OVERRIDE,
	};

	if (asked->unspecified) {
		reply.dst = all_nodes;
		reply.flags = FLAG_OVERRIDE;
		to = multicast_mac(&all_nodes);
	}
	if (frame->len < need) {
		uint8_t *start = frame->data - (need - frame->len);

		memmove(start, frame->data, in->l3_off);
		frame->data = start;
	}
	memcpy(frame->data, to.b, 6);
	memcpy(frame->data + 6, in->link->mac.b, 6);
	write_message(frame->data + in->l3_off, &reply);
	frame->len = need;
	frame->wire_len = need;
	frame->verdict = GT_ANSWER;
}

static void solicited(struct gt_neighbours *n, const struct gt_neighbour_input *in,
		      const struct message *m)
{
	const struct gt_mac *mac = m->has_mac ? &m->mac : &in->from;

	if (!m->unspecified && gt_neighbour_conflict(n, in, &m->src, mac))
		return;
	if (m->has_mac)
		gt_neighbour_learn(n, in, &m->src, mac, true);
	if (gt_neighbour_answers(n, in->frame->in_if, &m->target))
		answer(in, m);
	else
		gt_neighbour_drop(in->frame, GT_DROP_NEIGHBOUR_OTHER);
}

static void advertised(struct gt_neighbours *n, const struct gt_neighbour_input *in,
		       const struct message *m)
{
	const struct gt_mac *mac = m->has_mac ? &m->mac : &in->from;

	if (gt_neighbour_conflict(n, in, &m->target, mac))
		return;
	if (m->has_mac)
		gt_neighbour_learn(n, in, &m->target, mac, (m->flags & FLAG_OVERRIDE) != 0);
	else if (m->flags & FLAG_SOLICITED)
		gt_neighbour_confirm(n, in, &m->target);
}

void gt_ndp_frame(struct gt_neighbours *n, const struct gt_neighbour_input *in)
{
	struct message m;

	if (!read_message(in->frame->data + in->l3_off, in->frame->len - in->l3_off, &m))
		return;
	gt_neighbour_drop(in->frame, GT_DROP_NEIGHBOUR_TOLD);
	if (gt_neighbour_mac_is_ours(n, &in->from) ||
	    (m.has_mac && gt_neighbour_mac_is_ours(n, &m.mac)))
		return;
	if (m.advertisement)
		advertised(n, in, &m);
	else
		solicited(n, in, &m);
}

size_t gt_ndp_question(uint8_t *out, const struct gt_neighbour_link *link,
		       const struct gt_addr *source, const struct gt_addr *target,
		       const struct gt_mac *to)
{
	struct message m = {.src = *source,
			    .dst = to != NULL ? *target : solicited_node(target),
			    .target = *target,
			    .mac = link->mac};
	struct gt_mac group = multicast_mac(&m.dst);
	size_t off =
		gt_neighbour_write_link(out, link, to != NULL ? to : &group, RTE_ETHER_TYPE_IPV6);

	return off + write_message(out + off, &m);
}

size_t gt_ndp_announcement(uint8_t *out, const struct gt_neighbour_link *link,
			   const struct gt_addr *addr)
{
	struct message m = {.src = *addr,
			    .dst = all_nodes,
			    .target = *addr,
			    .mac = link->mac,
			    .advertisement = true,
			    .flags = FLAG_OVERRIDE};
	struct gt_mac group = multicast_mac(&all_nodes);
	size_t off = gt_neighbour_write_link(out, link, &group, RTE_ETHER_TYPE_IPV6);

	return off + write_message(out + off, &m);
}
