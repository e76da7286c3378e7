/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is counted, in one list. Every frame that comes in ends in exactly one of forwarded,
 * answered, kernel or a drop reason: in = forwarded + answered + kernel + sum of drops + held now +
 * on the way to main. Each worker has its own counters and main has its own; readers add them up.
 */
#ifndef GT_BASE_COUNTERS_H
#define GT_BASE_COUNTERS_H

#include <stdint.h>

#include "base/frame.h"

/*
 * X(NAME, "name-in-reports", "what it means and what to do, in one sentence")
 * The names are an interface: `gantryctl drops`, the replay report and metrics show them.
 */
#define GT_DROP_REASONS(X)                                                                         \
	X(SHORT, "short", "frame ends inside a header that it announces")                          \
	X(OTHER_MAC, "other-mac", "destination MAC is another station's")                          \
	X(SOURCE_MAC, "source-mac", "source MAC is a group address")                               \
	X(LINK_GROUP, "link-group",                                                                \
	  "IP packet for a VIP or own address in a broadcast or multicast frame")                  \
	X(VLAN, "vlan", "VLAN tag other than the interface's")                                     \
	X(NOT_IP, "not-ip", "neither IPv4, IPv6, ARP nor a VLAN tag")                              \
	X(IP_HEADER, "ip-header", "bad IP version, header length or total length")                 \
	X(IP_CHECKSUM, "ip-checksum", "bad IPv4 header checksum")                                  \
	X(IP_EXTENSION, "ip-extension",                                                            \
	  "IPv6 extension headers that are malformed, too many, or route through us")              \
	X(MARTIAN, "martian", "source address that no station may have")                           \
	X(SOURCE_VIP, "source-vip",                                                                \
	  "source address is a VIP: a server's reply that came back, or a forgery")                \
	X(TTL, "ttl", "TTL or hop limit used up: it would have to be routed on")                   \
	X(NOT_OURS, "not-ours", "destination is neither a VIP nor an own address")                 \
	X(OWN_ADDRESS, "own-address", "for an own address, and the interface has no kernel path")  \
	X(NO_SERVICE, "no-service", "for a VIP's address, but for no protocol and port of it")     \
	X(NO_SERVER, "no-server", "the VIP has no server that may take it")                        \
	X(NO_NEIGHBOUR, "no-neighbour",                                                            \
	  "the server's MAC is not known: it does not answer ARP or NDP")                          \
	X(NO_ROUTE, "no-route", "no subnet and no gateway leads to the client")                    \
	X(TOO_BIG, "too-big",                                                                      \
	  "does not fit the MTU behind wrapping or translation, and its sender could not be told") \
	X(SNAT_FULL, "snat-full",                                                                  \
	  "all source ports to the server are in use: add a snat_address; or the table is full")   \
	X(RESET, "reset", "a connection whose server is down, with no way to tell its client")     \
	X(TCP_HEADER, "tcp-header", "bad TCP header length")                                       \
	X(UDP_HEADER, "udp-header", "bad UDP length")                                              \
	X(TINY_FRAGMENT, "tiny-fragment",                                                          \
	  "first fragment without its whole L4 header, or one that overlaps it (RFC 1858)")        \
	X(FRAGMENT_TIMEOUT, "fragment-timeout",                                                    \
	  "a later fragment whose first one did not come within a second")                         \
	X(FRAGMENT_FULL, "fragment-full",                                                          \
	  "a later fragment came before its first one, and 32 are held already")                   \
	X(FRAGMENT_BAD, "fragment-bad", "fragment lengths that no datagram can have")              \
	X(ICMP_BAD, "icmp-bad",                                                                    \
	  "ICMP error whose embedded packet is malformed or not from its destination")             \
	X(ICMP_OTHER, "icmp-other", "ICMP type that a VIP does not answer")                        \
	X(NEIGHBOUR_BAD, "neighbour-bad", "malformed ARP or NDP")                                  \
	X(NEIGHBOUR_OTHER, "neighbour-other", "ARP or NDP that asks for another station")          \
	X(NEIGHBOUR_TOLD, "neighbour-told",                                                        \
	  "ARP or NDP that told gantry something and wants no answer")                             \
	X(PUNT_FULL, "punt-full",                                                                  \
	  "main cannot keep up with ARP and NDP: a flood, or main is stuck")                       \
	X(KERNEL_FULL, "kernel-full",                                                              \
	  "the host's kernel got more than main can hand it: a flood, or its TAP is down")         \
	X(HAND_FULL, "hand-full", "the worker that owns the frame could not keep up")              \
	X(LINK_DOWN, "link-down", "the link of the interface it would leave by is down")           \
	X(TX_FULL, "tx-full", "the device took no more frames")

enum gt_drop_reason {
#define X(name, text, help) GT_DROP_##name,
	GT_DROP_REASONS(X)
#undef X
		GT_DROP_REASON_COUNT
};

struct gt_counters {
	uint64_t in;
	uint64_t forwarded;
	uint64_t answered;
	uint64_t kernel;
	uint64_t drops[GT_DROP_REASON_COUNT];
	uint64_t handed; /* to another worker: of in, on the way to one of the above */
	/* connections */
	uint64_t created;
	uint64_t expired;
	uint64_t moved;
	uint64_t evicted; /* of expired: had to yield to a newer one */
	/* each interface, in frames and bytes of Ethernet without FCS */
	struct {
		uint64_t in_frames, in_bytes, out_frames, out_bytes;
	} interfaces[GT_INTERFACES_MAX];
};

/* Any caller. NULL never: `reason` is below GT_DROP_REASON_COUNT. */
const char *gt_drop_name(enum gt_drop_reason reason);
const char *gt_drop_help(enum gt_drop_reason reason);

/* Adds what another thread may be writing: each number is read whole, the set is not a snapshot.
 * Any caller. */
void gt_counters_add(struct gt_counters *sum, const struct gt_counters *c);

/* Sum of all drop reasons. Any caller. */
uint64_t gt_counters_dropped(const struct gt_counters *c);

#endif
