/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for `gantry bench`: the connections of one VIP, each known by its number, in bursts that
 * are made anew in one small arena, so that the frames themselves stay in the cache and what is
 * measured is the core. Single thread.
 */
#ifndef GT_APP_BENCH_TRAFFIC_H
#define GT_APP_BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"
#include "config/config.h"
#include "pipeline/pipeline.h"

/* More clients than this have no address of their own here. */
#define GT_TRAFFIC_FLOWS_MAX 100000000U

#define GT_TRAFFIC_TEMPLATE 128

/* Where the translated half of a connection is, as its first frames told. */
struct gt_traffic_flow {
	uint16_t server; /* index in the VIP */
	uint16_t port;	 /* that its replies go to, host order */
	uint16_t source; /* snat: index of the address that they go to */
};

#define GT_TRAFFIC_SOURCES_MAX 64

/*
 * One frame to be made, with all that varies in it, 16 bytes: prepared ahead, so that what makes
 * the frames reads these in order and not the connections' records at random. Addresses are IPv4,
 * or what tells an IPv6 one: a client's last 32 bits, a server's index, a source's index.
 */
struct gt_traffic_order {
	rte_be32_t from, to;
	rte_be16_t from_port, to_port;
	uint16_t checksum; /* of an IPv4 header, as it lies there */
	uint8_t tcp_flags;
	bool reply;
};
_Static_assert(sizeof(struct gt_traffic_order) == 16, "four orders are a cache line");

struct gt_traffic {
	const struct gt_config_vip *vip;
	struct gt_mac mac; /* the interface's */
	uint8_t interface;
	uint8_t request[GT_TRAFFIC_TEMPLATE], reply[GT_TRAFFIC_TEMPLATE];
	uint32_t request_len, reply_len;
	/* of an IPv4 header: without its source; without both of its addresses */
	uint32_t request_sum, reply_sum;
	bool v6, reply_v6;
	uint8_t reply_interface;
	struct gt_traffic_flow *flows;			/* nat and snat; NULL else */
	struct gt_addr sources[GT_TRAFFIC_SOURCES_MAX]; /* snat: as they were met */
	uint16_t n_sources;
	uint8_t *arena;
	struct gt_frame frames[GT_BURST_MAX];
};

/* The MAC that server `index` of a VIP has in a bench, and the gateways. */
struct gt_mac gt_traffic_server_mac(unsigned index);
struct gt_mac gt_traffic_gateway_mac(void);

/* Any time, but always the same: nothing expires. */
#define GT_TRAFFIC_NOW_MS 1000000

/* A plan in which all servers and gateways are there, by the MACs above; macs is filled with those
 * of the interfaces. 0, -ENOMEM, -ENOSPC. To be freed by gt_plan_free. */
int gt_traffic_plan(const struct gt_config *config, struct gt_mac macs[GT_INTERFACES_MAX],
		    struct gt_plan **out);

/* Memory for n_flows connections. 0, -ENOMEM. To be freed by gt_traffic_destroy. */
int gt_traffic_create(struct gt_traffic *t, const struct gt_config *config,
		      const struct gt_config_vip *vip, const struct gt_mac *macs, uint32_t n_flows);
void gt_traffic_destroy(struct gt_traffic *t);

/* An order for a packet of a client's connection. tcp_flags: of TCP. */
void gt_traffic_order_request(const struct gt_traffic *t, uint32_t flow, uint8_t tcp_flags,
			      struct gt_traffic_order *order);

/* ... or for the server's reply to it; the connection must have been learned. nat and snat. */
void gt_traffic_order_reply(const struct gt_traffic *t, uint32_t flow,
			    struct gt_traffic_order *order);

/* Frame i of the burst becomes what the order says. */
void gt_traffic_make(struct gt_traffic *t, unsigned i, const struct gt_traffic_order *order);

/* Order and frame in one. */
void gt_traffic_request(struct gt_traffic *t, unsigned i, uint32_t flow, uint8_t tcp_flags);
void gt_traffic_reply(struct gt_traffic *t, unsigned i, uint32_t flow);

/* The hash by which a NIC with our key deals a client's packets to queues (base/toeplitz.h). */
uint32_t gt_traffic_rss(const struct gt_traffic *t, uint32_t flow);

/* Reads from a forwarded request which server, address and port its connection got. False: more
 * source addresses than GT_TRAFFIC_SOURCES_MAX. */
bool gt_traffic_learn(struct gt_traffic *t, unsigned i, uint32_t flow);

/* The handshake of each connection, at this time; where replies pass us, all are learned. False,
 * with `why`: some were not taken. */
bool gt_traffic_establish(struct gt_traffic *t, struct gt_worker *w, const struct gt_plan *plan,
			  uint64_t now_ms, uint32_t n_flows, char *why, size_t size);

#endif
