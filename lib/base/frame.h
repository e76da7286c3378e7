/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame as the packet core sees it: bytes, where they came from, and what became of them. The
 * bytes belong to the caller (an mbuf, a record of a capture, a fuzzer's heap block); the core
 * reads and rewrites them in place and never frees them.
 */
#ifndef GT_BASE_FRAME_H
#define GT_BASE_FRAME_H

#include <stdint.h>

enum gt_verdict {
	GT_DROP,   /* free it; `reason` says why */
	GT_SEND,   /* transmit it on `out_if`: a client's frame on its way to a server */
	GT_ANSWER, /* transmit it on `out_if`: rewritten into our answer to its sender */
	GT_KERNEL, /* hand it to the host's network stack */
	GT_PUNT,   /* hand it to main (gt_node_frame), which gives the final verdict: ARP and NDP */
	GT_HAND,   /* hand it to worker `to_worker`, as it is: it belongs there */
	GT_HELD,   /* the core keeps it (an early fragment); it comes back in `released` */
};

/* How far a frame has come on its way to its worker (pipeline/steer.h). */
enum gt_steered {
	GT_STEERED_NOT,	      /* fresh from a device */
	GT_STEERED_FRAGMENTS, /* handed to the worker where its datagram's fragments meet */
	GT_STEERED_HOME,      /* handed to the worker that owns it */
};

/* Bytes that a caller leaves free in front of `data`, so that a tag or an outer header fits. */
#define GT_HEADROOM 128

/* A burst is at most this many frames. */
#define GT_BURST_MAX 64

/* One node has at most so many interfaces. */
#define GT_INTERFACES_MAX 16

struct gt_frame {
	uint8_t *data; /* first byte of the Ethernet header; GT_HEADROOM bytes before it are free */
	uint32_t len;  /* bytes that can be read and written at data */
	uint32_t wire_len; /* bytes of the whole frame without FCS; more than len where a capture
			    * cut it or further mbuf segments follow */
	uint8_t in_if;	   /* index of the interface it came in by */
	uint8_t out_if;	   /* out: with GT_SEND and GT_ANSWER */
	uint8_t verdict;   /* out: enum gt_verdict */
	union {
		uint8_t to_worker; /* out: with GT_HAND */
		uint8_t in_place;  /* out: with GT_SEND: not 0: data, len and wire_len are as
				    * they were. 0 as it comes from a device */
	};
	uint8_t reason;	   /* out: enum gt_drop_reason, with GT_DROP */
	uint8_t steered;   /* enum gt_steered: 0 as it comes from a device; the core's while it is
			      handed */
	uint8_t yields;	   /* out: with GT_KERNEL: what a flood is made of, so that it yields to the
			      rest where room is short */
	uint8_t ipv4_good; /* the device found the checksum of its IPv4 header right; 0: unknown */
	void *owner;	   /* the caller's own; the core only carries it */
};

#endif
