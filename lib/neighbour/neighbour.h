/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826, RFC 5227) and IPv6 neighbour discovery (RFC 4861) as main does them: answers for VIPs
 * and own addresses, asks for the servers' MACs and keeps them fresh, learns from what it hears, announces
 * VIPs, and finds other stations that answer for an address of ours. Pure: frames and time in, frames
 * and events out.
 */
#ifndef GT_NEIGHBOUR_NEIGHBOUR_H
#define GT_NEIGHBOUR_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/frame.h"

/* Longest frame that this room makes: a tagged neighbour solicitation. */
#define GT_NEIGHBOUR_FRAME_MAX 96

enum gt_neighbour_state {
	GT_NEIGHBOUR_UNRESOLVED, /* asked for, once a second, then every 5 s */
	GT_NEIGHBOUR_RESOLVED,
	GT_NEIGHBOUR_REFRESHING, /* MAC still used, being asked for again */
	GT_NEIGHBOUR_STATIC,	 /* from the configuration */
};

/* One neighbour, for people and for the plan. */
struct gt_neighbour {
	uint8_t interface;
	uint8_t state; /* enum gt_neighbour_state */
	struct gt_addr addr;
	struct gt_mac mac;	/* valid unless UNRESOLVED */
	uint64_t since_ms;	/* of its state */
	uint64_t confirmed_ms;	/* when it last told its MAC; 0 never */
	uint64_t next_ms;	/* when something is due */
	uint32_t tries;		/* questions since the last answer */
	uint32_t references;	/* how often it was added */
};

/* Another station that answered for an address of ours. */
struct gt_neighbour_conflict {
	uint8_t interface;
	struct gt_addr addr;
	struct gt_mac mac;
	uint64_t first_ms, last_ms;
	uint64_t count;
};

enum gt_neighbour_event {
	GT_NEIGHBOUR_EVENT_RESOLVED, /* a MAC became known */
	GT_NEIGHBOUR_EVENT_CHANGED,  /* it became another: old_mac */
	GT_NEIGHBOUR_EVENT_LOST,     /* it no longer answers; frames to it are dropped from now on */
	GT_NEIGHBOUR_EVENT_SILENT,   /* it has never answered yet, told once after 3 questions */
	GT_NEIGHBOUR_EVENT_CONFLICT, /* another station answers for an own address or a VIP; told at the
				      * first and then at most once a minute for each address */
};

struct gt_neighbour_hooks {
	/* A frame to be sent out of an interface: bytes are the callee's to copy. NULL: send nothing
	 * unasked (replay). */
	void (*emit)(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);
	/* addr's neighbour changed. For CONFLICT, `mac` is the other station's. Never NULL. */
	void (*event)(void *ctx, enum gt_neighbour_event event, uint8_t interface,
		      const struct gt_addr *addr, const struct gt_mac *mac,
		      const struct gt_mac *old_mac);
	void *ctx;
};

struct gt_neighbours; /* one for the node */

/* NULL: no memory. Main, like all below. */
struct gt_neighbours *gt_neighbours_create(const struct gt_neighbour_hooks *hooks);
void gt_neighbours_destroy(struct gt_neighbours *n);

/* An interface's MAC and tag (0: none), before anything else of it is added. Again: changes it. */
void gt_neighbours_interface(struct gt_neighbours *n, uint8_t interface, const struct gt_mac *mac,
			     uint16_t vlan);

/*
 * An address of ours on an interface: an own one, with its prefix (it then is the source of
 * questions about that subnet), or a VIP. It is announced (gratuitous ARP, RFC 5227 3; unsolicited
 * NA, RFC 4861 7.2.6) at the next tick and 1 s and 3 s later, and others that answer for it are looked for:
 * a VIP is asked for at start and every 60 s. Adding it twice counts. 0, -ENOMEM.
 */
int gt_neighbours_add_own(struct gt_neighbours *n, uint8_t interface, const struct gt_prefix *prefix,
			  bool vip);
void gt_neighbours_remove_own(struct gt_neighbours *n, uint8_t interface,
			      const struct gt_prefix *prefix, bool vip);

/*
 * A neighbour whose MAC is wanted, or told if mac is not NULL (static: never asked, never changed by
 * what is heard). Counted: each add needs a remove. 0, -ENOMEM.
 */
int gt_neighbours_add(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
		      const struct gt_mac *mac);
void gt_neighbours_remove(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr);

/* The neighbour, or NULL. Valid until the next call that changes the set. */
const struct gt_neighbour *gt_neighbours_find(const struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr);

/*
 * An ARP or NDP frame that the pipeline punted. Sets frame->verdict: GT_ANSWER (rewritten in place into
 * the answer, out_if = in_if) or GT_DROP with NEIGHBOUR_BAD, NEIGHBOUR_OTHER or NEIGHBOUR_TOLD. May call
 * the hooks.
 */
void gt_neighbours_frame(struct gt_neighbours *n, struct gt_frame *frame, uint64_t now_ms);

/* Does what is due: questions, announcements, ageing. Call every 100 ms or so. */
void gt_neighbours_tick(struct gt_neighbours *n, uint64_t now_ms);

/* For reports: the i-th neighbour or conflict, NULL behind the last. */
const struct gt_neighbour *gt_neighbours_at(const struct gt_neighbours *n, size_t i);
const struct gt_neighbour_conflict *gt_neighbours_conflict_at(const struct gt_neighbours *n,
							      size_t i);

#endif
