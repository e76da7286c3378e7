/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes in: the link layer of a punted frame, MACs learned from it, and other stations that
 * use an address of ours. ARP and NDP are dissected in arp.c and ndp.c, which call back here. No
 * frame is sent from here but the answer in place: whatever else follows is left to the next tick,
 * which paces it.
 */
#include <string.h>

#include <rte_ether.h>

#include "neighbour/table.h"

#define RESOLVED_MS	   30000
#define RESOLVED_JITTER_MS 5000
#define DEFEND_MS	   10000 /* DEFEND_INTERVAL of RFC 5227 1.1 */
#define TELL_MS		   60000

bool gt_neighbour_mac_is_ours(const struct gt_neighbours *n, const struct gt_mac *mac)
{
	/* Of any interface: two of them may be on one wire and hear each other. */
	for (unsigned i = 0; i < GT_INTERFACES_MAX; i++)
		if (n->links[i].known && gt_mac_equal(&n->links[i].mac, mac))
			return true;
	return false;
}

/* Puts the conflict in front, as a new one with count 0 if it was not there. */
static struct gt_neighbour_conflict *remember(struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr, const struct gt_mac *mac,
					      uint64_t now_ms)
{
	struct gt_neighbour_conflict c = {
		.interface = interface, .addr = *addr, .mac = *mac, .first_ms = now_ms};
	uint32_t i;

	for (i = 0; i < n->n_conflicts; i++) {
		const struct gt_neighbour_conflict *old = &n->conflicts[i];

		if (old->interface == interface && gt_addr_equal(&old->addr, addr) &&
		    gt_mac_equal(&old->mac, mac)) {
			c = *old;
			break;
		}
	}
	if (i == GT_NEIGHBOUR_CONFLICTS_MAX)
		i--; /* the one not seen for longest goes */
	else if (i == n->n_conflicts)
		n->n_conflicts++;
	memmove(&n->conflicts[1], &n->conflicts[0], i * sizeof(c));
	n->conflicts[0] = c;
	return &n->conflicts[0];
}

bool gt_neighbour_conflict(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			   const struct gt_addr *addr, const struct gt_mac *mac)
{
	uint8_t interface = in->frame->in_if;
	struct gt_neighbour_own *own = gt_neighbour_own(n, interface, addr);
	struct gt_neighbour_conflict *c;

	if (own == NULL || own->withdrawn)
		return false;
	c = remember(n, interface, addr, mac, in->now_ms);
	c->last_ms = in->now_ms;
	c->count++;
	if (in->now_ms >= own->defend_after_ms) {
		own->defend = true;
		own->defend_after_ms = in->now_ms + DEFEND_MS;
	}
	if (in->now_ms >= own->tell_after_ms) {
		own->tell_after_ms = in->now_ms + TELL_MS;
		n->hooks.event(n->hooks.ctx, GT_NEIGHBOUR_EVENT_CONFLICT, interface, addr, mac,
			       NULL);
	}
	return true;
}

static void confirm(struct gt_neighbour_entry *e, uint64_t now_ms)
{
	uint64_t jitter = gt_neighbour_hash(e->pub.interface, &e->pub.addr) % RESOLVED_JITTER_MS;

	gt_neighbour_set_state(e, GT_NEIGHBOUR_RESOLVED, now_ms);
	e->pub.confirmed_ms = now_ms;
	e->pub.next_ms = now_ms + RESOLVED_MS + jitter;
	e->pub.tries = 0;
	e->told = false;
}

/*
 * RFC 826 merges whatever an ARP frame says of its sender. RFC 4861 7.2.5 tells a solicited answer,
 * which proves that the way to the neighbour works, from other messages; what is wanted here is
 * only whether the MAC is still right (the health checks see to the rest), and for that all of them
 * count.
 */
void gt_neighbour_learn(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			const struct gt_addr *addr, const struct gt_mac *mac, bool override)
{
	struct gt_neighbour_entry *e = gt_neighbour_entry(n, in->frame->in_if, addr);

	if (e == NULL)
		e = gt_neighbour_guest(n, in->frame->in_if, addr);
	if (e == NULL || e->pub.state == GT_NEIGHBOUR_STATIC)
		return;

	struct gt_mac old = e->pub.mac;
	bool resolved = e->pub.state != GT_NEIGHBOUR_UNRESOLVED;
	bool changed = resolved && !gt_mac_equal(&old, mac);

	if (changed && !override) {
		/* Not believed, but the old one is asked now whether it is still there. */
		if (e->pub.state == GT_NEIGHBOUR_RESOLVED)
			e->pub.next_ms = in->now_ms;
		return;
	}
	e->pub.mac = *mac;
	confirm(e, in->now_ms);
	if (!resolved)
		n->hooks.event(n->hooks.ctx, GT_NEIGHBOUR_EVENT_RESOLVED, e->pub.interface,
			       &e->pub.addr, &e->pub.mac, NULL);
	else if (changed)
		n->hooks.event(n->hooks.ctx, GT_NEIGHBOUR_EVENT_CHANGED, e->pub.interface,
			       &e->pub.addr, &e->pub.mac, &old);
}

void gt_neighbour_confirm(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			  const struct gt_addr *addr)
{
	struct gt_neighbour_entry *e = gt_neighbour_entry(n, in->frame->in_if, addr);

	if (e != NULL &&
	    (e->pub.state == GT_NEIGHBOUR_RESOLVED || e->pub.state == GT_NEIGHBOUR_REFRESHING))
		confirm(e, in->now_ms);
}

static uint16_t read_type(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

void gt_neighbours_frame(struct gt_neighbours *n, struct gt_frame *frame, uint64_t now_ms)
{
	struct gt_neighbour_input in = {.frame = frame, .now_ms = now_ms};
	uint32_t type_off = 12;

	n->now_ms = now_ms;
	frame->out_if = frame->in_if;
	gt_neighbour_drop(frame, GT_DROP_NEIGHBOUR_BAD);
	if (frame->len < type_off + 2)
		return;
	if (read_type(frame->data + type_off) == RTE_ETHER_TYPE_VLAN)
		type_off += 4;
	in.l3_off = type_off + 2;
	if (frame->len < in.l3_off)
		return;
	memcpy(in.from.b, frame->data + 6, 6);
	if (!gt_mac_is_unicast(&in.from))
		return;
	if (frame->in_if >= GT_INTERFACES_MAX || !n->links[frame->in_if].known) {
		gt_neighbour_drop(frame, GT_DROP_NEIGHBOUR_OTHER);
		return;
	}
	in.link = &n->links[frame->in_if];

	if (read_type(frame->data + type_off) == RTE_ETHER_TYPE_ARP)
		gt_arp_frame(n, &in);
	else if (read_type(frame->data + type_off) == RTE_ETHER_TYPE_IPV6)
		gt_ndp_frame(n, &in);
}

size_t gt_neighbour_write_link(uint8_t *out, const struct gt_neighbour_link *link,
			       const struct gt_mac *to, uint16_t ether_type)
{
	uint8_t *p = out + 12;

	memcpy(out, to->b, 6);
	memcpy(out + 6, link->mac.b, 6);
	if (link->vlan != 0) {
		*p++ = RTE_ETHER_TYPE_VLAN >> 8;
		*p++ = RTE_ETHER_TYPE_VLAN & 0xff;
		*p++ = (uint8_t)(link->vlan >> 8);
		*p++ = (uint8_t)link->vlan;
	}
	*p++ = (uint8_t)(ether_type >> 8);
	*p++ = (uint8_t)ether_type;
	return (size_t)(p - out);
}
