/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The express path; see express.h. What makes it fast: headers are compared by words, not field by
 * field; one look-up leads from the destination to the service; an entry in its ordinary state is
 * recognized by one comparison of state and flags, so that nothing else of the connection must be
 * judged; and what is left to do is written down ready-made in the plan.
 *
 * A frame is one if it is TCP or UDP in IPv4 without options or IPv6 without extension headers, no
 * fragment, untagged, to the interface's MAC, all lengths and the checksum right, and its
 * destination a service of the express table. Its connection must be established (TCP: this packet
 * is an ACK without SYN, FIN and RST), not idle for too long, and its server alive with a known
 * MAC.
 */
#include "pipeline/express.h"

#include <netinet/in.h>

#include <rte_ether.h>

#include "packet/parse.h"
#include "pipeline/forward.h"
#include "pipeline/internal.h"

#define IP_OFF RTE_ETHER_HDR_LEN

/* TCP flags: the ordinary packet of an established connection. */
#define FLAGS_MASK (GT_TCP_SYN | GT_TCP_FIN | GT_TCP_RST | GT_TCP_ACK)

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- stage 1 ---- */

/* Is the destination MAC the interface's? Bytes 6 and 7 are of the source: shifted out. */
static inline bool is_for_mac(const uint8_t *d, const struct gt_mac *mac)
{
	uint64_t own = (uint64_t)load32(mac->b) | (uint64_t)load16(mac->b + 4) << 32;

	return (load64(d) ^ own) << 16 == 0;
}

/* RFC 791: 20 bytes of header, no fragment, its length and checksum right. */
static inline bool is_ipv4(const uint8_t *ip, uint32_t len, uint32_t wire_len, uint32_t *payload)
{
	uint32_t total = rte_be_to_cpu_16(load16(ip + 2)), l4 = ip[9] == IPPROTO_TCP ? 20 : 8;
	uint64_t sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) + load32(ip + 12) +
		       load32(ip + 16);

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	*payload = total - 20;
	return ip[0] == 0x45 && (load16(ip + 6) & rte_cpu_to_be_16(0x3fff)) == 0 &&
	       total >= 20 + l4 && IP_OFF + total <= wire_len && IP_OFF + 20 + l4 <= len &&
	       sum == 0xffff && !gt_addr_is_martian_v4(load32(ip + 12));
}

static inline bool is_ipv6(const uint8_t *ip, uint32_t len, uint32_t wire_len, uint32_t *payload)
{
	uint32_t l4 = ip[6] == IPPROTO_TCP ? 20 : 8;

	*payload = rte_be_to_cpu_16(load16(ip + 4));
	/* Of addresses that begin by 0 some are no unicast: few real ones are among them. */
	return ip[0] >> 4 == 6 && *payload >= l4 && IP_OFF + 40 + *payload <= wire_len &&
	       IP_OFF + 40 + l4 <= len && ip[8] != 0 && ip[8] != 0xff;
}

static inline bool is_l4(const uint8_t *l4, uint8_t protocol, uint32_t payload)
{
	if (protocol == IPPROTO_TCP) {
		uint32_t header = (uint32_t)(l4[12] >> 4) * 4;

		return header >= 20 && header <= payload;
	}
	if (protocol == IPPROTO_UDP) {
		uint32_t length = rte_be_to_cpu_16(load16(l4 + 4));

		return length >= 8 && length <= payload;
	}
	return false;
}

static inline const struct gt_plan_express *
find_service(const struct gt_plan *plan, const struct gt_addr *dst, uint32_t port_protocol)
{
	uint32_t i = gt_plan_express_home(plan, gt_plan_hash_address(dst), port_protocol);

	for (;; i = (i + 1) & plan->express_mask) {
		const struct gt_plan_express *e = &plan->express[i];

		if (e->port_protocol == port_protocol && gt_addr_equal(&e->addr, dst))
			return e;
		if (e->port_protocol == 0)
			return NULL;
	}
}

bool gt_express_classify(const struct gt_worker *w, const struct gt_frame *f, struct gt_express *x,
			 struct gt_flow_key *key)
{
	const struct gt_plan_interface *in = &w->plan->interfaces[f->in_if];
	const uint8_t *d = f->data, *ip = d + IP_OFF, *l4;
	struct gt_addr src, dst;
	uint32_t payload;
	bool v4;

	/* Where the wire has several workers, a frame may be another's; tags are not for us. */
	if (f->len < IP_OFF + 20 + 20 || in->vlan != 0 || f->steered == GT_STEERED_FRAGMENTS ||
	    (w->steer.n_workers > 1 && f->steered == GT_STEERED_NOT && !w->steer.exact[f->in_if]))
		return false;
	v4 = load16(d + 12) == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	if (!is_for_mac(d, &in->mac) || (d[6] & 1) != 0)
		return false;
	if (v4) {
		if (!is_ipv4(ip, f->len, f->wire_len, &payload))
			return false;
		x->protocol = ip[9];
		x->l3_len = 20;
		src = gt_addr_from_v4(load32(ip + 12));
		dst = gt_addr_from_v4(load32(ip + 16));
	} else {
		if (load16(d + 12) != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) ||
		    !is_ipv6(ip, f->len, f->wire_len, &payload))
			return false;
		x->protocol = ip[6];
		x->l3_len = 40;
		memcpy(src.b, ip + 8, 16);
		memcpy(dst.b, ip + 24, 16);
	}
	l4 = ip + x->l3_len;
	if (!is_l4(l4, x->protocol, payload) ||
	    (x->protocol == IPPROTO_TCP && (l4[13] & FLAGS_MASK) != GT_TCP_ACK))
		return false;
	x->service =
		find_service(w->plan, &dst, (uint32_t)load16(l4 + 2) | (uint32_t)x->protocol << 16);
	/* A source that is ours is a forgery, or a loop. */
	if (x->service == NULL || gt_plan_may_be_ours(w->plan, gt_plan_hash_address(&src)))
		return false;
	if (v4)
		gt_flow_key_narrow(key, load32(ip + 12), load16(l4), x->service->service);
	else
		gt_flow_key_wide(key, &src, load16(l4), x->service->service, 0);
	return true;
}

/* ---- stage 3 ---- */

void gt_express_find(const struct gt_worker *w, struct gt_express *x, const struct gt_flow_key *key,
		     uint64_t hash)
{
	x->slot = gt_flow_find(&w->flows, key, hash).slot;
}

/* The entry is still this connection's: an earlier frame of the burst may have made another take
 * its place. */
static inline bool is_still(const struct gt_flow_slot *slot, const struct gt_flow_key *key)
{
	return key->wide ? slot->key == key->hi && slot[-1].key == key->lo &&
				   slot[-1].port == key->port && slot[-1].service == key->service
			 : slot->key == key->lo;
}

/* ---- stage 4 ---- */

static inline void account(struct gt_worker *w, const struct gt_frame *f, uint16_t server,
			   uint16_t vip, uint32_t in_bytes)
{
	struct gt_counters *c = &w->counters;

	if (f->steered == GT_STEERED_NOT) {
		c->in++;
		c->interfaces[f->in_if].in_frames++;
		c->interfaces[f->in_if].in_bytes += in_bytes;
	}
	c->forwarded++;
	c->interfaces[f->out_if].out_frames++;
	c->interfaces[f->out_if].out_bytes += f->wire_len;
	w->servers[server].frames++;
	w->servers[server].bytes += in_bytes;
	w->vips[vip].frames++;
	w->vips[vip].bytes += in_bytes;
}

bool gt_express_forward(struct gt_worker *w, struct gt_frame *f, const struct gt_express *x,
			const struct gt_flow_key *key)
{
	const enum gt_flow_state ordinary =
		x->protocol == IPPROTO_TCP ? GT_FLOW_ESTABLISHED : GT_FLOW_UDP;
	struct gt_flow_ref ref = {x->slot};
	const struct gt_plan_server *s;
	uint32_t value;

	if (x->slot == NULL || !is_still(x->slot, key))
		return false;
	value = x->slot->value;
	if (gt_flow_state(ref) != ordinary || value >= w->plan->n_servers ||
	    gt_flow_idle(x->slot->meta, w->tick) > x->service->idle_ticks)
		return false;
	s = &w->plan->servers[value];
	if ((s->flags & GT_SERVER_EXPRESS) == 0)
		return false;
	gt_flow_touch(ref, ordinary, w->tick);
	memcpy(f->data, s->macs, sizeof(s->macs));
	f->out_if = s->out_if;
	f->verdict = GT_SEND;
	account(w, f, (uint16_t)value, s->vip, f->wire_len);
	return true;
}
