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
	GT_HELD,   /* the core keeps it (an early fragment); it comes back in `released` */
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
	uint8_t reason;	   /* out: enum gt_drop_reason, with GT_DROP */
	void *owner;	   /* the caller's own; the core only carries it */
};

#endif
