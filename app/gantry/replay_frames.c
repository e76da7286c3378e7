/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames through the workers, for `gantry replay`; see replay.h.
 *
 * Frames share a burst only where that changes nothing: plain TCP and UDP of one millisecond, with
 * no event between them. Whatever may act on more than itself (a fragment, ARP, ICMPv6, anything
 * odd) is a burst of its own; so the frames that it releases, the answer it gets and the plan that
 * changes by it come exactly behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "packet/parse.h"
#include "replay.h"

#if defined(__SANITIZE_ADDRESS__)
#define REPLAY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REPLAY_ASAN 1
#endif
#endif
#ifdef REPLAY_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* Bytes that frames of this length take in a buffer, headroom and alignment included. */
#define BUFFER_BYTES(len) (GT_HEADROOM + (((size_t)(len) + 63) & ~(size_t)63))
#define LONGEST_BYTES	  BUFFER_BYTES(GT_CAPTURE_FRAME_MAX)

/* The frames of a burst lie one behind the other: whole pages for each would meet in the same few
 * cache sets. A burst ends when the next frame does not fit. */
#define ARENA_BYTES (2 * LONGEST_BYTES)

/* Frames that may be held have buffers of their own: what each worker holds, and the one at work.
 */
#define KEPT_MAX(workers) (GT_FRAGMENT_HELD_MAX * (size_t)(workers) + 1)

/* ---- buffers ---- */

int gt_replay_create_buffers(struct gt_replay *r)
{
	struct gt_replay_buffers *b = &r->buffers;
	size_t n = KEPT_MAX(r->options.config->workers);

	b->arena = malloc(ARENA_BYTES);
	b->kept = malloc(n * LONGEST_BYTES);
	b->free = malloc(n * sizeof(*b->free));
	if (b->arena == NULL || b->kept == NULL || b->free == NULL) {
		fputs("gantry: no memory for buffers\n", stderr);
		return -1;
	}
	ASAN_POISON_MEMORY_REGION(b->kept, n * LONGEST_BYTES);
	/* The first one lies on top, and mostly it is the only one that is ever used. */
	for (b->n_free = 0; b->n_free < n; b->n_free++)
		b->free[b->n_free] = b->kept + (n - 1 - b->n_free) * LONGEST_BYTES;
	return 0;
}

void gt_replay_destroy_buffers(struct gt_replay *r)
{
	free(r->buffers.arena);
	free(r->buffers.kept);
	free(r->buffers.free);
}

/* ---- frames ---- */

/* Is it TCP or UDP over IPv4 or IPv6, no fragment, without IPv6 extension headers? */
bool gt_replay_is_plain(const struct gt_capture_record *c)
{
	const uint8_t *d = c->data;
	uint32_t l3 = RTE_ETHER_HDR_LEN;
	uint16_t type;

	if (c->len < l3 + RTE_VLAN_HLEN + 20)
		return false;
	type = (uint16_t)(d[12] << 8 | d[13]);
	if (type == RTE_ETHER_TYPE_VLAN) {
		type = (uint16_t)(d[16] << 8 | d[17]);
		l3 += RTE_VLAN_HLEN;
	}
	d += l3;
	if (type == RTE_ETHER_TYPE_IPV4)
		return (d[6] & 0x3f) == 0 && d[7] == 0 &&
		       (d[9] == GT_PROTO_TCP || d[9] == GT_PROTO_UDP);
	return type == RTE_ETHER_TYPE_IPV6 && (d[6] == GT_PROTO_TCP || d[6] == GT_PROTO_UDP);
}

/* Copies a capture's frame behind the headroom of a buffer. */
static void take(struct gt_replay *r, struct gt_frame *f, const struct gt_capture_record *c,
		 uint8_t *buffer, void *owner)
{
	ASAN_UNPOISON_MEMORY_REGION(buffer, GT_HEADROOM + c->len);
	memcpy(buffer + GT_HEADROOM, c->data, c->len);
	*f = (struct gt_frame){
		.data = buffer + GT_HEADROOM,
		.len = c->len,
		.wire_len = c->wire_len,
		.in_if = c->interface,
		.owner = owner,
	};
	r->read++;
}

/* Does what its final verdict says; `cause` is the time of the frame that brought it. */
static void finish(struct gt_replay *r, const struct gt_frame *f, const struct timeval *cause)
{
	if ((f->verdict == GT_SEND || f->verdict == GT_ANSWER) && r->out[f->out_if] != NULL)
		gt_capture_out_write(r->out[f->out_if], cause, f->data, f->len, f->wire_len);
	if (f->owner != NULL && f->verdict != GT_HELD) {
		ASAN_POISON_MEMORY_REGION(f->owner, LONGEST_BYTES);
		r->buffers.free[r->buffers.n_free++] = f->owner;
	}
}

/* Passes a frame on to the worker that owns it, through at most one other, and finishes it. */
static void finish_or_hand(struct gt_replay *r, struct gt_frame *f, const struct timeval *cause)
{
	struct gt_worker *w;

	if (f->verdict != GT_HAND) {
		finish(r, f, cause);
		return;
	}
	w = r->workers[f->to_worker];
	gt_worker_burst(w, r->node->plan, gt_replay_now_ms(r), f, 1);
	finish_or_hand(r, f, cause);
	gt_replay_released(r, w, cause);
}

void gt_replay_released(struct gt_replay *r, struct gt_worker *w, const struct timeval *cause)
{
	for (unsigned i = 0; i < w->n_released; i++)
		finish_or_hand(r, &w->released[i], cause);
	w->n_released = 0;
}

/*
 * Which worker's queue a frame comes to: a device with receive-side scaling looks at whole TCP and
 * UDP packets, and brings the others to the first. Not every device sees ports behind IPv6
 * extension headers; this one does not.
 */
static struct gt_worker *receiver(const struct gt_replay *r, const struct gt_frame *f)
{
	const struct gt_steer *s = &r->workers[0]->steer;
	struct gt_packet p;

	if (r->n_workers == 1 || gt_parse_link(f, &p) != GT_PARSE_OK || p.kind == GT_PACKET_ARP ||
	    gt_parse_network(f, &p) != GT_PARSE_OK || p.fragment != GT_FRAGMENT_NONE ||
	    (p.kind == GT_PACKET_IPV6 && p.l4_off - p.l3_off != sizeof(struct rte_ipv6_hdr)) ||
	    (p.protocol != GT_PROTO_TCP && p.protocol != GT_PROTO_UDP))
		return r->workers[0];
	return r->workers[gt_steer_connection(s, &p.src, p.src_port, &p.dst, p.dst_port)];
}

bool gt_replay_one(struct gt_replay *r, const struct gt_capture_record *c)
{
	struct timeval cause = c->ts;
	uint8_t *buffer = r->buffers.free[--r->buffers.n_free];
	struct gt_worker *w;
	struct gt_frame f;
	bool punted;

	take(r, &f, c, buffer, buffer);
	gt_captures_next(r->in);
	w = receiver(r, &f);
	if (r->loads != NULL)
		gt_loads_gather(r->loads, r->node->plan, r->workers);
	gt_worker_burst(w, r->node->plan, gt_replay_now_ms(r), &f, 1);
	punted = f.verdict == GT_PUNT;
	if (punted)
		gt_node_frame(r->node, &f, gt_replay_now_ms(r));
	finish_or_hand(r, &f, &cause);
	gt_replay_released(r, w, &cause);
	return punted;
}

void gt_replay_burst(struct gt_replay *r, const struct gt_capture_record *c, int64_t end_ns)
{
	uint8_t *at = r->buffers.arena, *end = at + ARENA_BYTES;
	struct gt_frame frames[GT_BURST_MAX];
	struct timeval causes[GT_BURST_MAX];
	unsigned n = 0;

	ASAN_POISON_MEMORY_REGION(at, ARENA_BYTES);
	do {
		gt_replay_move_clock(r, c);
		take(r, &frames[n], c, at, NULL);
		at += BUFFER_BYTES(c->len);
		causes[n++] = c->ts;
		gt_captures_next(r->in);
		c = gt_captures_peek(r->in);
	} while (n < GT_BURST_MAX && c != NULL && c->ns < end_ns && gt_replay_is_plain(c) &&
		 BUFFER_BYTES(c->len) <= (size_t)(end - at));

	gt_worker_burst(r->workers[0], r->node->plan, gt_replay_now_ms(r), frames, n);
	for (unsigned i = 0; i < n; i++)
		finish(r, &frames[i], &causes[i]);
	/* Only what the passing of time alone drops: nothing plain releases a fragment. */
	gt_replay_released(r, r->workers[0], &causes[n - 1]);
}
