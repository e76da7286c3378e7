/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A burst of frames, and its express path: what nearly all frames are, packets of established
 * connections without anything unusual, is judged and forwarded by few instructions. It never does
 * something else than the general path (classify.c to forward.c) would: it takes a frame only if it
 * knows that, and leaves every other one as it was.
 *
 * What makes it fast: headers are compared by words, not field by
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
#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "packet/parse.h"
#include "pipeline/general.h"
#include "pipeline/internal.h"

/* One frame of a burst on the express path. */
struct express {
	const struct gt_plan_express *service;
	struct gt_flow_slot *slot; /* changing half of its entry; NULL: there is none */
	uint8_t state;		   /* enum gt_flow_state that it must have */
};

/* What neighbouring frames of a burst add to the same counters. */
struct sums {
	uint32_t frames, bytes;
	uint16_t vip;
	uint8_t in_if, out_if;
};

/* A burst's frames, each on the express path or the general one. */
struct burst {
	struct express express[GT_BURST_MAX];
	struct gt_flow_key keys[GT_BURST_MAX];
	uint64_t hashes[GT_BURST_MAX];
	uint8_t general[GT_BURST_MAX]; /* 0, or index + 1 in works */
	struct gt_work works[GT_BURST_MAX];
	unsigned n_works;
	struct sums sums;
};

#define IP_OFF RTE_ETHER_HDR_LEN

/* TCP flags: the ordinary packet of an established connection. */
#define FLAGS_MASK (GT_TCP_SYN | GT_TCP_FIN | GT_TCP_RST | GT_TCP_ACK)

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* ---- stage 1 ---- */

/* Is the destination MAC the interface's, and the source no group? The top two bytes of the first
 * word are the source's first. */
static inline bool has_macs(const uint8_t *d, const struct gt_mac *mac)
{
	uint64_t own = (uint64_t)gt_copy_be32(mac->b) | (uint64_t)gt_copy_be16(mac->b + 4) << 32;

	return ((load64(d) ^ own) & 0x0001ffffffffffff) == 0;
}

static inline bool is_tcp(const uint8_t *l4, uint32_t payload)
{
	uint32_t header = (uint32_t)(l4[12] >> 4) * 4;

	return header >= 20 && header <= payload && (l4[13] & FLAGS_MASK) == GT_TCP_ACK;
}

static inline bool is_udp(const uint8_t *l4, uint32_t payload)
{
	uint32_t length = gt_read_be16(l4 + 4);

	return length >= 8 && length <= payload;
}

/* `payload` bytes of IP at l4, of which `there` can be read. */
static inline bool is_l4(const uint8_t *l4, uint8_t protocol, uint32_t payload, uint32_t there)
{
	if (protocol == IPPROTO_TCP)
		return payload >= 20 && there >= 20 && is_tcp(l4, payload);
	return protocol == IPPROTO_UDP && payload >= 8 && there >= 8 && is_udp(l4, payload);
}

/* The sum of the five words of an IPv4 header, folded: 0xffff if its checksum is right. */
static inline uint32_t sum_header(uint64_t w0, uint64_t w1, uint32_t w2)
{
	uint64_t sum = (w0 >> 32) + (w0 & 0xffffffff) + (w1 >> 32) + (w1 & 0xffffffff) + w2;

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

/* Of the first eight bytes: version and header length, and but for DF the fragment's fields. */
#define IPV4_PLAIN_MASK rte_cpu_to_be_64(0xff00000000003fff)
#define IPV4_PLAIN	rte_cpu_to_be_64(0x4500000000000000)

static inline const struct gt_plan_express *find_service(const struct gt_plan *plan, uint64_t hash,
							 const uint64_t address[2], uint32_t wanted)
{
	uint32_t i = gt_plan_express_home(plan, hash, wanted);

	for (;; i = (i + 1) & plan->express_mask) {
		const struct gt_plan_express *e = &plan->express[i];

		if (e->port_protocol == wanted && e->address[0] == address[0] &&
		    e->address[1] == address[1])
			return e;
		if (e->port_protocol == 0)
			return NULL;
	}
}

static inline bool classify_ipv4(const struct gt_plan *plan, const struct gt_frame *f,
				 struct express *x, struct gt_flow_key *key)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 20;
	uint64_t w0 = load64(ip), w1 = load64(ip + 8);
	rte_be32_t src = (rte_be32_t)(w1 >> 32), dst = gt_copy_be32(ip + 16);
	uint64_t address[2] = {0, gt_plan_word_v4(dst)};
	uint32_t total = rte_be_to_cpu_16((rte_be16_t)(w0 >> 16));
	uint8_t protocol = (uint8_t)(w1 >> 8);

	if ((w0 & IPV4_PLAIN_MASK) != IPV4_PLAIN || sum_header(w0, w1, dst) != 0xffff ||
	    total < 20 || IP_OFF + total > f->wire_len || gt_addr_is_martian_v4(src) ||
	    !is_l4(l4, protocol, total - 20, f->len - IP_OFF - 20))
		return false;
	x->service = find_service(plan, gt_plan_hash_words(0, address[1]), address,
				  (uint32_t)gt_copy_be16(l4 + 2) | (uint32_t)protocol << 16);
	/* A source that is ours is a forgery, or a loop. */
	if (x->service == NULL ||
	    gt_plan_may_be_ours(plan, gt_plan_hash_words(0, gt_plan_word_v4(src))))
		return false;
	x->state = protocol == IPPROTO_TCP ? GT_FLOW_ESTABLISHED : GT_FLOW_UDP;
	gt_flow_key_narrow(key, src, gt_copy_be16(l4), x->service->service);
	return true;
}

static inline bool classify_ipv6(const struct gt_plan *plan, const struct gt_frame *f,
				 struct express *x, struct gt_flow_key *key)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 40;
	uint32_t payload = gt_read_be16(ip + 4);
	uint64_t src[2] = {load64(ip + 8), load64(ip + 16)};
	uint64_t dst[2] = {load64(ip + 24), load64(ip + 32)};
	uint8_t protocol = ip[6];
	struct gt_addr client;

	/* Of addresses that begin by 0 some are no unicast, or IPv4-mapped; no network has them. */
	if (ip[0] >> 4 != 6 || IP_OFF + 40 + payload > f->wire_len || ip[8] == 0 || ip[8] == 0xff ||
	    ip[24] == 0 || !is_l4(l4, protocol, payload, f->len - IP_OFF - 40))
		return false;
	x->service = find_service(plan, gt_plan_hash_words(dst[0], dst[1]), dst,
				  (uint32_t)gt_copy_be16(l4 + 2) | (uint32_t)protocol << 16);
	if (x->service == NULL || gt_plan_may_be_ours(plan, gt_plan_hash_words(src[0], src[1])))
		return false;
	x->state = protocol == IPPROTO_TCP ? GT_FLOW_ESTABLISHED : GT_FLOW_UDP;
	memcpy(client.b, src, sizeof(client.b));
	gt_flow_key_wide(key, &client, gt_copy_be16(l4), x->service->service, 0);
	return true;
}

/* The interfaces whose frames may be ones, as bits. */
static uint32_t express_interfaces(const struct gt_worker *w)
{
	uint32_t set = 0;

	/* Where there are several workers a fresh frame may be another's; tags are not for us. */
	for (unsigned i = 0; i < w->plan->n_interfaces; i++)
		if (w->plan->interfaces[i].vlan == 0 &&
		    (w->steer.n_workers == 1 || w->steer.exact[i]))
			set |= 1U << i;
	return set;
}

/* Stage 1: is it one? Fills x but for its slot, and key. Nothing is changed. */
static inline bool classify(const struct gt_worker *w, uint32_t interfaces,
			    const struct gt_frame *f, struct express *x, struct gt_flow_key *key)
{
	const uint8_t *d = f->data;
	uint16_t type;

	if (f->len < IP_OFF + 28 || f->steered != GT_STEERED_NOT ||
	    (interfaces >> f->in_if & 1) == 0 || !has_macs(d, &w->plan->interfaces[f->in_if].mac))
		return false;
	type = gt_copy_be16(d + 12);
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return classify_ipv4(w->plan, f, x, key);
	return type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) && f->len >= IP_OFF + 40 &&
	       classify_ipv6(w->plan, f, x, key);
}

/* ---- stages 3 and 4 ---- */

/* Writes the sums to the worker's counters, and clears them. */
static void account(struct gt_worker *w, struct sums *s)
{
	struct gt_counters *c = &w->counters;

	c->in += s->frames;
	c->forwarded += s->frames;
	c->interfaces[s->in_if].in_frames += s->frames;
	c->interfaces[s->in_if].in_bytes += s->bytes;
	c->interfaces[s->out_if].out_frames += s->frames;
	c->interfaces[s->out_if].out_bytes += s->bytes;
	w->vips[s->vip].frames += s->frames;
	w->vips[s->vip].bytes += s->bytes;
	s->frames = s->bytes = 0;
}

/* Frames mostly come one behind the other by the same way: their sums are written at the end. */
static inline void add(struct gt_worker *w, struct sums *s, const struct gt_frame *f,
		       const struct gt_plan_server *server)
{
	if (s->vip != server->vip || s->in_if != f->in_if || s->out_if != server->out_if) {
		if (s->frames > 0)
			account(w, s);
		s->vip = server->vip;
		s->in_if = f->in_if;
		s->out_if = server->out_if;
	}
	s->frames++;
	s->bytes += f->wire_len;
}

/* Stage 4. False: its connection is not in the state for that, nothing was changed, and the general
 * path has to take it. */
static inline bool forward(struct gt_worker *w, struct gt_frame *f, const struct express *x,
			   struct sums *sums)
{
	struct gt_flow_slot *slot = x->slot;
	const struct gt_plan_server *s;
	uint32_t value;

	if (slot == NULL)
		return false;
	value = slot->value;
	if ((slot->meta >> 26 & 7) != x->state || value >= w->plan->n_servers ||
	    gt_flow_idle(slot->meta, w->tick) > x->service->idle_ticks)
		return false;
	s = &w->plan->servers[value];
	if ((s->flags & GT_SERVER_EXPRESS) == 0)
		return false;
	gt_flow_touch((struct gt_flow_ref){slot}, (enum gt_flow_state)x->state, w->tick);
	memcpy(f->data, s->macs, sizeof(s->macs));
	f->out_if = s->out_if;
	f->verdict = GT_SEND;
	w->servers[value].frames++;
	w->servers[value].bytes += f->wire_len;
	add(w, sums, f, s);
	return true;
}

/* ---- the burst ---- */

/* Stages 1 and 2. */
static void prepare(struct gt_worker *worker, struct gt_frame *frames, struct burst *b, unsigned n)
{
	uint32_t interfaces = express_interfaces(worker);

	for (unsigned i = 0; i < n; i++) {
		struct gt_work *w = &b->works[b->n_works];

		b->general[i] = 0;
		if (classify(worker, interfaces, &frames[i], &b->express[i], &b->keys[i]))
			continue;
		b->general[i] = (uint8_t)++b->n_works;
		gt_general_begin(worker, &frames[i], w);
		b->keys[i] = w->key;
	}
	gt_flow_hash(&worker->flows, b->keys, b->hashes, n);
	for (unsigned i = 0; i < n; i++)
		if (b->keys[i].service != 0)
			gt_flow_prefetch(&worker->flows, b->hashes[i]);
}

void gt_worker_burst(struct gt_worker *worker, const struct gt_plan *plan, uint64_t now_ms,
		     struct gt_frame *frames, unsigned n)
{
	struct burst b;

	worker->plan = plan;
	worker->tick = gt_tick(now_ms);
	worker->n_released = 0;
	if (worker->fragments.n_held > 0)
		gt_worker_expire_held(worker, now_ms, false);
	b.n_works = 0;
	b.sums = (struct sums){0};
	prepare(worker, frames, &b, n);
	/* In the order of their arrival, whichever path they take. */
	for (unsigned i = 0; i < n; i++) {
		struct gt_work *w = &b.works[b.n_works];

		if (b.general[i] != 0) {
			w = &b.works[b.general[i] - 1];
		} else {
			b.express[i].slot =
				gt_flow_find(&worker->flows, &b.keys[i], b.hashes[i]).slot;
			if (forward(worker, &frames[i], &b.express[i], &b.sums))
				continue;
			gt_general_begin(worker, &frames[i], w);
		}
		w->hash = b.hashes[i];
		gt_general_decide(worker, &frames[i], w, now_ms);
	}
	if (b.sums.frames > 0)
		account(worker, &b.sums);
}
