/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP over Ethernet for IPv4: RFC 826, and RFC 5227 for probes, announcements and conflicts. The
 * sender's hardware address inside the ARP packet counts, for learning and as the answer's
 * destination; the Ethernet source may differ, as it does with some bonding and virtual router
 * setups, and RFC 826 knows no such check.
 */
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>

#include "neighbour/table.h"

/* Without the FCS; drivers of virtual devices do not all pad. */
#define FRAME_MIN 60

static struct gt_addr addr_of(rte_be32_t v4)
{
	return gt_addr_from_v4(v4);
}

static struct gt_mac mac_of(const struct rte_ether_addr *a)
{
	struct gt_mac m;

	memcpy(m.b, a->addr_bytes, 6);
	return m;
}

/* Is it a request or reply as this room knows them? */
static bool valid(const struct rte_arp_hdr *arp)
{
	struct gt_mac sender = mac_of(&arp->arp_data.arp_sha);
	bool request = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);

	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || arp->arp_hlen != 6 ||
	    arp->arp_plen != 4)
		return false;
	if (!request && arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	if (!gt_mac_is_unicast(&sender))
		return false;
	/* A probe (RFC 5227 2.1.1) has no sender address yet. */
	if (request && arp->arp_data.arp_sip == 0)
		return true;
	return !gt_addr_is_martian_v4(arp->arp_data.arp_sip);
}

static void fill(struct rte_arp_hdr *arp, uint16_t op, const struct gt_mac *sender,
		 rte_be32_t sender_ip, rte_be32_t target_ip)
{
	*arp = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(op),
		.arp_data = {.arp_sip = sender_ip, .arp_tip = target_ip},
	};
	memcpy(arp->arp_data.arp_sha.addr_bytes, sender->b, 6);
}

/* The tag, if there is one, stays where it is. */
static void answer(const struct gt_neighbour_input *in, const struct rte_arp_hdr *request)
{
	struct gt_frame *frame = in->frame;
	uint32_t end = in->l3_off + (uint32_t)sizeof(struct rte_arp_hdr);
	struct rte_arp_hdr reply;

	fill(&reply, RTE_ARP_OP_REPLY, &in->link->mac, request->arp_data.arp_tip,
	     request->arp_data.arp_sip);
	reply.arp_data.arp_tha = request->arp_data.arp_sha;
	memcpy(frame->data, reply.arp_data.arp_tha.addr_bytes, 6);
	memcpy(frame->data + 6, in->link->mac.b, 6);
	memcpy(frame->data + in->l3_off, &reply, sizeof(reply));
	memset(frame->data + end, 0, frame->len - end);
	frame->wire_len = frame->len;
	frame->verdict = GT_ANSWER;
}

void gt_arp_frame(struct gt_neighbours *n, const struct gt_neighbour_input *in)
{
	struct gt_frame *frame = in->frame;
	struct rte_arp_hdr arp;

	if (frame->len - in->l3_off < sizeof(arp))
		return;
	memcpy(&arp, frame->data + in->l3_off, sizeof(arp));
	if (!valid(&arp))
		return;

	struct gt_mac mac = mac_of(&arp.arp_data.arp_sha);
	struct gt_addr sender = addr_of(arp.arp_data.arp_sip);
	struct gt_addr target = addr_of(arp.arp_data.arp_tip);
	bool probe = arp.arp_data.arp_sip == 0;

	gt_neighbour_drop(frame, GT_DROP_NEIGHBOUR_TOLD);
	if (gt_neighbour_mac_is_ours(n, &mac))
		return;
	/* Who asks in the name of an address of ours is not answered: it would learn nothing that
	 * it could use, as the answer names its own address as the target. */
	if (!probe && gt_neighbour_conflict(n, in, &sender, &mac))
		return;
	if (!probe)
		gt_neighbour_learn(n, in, &sender, &mac, true);
	if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) ||
	    arp.arp_data.arp_sip == arp.arp_data.arp_tip)
		return;
	if (gt_neighbour_answers(n, frame->in_if, &target))
		answer(in, &arp);
	else
		gt_neighbour_drop(frame, GT_DROP_NEIGHBOUR_OTHER);
}

size_t gt_arp_question(uint8_t *out, const struct gt_neighbour_link *link,
		       const struct gt_addr *source, const struct gt_addr *target,
		       const struct gt_mac *to)
{
	static const struct gt_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct rte_arp_hdr arp;

	memset(out, 0, FRAME_MIN);
	size_t off = gt_neighbour_write_link(out, link, to != NULL ? to : &broadcast,
					     RTE_ETHER_TYPE_ARP);

	fill(&arp, RTE_ARP_OP_REQUEST, &link->mac, gt_addr_v4(source), gt_addr_v4(target));
	memcpy(out + off, &arp, sizeof(arp));
	return FRAME_MIN;
}

/* A request that asks for the sender's own address (RFC 5227 2.3 and 3: not a reply). */
size_t gt_arp_announcement(uint8_t *out, const struct gt_neighbour_link *link,
			   const struct gt_addr *addr)
{
	return gt_arp_question(out, link, addr, addr, NULL);
}
