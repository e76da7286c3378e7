/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for `gantry bench`; see bench_traffic.h. */
#include "bench_traffic.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/checksum.h"
#include "base/toeplitz.h"

#define FRAME_MIN 60
/* Headroom, the longest template, and what a tunnel adds, in whole cache lines. */
#define STRIDE (GT_HEADROOM + 2 * GT_TRAFFIC_TEMPLATE)

/* RFC 6598 and RFC 3849: addresses that no real client has. */
#define CLIENTS_V4 0x64400000U
static const uint8_t clients_v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff};

/* 2^18 client addresses, and as many ports as it takes: as behind a hospital's NAT. */
#define CLIENT_BITS 18
#define FIRST_PORT  1024U

/* Of a VIP with `port = any`. */
#define ANY_PORT 104

struct gt_mac gt_traffic_server_mac(unsigned index)
{
	return (struct gt_mac){{0x02, 0xbe, 0, 0, (uint8_t)(index >> 8), (uint8_t)index}};
}

struct gt_mac gt_traffic_gateway_mac(void)
{
	return (struct gt_mac){{0x02, 0xbe, 0xff, 0, 0, 1}};
}

/* ---- the plan ---- */

/* All servers up, each with a MAC that tells its number. NULL: no memory. */
static struct gt_server_state *make_states(const struct gt_config *c)
{
	size_t n = gt_plan_count_servers(c), k = 0;
	struct gt_server_state *states = calloc(n > 0 ? n : 1, sizeof(*states));

	for (size_t i = 0; states != NULL && i < c->n_vips; i++)
		for (unsigned j = 0; j < c->vips[i].n_servers; j++, k++)
			states[k] = (struct gt_server_state){.up = true,
							     .admin = c->vips[i].servers[j].state,
							     .weight = c->vips[i].servers[j].weight,
							     .resolved = true,
							     .mac = gt_traffic_server_mac(j)};
	return states;
}

int gt_traffic_plan(const struct gt_config *c, struct gt_mac macs[GT_INTERFACES_MAX],
		    struct gt_plan **out)
{
	struct gt_server_state *states = make_states(c);
	struct gt_plan_known known[2 * GT_INTERFACES_MAX];
	size_t n_known = 0;
	int rc;

	if (states == NULL)
		return -ENOMEM;
	for (uint8_t i = 0; i < c->n_interfaces; i++) {
		const struct gt_config_interface *f = &c->interfaces[i];

		macs[i] = f->has_mac ? f->mac : (struct gt_mac){{2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
		if (f->has_gateway4)
			known[n_known++] =
				(struct gt_plan_known){f->gateway4, gt_traffic_gateway_mac(), i};
		if (f->has_gateway6)
			known[n_known++] =
				(struct gt_plan_known){f->gateway6, gt_traffic_gateway_mac(), i};
	}
	rc = gt_plan_build(c, states, macs, known, n_known, NULL, out);
	free(states);
	return rc;
}

/* ---- templates ---- */

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Ethernet, IP and TCP or UDP from here to `to`; sources and what depends on them are left open.
 * Returns the frame's length. */
static uint32_t make_template(uint8_t *d, const struct gt_mac *mac, uint16_t vlan,
			      const struct gt_addr *to, uint8_t protocol, uint16_t port,
			      uint32_t *sum)
{
	static const struct gt_mac from = {{0x02, 0xbe, 0xaa, 0, 0, 1}};
	bool v6 = !gt_addr_is_v4(to);
	uint32_t l4_len = protocol == IPPROTO_TCP ? 20 : 8;
	uint8_t *ip = d + RTE_ETHER_HDR_LEN, *l4;

	memset(d, 0, GT_TRAFFIC_TEMPLATE);
	memcpy(d, mac->b, 6);
	memcpy(d + 6, from.b, 6);
	if (vlan != 0) {
		put_be16(d + 12, RTE_ETHER_TYPE_VLAN);
		put_be16(d + 14, vlan);
		ip += RTE_VLAN_HLEN;
	}
	put_be16(ip - 2, v6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	l4 = ip + (v6 ? 40 : 20);
	if (v6) {
		ip[0] = 0x60;
		put_be16(ip + 4, l4_len);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 24, to->b, 16);
	} else {
		ip[0] = 0x45;
		put_be16(ip + 2, 20 + l4_len);
		put_be16(ip + 6, RTE_IPV4_HDR_DF_FLAG);
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 16, to->b + 12, 4);
	}
	*sum = v6 ? 0 : gt_checksum_add(0, ip, 20); /* source and checksum are 0 yet */
	put_be16(l4 + 2, port);
	if (protocol == IPPROTO_TCP) {
		l4[12] = 0x50;
		l4[13] = RTE_TCP_ACK_FLAG;
		put_be16(l4 + 14, 65535);
	} else {
		put_be16(l4 + 4, l4_len);
	}
	return l4 + l4_len - d < FRAME_MIN ? FRAME_MIN : (uint32_t)(l4 + l4_len - d);
}

static uint32_t l3_offset(const uint8_t *frame)
{
	return frame[12] == 0x81 ? RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN : RTE_ETHER_HDR_LEN;
}

int gt_traffic_create(struct gt_traffic *t, const struct gt_config *config,
		      const struct gt_config_vip *vip, const struct gt_mac *macs, uint32_t n_flows)
{
	const struct gt_config_server *first = &vip->servers[0];
	const struct gt_addr any =
		gt_addr_is_v4(&first->address) ? gt_addr_from_v4(0) : (struct gt_addr){{0}};
	bool translates = vip->mode == GT_MODE_NAT || vip->mode == GT_MODE_SNAT;
	uint16_t port = vip->ports[0].first != 0 ? vip->ports[0].first : ANY_PORT;

	*t = (struct gt_traffic){.vip = vip, .mac = macs[vip->interface]};
	t->interface = vip->interface;
	t->v6 = !gt_addr_is_v4(&vip->address);
	t->reply_v6 = !gt_addr_is_v4(&first->address);
	t->reply_interface = first->interface;
	t->request_len = make_template(t->request, &macs[vip->interface],
				       config->interfaces[vip->interface].vlan, &vip->address,
				       (uint8_t)vip->protocol, port, &t->request_sum);
	/* Where replies go, and from which server, is filled in for each. */
	t->reply_len = make_template(t->reply, &macs[first->interface],
				     config->interfaces[first->interface].vlan, &any,
				     (uint8_t)vip->protocol, 0, &t->reply_sum);
	t->arena = aligned_alloc(64, GT_BURST_MAX * STRIDE);
	t->flows = translates ? calloc(n_flows, sizeof(*t->flows)) : NULL;
	if (t->arena != NULL && (!translates || t->flows != NULL))
		return 0;
	gt_traffic_destroy(t);
	return -ENOMEM;
}

void gt_traffic_destroy(struct gt_traffic *t)
{
	free(t->arena);
	free(t->flows);
	*t = (struct gt_traffic){0};
}

/* ---- frames ---- */

static uint8_t *begin(struct gt_traffic *t, unsigned i, const uint8_t *template, uint32_t len,
		      uint8_t interface)
{
	uint8_t *d = t->arena + (size_t)i * STRIDE + GT_HEADROOM;

	memcpy(d, template, 64);
	if (len > 64)
		memcpy(d + 64, template + 64, 64);
	t->frames[i] =
		(struct gt_frame){.data = d, .len = len, .wire_len = len, .in_if = interface};
	return d;
}

static uint16_t client_port(uint32_t flow)
{
	return (uint16_t)(FIRST_PORT + (flow >> CLIENT_BITS));
}

static rte_be32_t client_v4(uint32_t flow)
{
	return rte_cpu_to_be_32(CLIENTS_V4 + (flow & ((1U << CLIENT_BITS) - 1)));
}

/* Two 16-bit words of an address join the rest of the header's sum. */
static uint16_t finish_checksum(uint32_t sum, rte_be32_t part)
{
	return gt_checksum_fold(gt_checksum_add(sum, &part, sizeof(part)));
}

void gt_traffic_order_request(const struct gt_traffic *t, uint32_t flow, uint8_t tcp_flags,
			      struct gt_traffic_order *order)
{
	rte_be32_t client = client_v4(flow);

	*order = (struct gt_traffic_order){.from = client,
					   .from_port = rte_cpu_to_be_16(client_port(flow)),
					   .tcp_flags = tcp_flags};
	if (!t->v6)
		order->checksum = finish_checksum(t->request_sum, client);
}

void gt_traffic_order_reply(const struct gt_traffic *t, uint32_t flow,
			    struct gt_traffic_order *order)
{
	const struct gt_traffic_flow *f = &t->flows[flow];
	const struct gt_config_server *s = &t->vip->servers[f->server];
	bool nat = t->vip->mode == GT_MODE_NAT;
	uint16_t port = t->vip->ports[0].first != 0 ? t->vip->ports[0].first : ANY_PORT;

	*order = (struct gt_traffic_order){
		.from = f->server,
		.to = nat ? client_v4(flow) : f->source,
		.from_port = rte_cpu_to_be_16(s->port != 0 ? s->port : port),
		.to_port = rte_cpu_to_be_16(nat ? client_port(flow) : f->port),
		.tcp_flags = RTE_TCP_ACK_FLAG,
		.reply = true};
	if (t->reply_v6)
		return;
	memcpy(&order->from, s->address.b + 12, 4);
	if (!nat)
		memcpy(&order->to, t->sources[f->source].b + 12, 4);
	order->checksum =
		finish_checksum(gt_checksum_add(t->reply_sum, &order->from, 4), order->to);
}

static void put_client_v6(uint8_t *p, rte_be32_t client)
{
	memcpy(p, clients_v6, 12);
	memcpy(p + 12, &client, 4);
}

static void make_request(struct gt_traffic *t, unsigned i, const struct gt_traffic_order *o)
{
	uint8_t *d = begin(t, i, t->request, t->request_len, t->interface);
	uint8_t *ip = d + l3_offset(d);

	if (t->v6) {
		put_client_v6(ip + 8, o->from);
		ip += 40;
	} else {
		memcpy(ip + 10, &o->checksum, 2);
		memcpy(ip + 12, &o->from, 4);
		ip += 20;
	}
	memcpy(ip, &o->from_port, 2);
	if (t->vip->protocol == GT_PROTO_TCP)
		ip[13] = o->tcp_flags;
}

static void make_reply(struct gt_traffic *t, unsigned i, const struct gt_traffic_order *o)
{
	uint8_t *d = begin(t, i, t->reply, t->reply_len, t->reply_interface);
	uint8_t *ip = d + l3_offset(d);

	if (t->reply_v6) {
		memcpy(ip + 8, t->vip->servers[o->from].address.b, 16);
		if (t->vip->mode == GT_MODE_NAT)
			put_client_v6(ip + 24, o->to);
		else
			memcpy(ip + 24, t->sources[o->to].b, 16);
		ip += 40;
	} else {
		memcpy(ip + 10, &o->checksum, 2);
		memcpy(ip + 12, &o->from, 4);
		memcpy(ip + 16, &o->to, 4);
		ip += 20;
	}
	memcpy(ip, &o->from_port, 2);
	memcpy(ip + 2, &o->to_port, 2);
}

void gt_traffic_make(struct gt_traffic *t, unsigned i, const struct gt_traffic_order *order)
{
	if (order->reply)
		make_reply(t, i, order);
	else
		make_request(t, i, order);
}

void gt_traffic_request(struct gt_traffic *t, unsigned i, uint32_t flow, uint8_t tcp_flags)
{
	struct gt_traffic_order order;

	gt_traffic_order_request(t, flow, tcp_flags, &order);
	gt_traffic_make(t, i, &order);
}

void gt_traffic_reply(struct gt_traffic *t, unsigned i, uint32_t flow)
{
	struct gt_traffic_order order;

	gt_traffic_order_reply(t, flow, &order);
	gt_traffic_make(t, i, &order);
}

uint32_t gt_traffic_rss(const struct gt_traffic *t, uint32_t flow)
{
	uint16_t port = t->vip->ports[0].first != 0 ? t->vip->ports[0].first : ANY_PORT;
	rte_be32_t v4 = client_v4(flow);
	struct gt_addr client = gt_addr_from_v4(v4);

	if (t->v6)
		put_client_v6(client.b, v4);
	return gt_toeplitz_tuple(&client, &t->vip->address, rte_cpu_to_be_16(client_port(flow)),
				 rte_cpu_to_be_16(port));
}

/* Which of the source addresses it is, noting a new one. */
static uint16_t find_source(struct gt_traffic *t, const struct gt_addr *a)
{
	uint16_t i = 0;

	while (i < t->n_sources && !gt_addr_equal(&t->sources[i], a))
		i++;
	if (i == t->n_sources && i < GT_TRAFFIC_SOURCES_MAX)
		t->sources[t->n_sources++] = *a;
	return i;
}

bool gt_traffic_learn(struct gt_traffic *t, unsigned i, uint32_t flow)
{
	const struct gt_frame *f = &t->frames[i];
	const uint8_t *ip = f->data + l3_offset(f->data), *l4 = ip + (t->reply_v6 ? 40 : 20);
	struct gt_traffic_flow *to = &t->flows[flow];
	struct gt_addr source;
	rte_be32_t v4;

	to->server = (uint16_t)(f->data[4] << 8 | f->data[5]);
	to->port = (uint16_t)(l4[0] << 8 | l4[1]);
	if (t->vip->mode != GT_MODE_SNAT)
		return true;
	memcpy(&v4, ip + 12, sizeof(v4));
	if (t->reply_v6)
		memcpy(source.b, ip + 8, 16);
	else
		source = gt_addr_from_v4(v4);
	to->source = find_source(t, &source);
	return to->source < GT_TRAFFIC_SOURCES_MAX;
}

/* ---- connections ---- */

bool gt_traffic_establish(struct gt_traffic *t, struct gt_worker *w, const struct gt_plan *plan,
			  uint64_t now_ms, uint32_t n_flows, char *why, size_t size)
{
	static const uint8_t flags[] = {RTE_TCP_SYN_FLAG, RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG};
	bool translates = t->flows != NULL;

	for (unsigned step = 0; step < 3; step++) {
		/* The server speaks second, where we see it. */
		bool reply = step == 1;

		if (reply && !translates)
			continue;
		for (uint32_t flow = 0; flow < n_flows; flow += GT_BURST_MAX) {
			for (unsigned i = 0; i < GT_BURST_MAX; i++) {
				uint32_t f = (flow + i) % n_flows;

				if (reply)
					gt_traffic_reply(t, i, f);
				else
					gt_traffic_request(t, i, f, flags[step]);
			}
			gt_worker_burst(w, plan, now_ms, t->frames, GT_BURST_MAX);
			for (unsigned i = 0; i < GT_BURST_MAX; i++) {
				const struct gt_frame *f = &t->frames[i];

				if (f->verdict != GT_SEND) {
					snprintf(why, size, "%s of connection %u is dropped: %s",
						 reply ? "a reply" : "a request", flow + i,
						 gt_drop_name((enum gt_drop_reason)f->reason));
					return false;
				}
				if (translates && !reply &&
				    !gt_traffic_learn(t, i, (flow + i) % n_flows)) {
					snprintf(why, size, "more than %d source addresses",
						 GT_TRAFFIC_SOURCES_MAX);
					return false;
				}
			}
		}
	}
	return true;
}
