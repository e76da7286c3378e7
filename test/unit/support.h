/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What several unit tests and the pipeline's fuzzer build: frames in heap blocks of their exact
 * size (so that ASan sees every byte that is read too far), packets from a few fields,
 * configurations by hand and plans from them. Nothing here uses the code under test for what it
 * computes: checksums are plain loops, offsets are counted anew.
 */
#ifndef GT_TEST_SUPPORT_H
#define GT_TEST_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "balance/plan.h"
#include "base/frame.h"
#include "config/config.h"

/* What stops a test or the fuzzer on the spot. */
#define SUPPORT_DIE_UNLESS(what)                                                                   \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- numbers ---- */

/* A small reproducible generator (splitmix64); not what gantry uses. */
uint64_t support_random(uint64_t *state);

/* RFC 1071 byte by byte: one's complement sum of big-endian words, folded, not complemented. */
uint16_t support_sum(uint32_t start, const uint8_t *data, size_t len);

/* What receive-side scaling under the key of lib/base/toeplitz.h makes of a packet's addresses and
 * ports (host order): by DPDK's rte_softrss. */
uint32_t support_rss(const struct gt_addr *src, const struct gt_addr *dst, uint16_t sport,
		     uint16_t dport);

/* ---- frames ---- */

/* A copy with GT_HEADROOM bytes in front and none behind; owner is the block. */
struct gt_frame support_frame(const void *bytes, size_t len);
void support_frame_free(struct gt_frame *f);

/* What a packet shall be. Zeroed fields mean: none, or what is usual. */
struct support_packet {
	struct gt_mac dst_mac, src_mac; /* zero: interface 0's, a client's */
	int tag;			/* TCI of an 802.1Q tag, + 1; 0: no tag */
	struct gt_addr src, dst;
	uint8_t protocol; /* TCP, UDP, ICMP and ICMPv6 get a header, others nothing */
	uint8_t flags;	  /* TCP */
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_rest;
	const uint8_t *payload; /* NULL: a pattern */
	size_t payload_len;
	/* a piece of it: offset and length in bytes of what follows the IP header; 0 length: all */
	uint32_t id;
	size_t piece_offset, piece_len;
	bool more;
	uint8_t ttl;
};

/* Writes it to out, 2048 bytes, and returns its length. */
size_t support_build(const struct support_packet *p, uint8_t *out);
struct gt_frame support_packet_frame(const struct support_packet *p);

/* Are the IPv4 header's and, unless it is a fragment, the TCP, UDP or ICMP checksum right? Reads
 * untagged or tagged frames without IPv6 extension headers. */
bool support_checksums_good(const uint8_t *frame, size_t len);

/* Stops the test unless what can be parsed. */
struct gt_addr support_addr(const char *text);
struct gt_mac support_mac(const char *text);

/* ---- configurations and plans ---- */

struct gt_config *support_config(uint64_t seed);
void support_config_free(struct gt_config *c);
/* address: "192.0.2.2/24". Returns the index. */
size_t support_interface(struct gt_config *c, const char *name, uint16_t vlan, const char *address);
void support_address(struct gt_config *c, size_t interface, const char *address);
/* ports: "80", "80,443", "5000-5010" or "any". Returns the index. */
size_t support_vip(struct gt_config *c, const char *name, const char *address,
		   enum gt_protocol protocol, const char *ports);
void support_ports(struct gt_config_vip *vip, const char *ports);
struct gt_config_server *support_server(struct gt_config *c, size_t vip, const char *name,
					const char *address, uint16_t weight);

/* Interface lan, VIPs web (TCP 80, 443; servers a, b, c) and dns (UDP 53; servers d, e). */
struct gt_config *support_config_usual(void);
void support_remove_server(struct gt_config *c, size_t vip, size_t server);
void support_swap_servers(struct gt_config *c, size_t vip, size_t i, size_t j);
void support_swap_vips(struct gt_config *c, size_t i, size_t j);

/* MAC of interface i, and of a server (also what its state says). */
struct gt_mac support_interface_mac(size_t i);
struct gt_mac support_server_mac(const struct gt_addr *a);

/* Sees what a test changed in a configuration since a plan was made of it. */
void support_edition(struct gt_config *c);

/* All servers up, resolved and as configured; to be freed. */
struct gt_server_state *support_states(const struct gt_config *c);
/* The state of a server, by names. */
struct gt_server_state *support_state(const struct gt_config *c, struct gt_server_state *states,
				      const char *vip, const char *server);
/* states NULL: support_states. Stops on any error. */
struct gt_plan *support_plan(struct gt_config *c, const struct gt_server_state *states,
			     const struct gt_plan *previous);
/* Numbers by name; 0: there is none. */
uint16_t support_vip_number(const struct gt_plan *plan, const char *vip);
uint16_t support_server_number(const struct gt_plan *plan, const char *vip, const char *server);
/* The service that a port of an address has; 0: none. */
uint16_t support_service(const struct gt_plan *plan, const char *address, uint8_t protocol,
			 uint16_t port);

#endif
