/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What became of a datagram's first fragment, so that the later ones share its fate, and the later
 * ones that came before it. The key is the whole (source, destination, protocol, identification).
 * Bounded: 4096 datagrams for 15 s, and 32 held frames for 1 s (algorithms.md); a flood costs
 * strangers their early fragments, never memory.
 */
#ifndef GT_FLOW_FRAGMENTS_H
#define GT_FLOW_FRAGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/frame.h"
#include "base/hash.h"
#include "base/memory.h"

#define GT_FRAGMENT_DATAGRAMS 4096
#define GT_FRAGMENT_WAYS      4
#define GT_FRAGMENT_LIFE_MS   15000
#define GT_FRAGMENT_HELD_MAX  32
#define GT_FRAGMENT_HELD_MS   1000

struct gt_fragment_key {
	struct gt_addr src, dst;
	uint32_t id; /* as in the header */
	uint8_t protocol;
};

/* The fate of all fragments of a datagram: a verdict with its reason or server. */
struct gt_fragment_fate {
	uint8_t verdict; /* GT_SEND, GT_ANSWER, GT_HAND (`server` is the worker), GT_KERNEL or
			    GT_DROP */
	uint8_t reason;
	/* with GT_SEND: the pipeline's path; the session may be another one by now */
	uint8_t path;
	uint16_t server;
	uint32_t session;
};

struct gt_fragments {
	struct gt_fragment_entry *entries;
	struct gt_aeshash_key key;
	gt_aeshash_fn *hash;
	struct gt_memory memory;
	struct gt_fragment_held {
		struct gt_frame frame;
		struct gt_fragment_key key;
		uint64_t since_ms;
	} held[GT_FRAGMENT_HELD_MAX]; /* in the order they came */
	unsigned n_held;
};

/* Bytes that gt_fragments_create will take. Any caller. */
uint64_t gt_fragments_bytes(void);

/* 0, -ENOMEM. Main. */
int gt_fragments_create(struct gt_fragments *f, const uint8_t random[16],
			const struct gt_memory *memory);
void gt_fragments_destroy(struct gt_fragments *f);

/* Notes what became of a first fragment. Worker. */
void gt_fragments_decide(struct gt_fragments *f, const struct gt_fragment_key *key,
			 struct gt_fragment_fate fate, uint64_t now_ms);

/* The fate of a later fragment; false if its first one is not known. Worker. */
bool gt_fragments_find(const struct gt_fragments *f, const struct gt_fragment_key *key,
		       uint64_t now_ms, struct gt_fragment_fate *fate);

/* Keeps an early fragment. False if 32 are held. Worker. */
bool gt_fragments_hold(struct gt_fragments *f, const struct gt_frame *frame,
		       const struct gt_fragment_key *key, uint64_t now_ms);

/* Moves the held frames of a datagram to out, in the order they came; returns how many. Worker. */
unsigned gt_fragments_release(struct gt_fragments *f, const struct gt_fragment_key *key,
			      struct gt_frame out[GT_FRAGMENT_HELD_MAX]);

/* Moves the frames that have waited too long (all, if `all`) to out; returns how many. Worker. */
unsigned gt_fragments_expire(struct gt_fragments *f, uint64_t now_ms, bool all,
			     struct gt_frame out[GT_FRAGMENT_HELD_MAX]);

#endif
