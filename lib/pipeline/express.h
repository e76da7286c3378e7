/* SPDX-License-Identifier: BSD-3-Clause */
/* The first stage of the express path: is a frame an ordinary packet, and what of? See express.c,
 * into whose loop it is inlined. */
#ifndef GT_PIPELINE_EXPRESS_H
#define GT_PIPELINE_EXPRESS_H

#include <netinet/in.h>

#include <rte_ether.h>

#include "base/bytes.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "pipeline/pipeline.h"

/* Which way a frame goes. */
enum express_way {
	WAY_SERVER,    /* a client's, of `service` */
	WAY_NAT_REPLY, /* of the server that `nat` names */
	/* these have a session */
	WAY_SESSION,	   /* a client's, of `service`, with snat */
	WAY_SESSION_REPLY, /* of the session that `place` tells */
};

/* One frame of a burst on the express path. */
struct express {
	union {
		const struct gt_plan_express *service;
		const struct gt_plan_nat *nat;
		const uint32_t *place; /* gt_snat_place */
	};
	uint8_t way;   /* enum express_way */
	uint8_t state; /* enum gt_flow_state that its connection must have */
	uint8_t protocol;
	bool v6;
	uint32_t l3_len; /* bytes of IP */
};

#define IP_OFF RTE_ETHER_HDR_LEN

/* TCP flags: the ordinary packet of an established connection. */
#define FLAGS_MASK (GT_TCP_SYN | GT_TCP_FIN | GT_TCP_RST | GT_TCP_ACK)

/* Is the destination MAC the interface's, and the source no group? The top two bytes of the first
 * word are the source's first. */
static inline bool has_macs(const uint8_t *d, const struct gt_mac *mac)
{
	uint64_t own = (uint64_t)gt_copy_be32(mac->b) | (uint64_t)gt_copy_be16(mac->b + 4) << 32;

	return ((gt_rewrite_load(d) ^ own) & 0x0001ffffffffffff) == 0;
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

/* Nothing that we serve is its destination: is it a reply? What a NIC brings to this worker is its
 * own (express_interfaces). */
static inline bool classify_reply(const struct gt_worker *w, struct express *x,
				  const uint64_t src[2], const uint64_t dst[2], const uint8_t *l4)
{
	struct gt_snat_pair_key pair = {.port = gt_copy_be16(l4), .protocol = x->protocol};
	const struct gt_plan_address *to = gt_plan_find_words(w->plan, dst);

	memcpy(&pair.server, src, 16);
	memcpy(&pair.source, dst, 16);
	if (to == NULL) {
		x->nat = gt_plan_find_nat(w->plan, &pair.server, pair.protocol, pair.port);
		x->way = WAY_NAT_REPLY;
		return x->nat != NULL;
	}
	if (to->vip || !to->source || w->snat.sessions == NULL)
		return false;
	x->place = gt_snat_place(&w->snat, &pair, gt_read_be16(l4 + 2));
	x->way = WAY_SESSION_REPLY;
	if (x->place != NULL)
		rte_prefetch0(x->place);
	return x->place != NULL;
}

/* Whose is it? Returns its service's number for the key of its connection; 0: it is a reply; -1:
 * the general path's. */
static inline int classify_ends(const struct gt_worker *w, struct express *x, const uint64_t src[2],
				const uint64_t dst[2], const uint8_t *l4)
{
	const struct gt_plan_express *service;

	/* A source that is ours is a forgery, or a loop. */
	if (gt_plan_find_words(w->plan, src) != NULL)
		return -1;
	x->state = x->protocol == IPPROTO_TCP ? GT_FLOW_ESTABLISHED : GT_FLOW_UDP;
	service = find_service(w->plan, gt_plan_hash_words(dst[0], dst[1]), dst,
			       (uint32_t)gt_copy_be16(l4 + 2) | (uint32_t)x->protocol << 16);
	if (service == NULL)
		return classify_reply(w, x, src, dst, l4) ? 0 : -1;
	x->service = service;
	x->way = service->mode == GT_MODE_SNAT ? WAY_SESSION : WAY_SERVER;
	/* No NIC places a packet by its source alone. */
	if (service->by_source && w->steer.n_workers > 1)
		return -1;
	return service->service;
}

static inline bool classify_ipv4(const struct gt_worker *w, const struct gt_frame *f,
				 struct express *x, struct gt_flow_key *key)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 20;
	uint64_t w0 = gt_rewrite_load(ip), w1 = gt_rewrite_load(ip + 8);
	rte_be32_t from = gt_copy_be32(ip + 12), to = gt_copy_be32(ip + 16);
	uint64_t src[2] = {0, gt_addr_word_v4(from)}, dst[2] = {0, gt_addr_word_v4(to)};
	uint32_t total = gt_read_be16(ip + 2);
	int service;

	x->protocol = ip[9];
	if ((w0 & IPV4_PLAIN_MASK) != IPV4_PLAIN || sum_header(w0, w1, to) != 0xffff ||
	    total < 20 || IP_OFF + total > f->wire_len || gt_addr_is_martian_v4(from) ||
	    !is_l4(l4, x->protocol, total - 20, f->len - IP_OFF - 20))
		return false;
	service = classify_ends(w, x, src, dst, l4);
	if (service < 0)
		return false;
	x->v6 = false;
	x->l3_len = total;
	gt_flow_key_narrow(key, from, gt_copy_be16(l4), (uint16_t)service);
	return true;
}

static inline bool classify_ipv6(const struct gt_worker *w, const struct gt_frame *f,
				 struct express *x, struct gt_flow_key *key)
{
	const uint8_t *ip = f->data + IP_OFF, *l4 = ip + 40;
	uint64_t src[2], dst[2];
	struct gt_addr client;
	uint32_t payload;
	int service;

	if (f->len < IP_OFF + 40)
		return false;
	payload = gt_read_be16(ip + 4);
	x->protocol = ip[6];
	/* Of addresses that begin by 0 some are no unicast, or IPv4-mapped; no network has them. */
	if (ip[0] >> 4 != 6 || IP_OFF + 40 + payload > f->wire_len || ip[8] == 0 || ip[8] == 0xff ||
	    ip[24] == 0 || !is_l4(l4, x->protocol, payload, f->len - IP_OFF - 40))
		return false;
	memcpy(src, ip + 8, sizeof(src));
	memcpy(dst, ip + 24, sizeof(dst));
	service = classify_ends(w, x, src, dst, l4);
	if (service < 0)
		return false;
	x->v6 = true;
	x->l3_len = 40 + payload;
	memcpy(client.b, src, sizeof(client.b));
	gt_flow_key_wide(key, &client, gt_copy_be16(l4), (uint16_t)service, 0);
	return true;
}

/*
 * Is it one? Fills x, and key: of the connection, or of a reply with service 0. Nothing is changed.
 * `interfaces`: a bit for each whose frames may be ones.
 */
static inline bool gt_express_classify(const struct gt_worker *w, uint32_t interfaces,
				       const struct gt_frame *f, struct express *x,
				       struct gt_flow_key *key)
{
	const uint8_t *d = f->data;
	uint16_t type;

	if (f->len < IP_OFF + 28 || f->steered != GT_STEERED_NOT ||
	    (interfaces >> f->in_if & 1) == 0 || !has_macs(d, &w->plan->interfaces[f->in_if].mac))
		return false;
	type = gt_copy_be16(d + 12);
	if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return classify_ipv4(w, f, x, key);
	return type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) && classify_ipv6(w, f, x, key);
}

#endif
