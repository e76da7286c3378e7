/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first stage: parses a frame and finds whose address it is for, what it asks, and, of several
 * workers, to which one it belongs. Nothing is remembered and nothing rewritten here.
 */
#include "pipeline/classify.h"

#include <netinet/in.h>

#include <rte_ip.h>

#include "packet/icmp.h"
#include "pipeline/internal.h"

/* Group addresses that an interface listens to: broadcast, all nodes, solicited nodes (RFC
 * 4291 2.7.1). */
static bool is_own_group(const struct gt_plan_interface *in, const uint8_t *mac)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t solicited[3] = {0x33, 0x33, 0xff};

	/* Which groups the host's programs have joined, its kernel knows. */
	return in->kernel || memcmp(mac, broadcast, 6) == 0 || memcmp(mac, solicited, 3) == 0 ||
	       memcmp(mac, all_nodes, 6) == 0;
}

static bool is_neighbour_discovery(const struct gt_packet *p)
{
	return p->kind == GT_PACKET_IPV6 && p->protocol == IPPROTO_ICMPV6 &&
	       p->fragment == GT_FRAGMENT_NONE && (p->icmp_type == 135 || p->icmp_type == 136);
}

static bool is_icmp(const struct gt_packet *p)
{
	return p->protocol == (p->kind == GT_PACKET_IPV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* Parses what an ICMP error embeds. */
static enum gt_drop_reason parse_error(const struct gt_frame *f, struct gt_work *w)
{
	const struct gt_packet *p = &w->packet;
	uint32_t from = p->l4_off + 8U, to = p->l3_end < f->len ? p->l3_end : f->len;
	struct gt_packet *e = &w->embedded;

	if (p->fragment != GT_FRAGMENT_NONE || from > to ||
	    gt_parse_embedded(f->data + from, to - from, p->kind == GT_PACKET_IPV6, e) !=
		    GT_PARSE_OK)
		return GT_DROP_ICMP_BAD;
	return e->protocol == IPPROTO_TCP || e->protocol == IPPROTO_UDP ? GT_PARSE_OK
									: GT_DROP_ICMP_OTHER;
}

/* An ICMP error to a VIP: the connection is that of the packet from the VIP that it embeds. */
static enum gt_drop_reason classify_error(const struct gt_plan *plan, const struct gt_frame *f,
					  struct gt_work *w)
{
	enum gt_drop_reason bad = parse_error(f, w);
	const struct gt_packet *e = &w->embedded;

	if (bad != GT_PARSE_OK)
		return bad;
	if (!gt_addr_equal(&e->src, &w->packet.dst))
		return GT_DROP_ICMP_BAD;
	w->range = gt_plan_find_range(plan, w->address, e->protocol, rte_be_to_cpu_16(e->src_port));
	if (w->range == NULL)
		return GT_DROP_NO_SERVICE;
	w->task = TASK_ERROR;
	return GT_PARSE_OK;
}

/* ---- from the servers' side ---- */

/* Has the device placed this TCP or UDP packet by its addresses and ports, as we would? Whether it
 * sees ports behind IPv6 extension headers differs among devices. */
static bool is_placed(const struct gt_worker *worker, const struct gt_frame *f,
		      const struct gt_packet *p)
{
	return worker->steer.exact[f->in_if] && p->fragment == GT_FRAGMENT_NONE &&
	       (p->kind == GT_PACKET_IPV4 || p->l4_off - p->l3_off == sizeof(struct rte_ipv6_hdr));
}

/* The worker that gave out the source port of a reply, or of the packet that an ICMP error embeds.
 * Only asked for what was not handed over to its owner yet. */
static uint16_t reply_owner(const struct gt_worker *worker, const struct gt_frame *f,
			    struct gt_work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;
	const struct gt_steer *s = &worker->steer;

	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
		if (is_placed(worker, f, p))
			return s->worker;
		return gt_steer_connection(s, &p->src, p->src_port, &p->dst, p->dst_port);
	}
	/* What is nobody's may be judged by anybody. */
	if (!is_icmp(p) || !gt_icmp_is_error(p) || parse_error(f, w) != GT_PARSE_OK)
		return s->worker;
	return gt_steer_connection(s, &e->dst, e->dst_port, &e->src, e->src_port);
}

/* A reply to a source port that another worker gave out: TASK_HAND. */
static bool is_reply_of_other(const struct gt_worker *worker, const struct gt_frame *f,
			      struct gt_work *w)
{
	if (worker->steer.n_workers == 1 || f->steered == GT_STEERED_HOME)
		return false;
	w->owner = reply_owner(worker, f, w);
	if (w->owner == worker->steer.worker)
		return false;
	w->task = TASK_HAND;
	return true;
}

/* A packet to a source address of SNAT. False: no session can have it. */
static bool classify_session(const struct gt_worker *worker, const struct gt_frame *f,
			     struct gt_work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;

	if (worker->snat.sessions == NULL)
		return false;
	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return true;
	}
	w->task = TASK_REPLY;
	if (is_reply_of_other(worker, f, w))
		return true;
	w->path.kind = GT_PATH_SESSION_REPLY;
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP)
		return true;
	w->task = TASK_REPLY_ERROR;
	return is_icmp(p) && gt_icmp_is_error(p) && parse_error(f, w) == GT_PARSE_OK &&
	       gt_addr_equal(&e->src, &p->dst);
}

/* A packet to somebody else, from a server of `nat` that has us as its gateway. False: it is not.
 */
static bool classify_nat_reply(const struct gt_plan *plan, const struct gt_frame *f,
			       struct gt_work *w)
{
	const struct gt_packet *p = &w->packet, *e = &w->embedded;
	const struct gt_plan_nat *nat = NULL;

	if (p->link_group)
		return false;
	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return gt_plan_is_nat_server(plan, &p->src);
	}
	w->task = TASK_REPLY;
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) {
		nat = gt_plan_find_nat(plan, &p->src, p->protocol, p->src_port);
	} else if (is_icmp(p) && gt_icmp_is_error(p) && parse_error(f, w) == GT_PARSE_OK &&
		   gt_addr_equal(&e->src, &p->dst)) {
		w->task = TASK_REPLY_ERROR;
		nat = gt_plan_find_nat(plan, &e->dst, e->protocol, e->dst_port);
	}
	if (nat == NULL)
		return false;
	w->path = (struct gt_path){.kind = GT_PATH_NAT_REPLY, .server = nat->number};
	return true;
}

/* ---- to the host's kernel ---- */

static bool is_link_local(const struct gt_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* A solicitation for a link-local address that main does not answer for: the kernel's, perhaps. */
static bool asks_kernel(const struct gt_plan *plan, const struct gt_frame *f,
			const struct gt_packet *p)
{
	struct gt_addr target;

	if (!plan->interfaces[f->in_if].kernel || p->icmp_type != 135 || p->l4_off + 24U > f->len)
		return false;
	memcpy(target.b, f->data + p->l4_off + 8, sizeof(target.b));
	return is_link_local(&target) && gt_plan_find_address(plan, &target) == NULL;
}

/*
 * What is for no address of ours and the kernel's all the same: groups (VRRP, OSPF, router
 * advertisements, mDNS), and its link-local address, which no file names. Whether it wants it, it
 * judges itself; what comes by a group address it never forwards.
 */
static bool may_be_kernels(const struct gt_plan *plan, const struct gt_frame *f,
			   const struct gt_packet *p)
{
	return plan->interfaces[f->in_if].kernel && (p->link_group || is_link_local(&p->dst));
}

/* A packet for an own address. */
static enum gt_drop_reason classify_own(const struct gt_worker *worker, const struct gt_frame *f,
					struct gt_work *w)
{
	const struct gt_packet *p = &w->packet;

	if (w->address->source && classify_session(worker, f, w))
		return GT_PARSE_OK;
	if (is_icmp(p) && gt_icmp_is_error(p)) {
		w->task = TASK_TUNNEL_ERROR;
		return GT_PARSE_OK;
	}
	if (!gt_is_kernels(f, w->address))
		return GT_DROP_OWN_ADDRESS;
	w->task = TASK_KERNEL;
	/* The later ones may be of a session's reply as well: classify_session makes them ask. */
	if (w->address->source && p->fragment == GT_FRAGMENT_FIRST)
		w->task = TASK_FIRST_KERNEL;
	return GT_PARSE_OK;
}

/* A packet for a VIP's address. */
static enum gt_drop_reason classify_vip(const struct gt_plan *plan, const struct gt_frame *f,
					struct gt_work *w)
{
	const struct gt_packet *p = &w->packet;

	if (p->fragment == GT_FRAGMENT_LATER) {
		w->task = TASK_LATER_FRAGMENT;
		return GT_PARSE_OK;
	}
	if (is_icmp(p)) {
		if (gt_icmp_is_error(p))
			return classify_error(plan, f, w);
		if (!gt_icmp_is_echo_request(p))
			return GT_DROP_ICMP_OTHER;
		w->task = TASK_ECHO;
		return GT_PARSE_OK;
	}
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return GT_DROP_NO_SERVICE;
	w->range = gt_plan_find_range(plan, w->address, p->protocol, rte_be_to_cpu_16(p->dst_port));
	if (w->range == NULL)
		return GT_DROP_NO_SERVICE;
	w->task = TASK_CONNECTION;
	return GT_PARSE_OK;
}

static enum gt_drop_reason classify_ip(const struct gt_worker *worker, struct gt_frame *f,
				       struct gt_work *w)
{
	const struct gt_plan *plan = worker->plan;
	const struct gt_plan_address *source;
	struct gt_packet *p = &w->packet;
	enum gt_drop_reason bad = gt_parse_network(f, p);

	if (bad != GT_PARSE_OK)
		return bad;
	w->address = gt_plan_find_address(plan, &p->dst);
	/* Before the source is judged: another station that answers for a VIP must be heard of. */
	if (is_neighbour_discovery(p) && (w->address != NULL || p->dst.b[0] == 0xff)) {
		f->verdict = GT_PUNT;
		w->task = asks_kernel(plan, f, p) ? TASK_KERNEL : TASK_DONE;
		return GT_PARSE_OK;
	}
	source = gt_plan_find_address(plan, &p->src);
	if (source != NULL && !source->vip)
		return GT_DROP_MARTIAN;
	if (source != NULL) {
		/* But a server of `dr` answers a check through the VIP (via = vip) from there. */
		if (w->address == NULL || p->link_group || !gt_is_kernels(f, w->address))
			return GT_DROP_SOURCE_VIP;
		w->task = TASK_KERNEL;
		return GT_PARSE_OK;
	}
	if (w->address == NULL) {
		if (classify_nat_reply(plan, f, w))
			return GT_PARSE_OK;
		w->task = TASK_KERNEL;
		return may_be_kernels(plan, f, p) ? GT_PARSE_OK : GT_DROP_NOT_OURS;
	}
	/* RFC 1122 3.3.6: what came by a link-layer broadcast is not for a unicast address. */
	if (p->link_group)
		return GT_DROP_LINK_GROUP;
	return w->address->vip ? classify_vip(plan, f, w) : classify_own(worker, f, w);
}

static enum gt_drop_reason classify(const struct gt_worker *worker, struct gt_frame *f,
				    struct gt_work *w)
{
	const struct gt_plan_interface *in = &worker->plan->interfaces[f->in_if];
	enum gt_drop_reason bad = gt_parse_link(f, &w->packet);

	w->task = TASK_DONE;
	if (bad == GT_DROP_SHORT)
		return bad;
	if (w->packet.link_group ? !is_own_group(in, f->data)
				 : memcmp(f->data, in->mac.b, sizeof(in->mac.b)) != 0)
		return GT_DROP_OTHER_MAC;
	if (f->data[6] & 1)
		return GT_DROP_SOURCE_MAC;
	/* A priority tag (VID 0) is no VLAN (802.1Q 6.9). */
	if (bad == GT_DROP_VLAN || w->packet.vlan != in->vlan)
		return GT_DROP_VLAN;
	if (bad != GT_PARSE_OK)
		return bad;
	if (w->packet.kind == GT_PACKET_ARP) {
		f->verdict = GT_PUNT;
		return GT_PARSE_OK;
	}
	return classify_ip(worker, f, w);
}

/* ---- several workers: whose is it ---- */

/* The worker that owns the connection of a packet to a VIP, or of the one that an error embeds. */
static uint16_t connection_owner(const struct gt_worker *worker, const struct gt_frame *f,
				 const struct gt_work *w)
{
	const struct gt_packet *e = &w->embedded, *p = &w->packet;
	bool error = w->task == TASK_ERROR;
	const struct gt_addr *client = error ? &e->dst : &p->src;
	uint16_t service = gt_plan_range_service(
		w->range, rte_be_to_cpu_16(error ? e->src_port : p->dst_port));
	uint16_t vip = worker->plan->services[service].vip;

	if (worker->plan->vips[vip].source_service != 0)
		return gt_steer_source(&worker->steer, client);
	if (error)
		return gt_steer_connection(&worker->steer, client, e->dst_port, &e->src,
					   e->src_port);
	if (is_placed(worker, f, p))
		return worker->steer.worker;
	return gt_steer_connection(&worker->steer, client, p->src_port, &p->dst, p->dst_port);
}

/* Turns the task of a frame that belongs to another worker into TASK_HAND. */
static void find_owner(const struct gt_worker *worker, const struct gt_frame *f, struct gt_work *w)
{
	const struct gt_packet *p = &w->packet;
	uint16_t self = worker->steer.worker, owner;

	if (f->steered == GT_STEERED_HOME || w->task == TASK_DONE || w->task == TASK_KERNEL)
		return;
	w->stage = GT_STEERED_HOME;
	if (p->fragment != GT_FRAGMENT_NONE && f->steered == GT_STEERED_NOT) {
		owner = gt_steer_fragments(&worker->steer, &p->src, &p->dst,
					   p->kind == GT_PACKET_IPV4 ? p->protocol : 0);
		if (owner != self) {
			w->task = TASK_HAND;
			w->owner = owner;
			w->stage = GT_STEERED_FRAGMENTS;
			return;
		}
	}
	if (w->task != TASK_CONNECTION && w->task != TASK_ERROR)
		return;
	w->owner = connection_owner(worker, f, w);
	if (w->owner != self)
		w->task = TASK_HAND;
}

/* ---- the whole ---- */

/* Would a later fragment of this datagram be held until its first one tells its fate? Strangers'
 * shall not fill the table. */
static bool waits_for_later(const struct gt_plan *plan, const struct gt_work *w)
{
	if (w->address == NULL)
		return gt_plan_is_nat_server(plan, &w->packet.src);
	return w->address->vip || w->address->source;
}

void gt_classify(struct gt_worker *worker, struct gt_frame *f, struct gt_work *w)
{
	enum gt_drop_reason bad;

	/* A frame that was handed over was counted where it came in. */
	if (f->steered == GT_STEERED_NOT)
		gt_worker_count_in(worker, f);
	bad = classify(worker, f, w);
	if (bad != GT_PARSE_OK)
		w->task =
			w->packet.fragment == GT_FRAGMENT_FIRST && waits_for_later(worker->plan, w)
				? TASK_FIRST_DROPPED
				: TASK_DONE;
	if (worker->steer.n_workers > 1)
		find_owner(worker, f, w);
	if (bad != GT_PARSE_OK && w->task != TASK_HAND)
		gt_worker_drop(worker, f, bad);
}
