/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826, RFC 5227) and IPv6 neighbour discovery (RFC 4861) as main does them: answers for
 * VIPs and own addresses, asks for the servers' MACs and keeps them fresh, learns from what it
 * hears, announces VIPs, and finds other stations that answer for an address of ours. Pure: frames
 * and time in, frames and events out.
 */
#ifndef GT_NEIGHBOUR_NEIGHBOUR_H
#define GT_NEIGHBOUR_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/counters.h"
#include "base/frame.h"

/* Longest frame that this room makes: a tagged neighbour solicitation has 90 bytes. */
#define GT_NEIGHBOUR_FRAME_MAX 96

/* Unanswered questions after which a neighbour counts as silent. */
#define GT_NEIGHBOUR_SILENT_TRIES 3

/* Conflicts that are remembered; a further one takes the place of the one not seen for longest. */
#define GT_NEIGHBOUR_CONFLICTS_MAX 64

enum gt_neighbour_state {
	GT_NEIGHBOUR_UNRESOLVED, /* asked for: three times in 3 s, then every 5 s */
	GT_NEIGHBOUR_RESOLVED,	 /* it was heard less than 30 to 35 s ago (by its address) */
	GT_NEIGHBOUR_REFRESHING, /* MAC still used, being asked for again: 3 times at it, 3 times
				    all */
	GT_NEIGHBOUR_STATIC,	 /* from the configuration */
};

/* One neighbour, for people and for the plan. */
struct gt_neighbour {
	uint8_t interface;
	uint8_t state; /* enum gt_neighbour_state */
	struct gt_addr addr;
	struct gt_mac mac;     /* valid unless UNRESOLVED */
	uint64_t since_ms;     /* of its state */
	uint64_t confirmed_ms; /* when it last told its MAC; 0 never */
	uint64_t next_ms;      /* when something is due */
	uint32_t tries;	       /* questions since the last answer */
	uint32_t references;   /* how often it was added, and not yet removed */
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
	GT_NEIGHBOUR_EVENT_LOST,   /* it no longer answers; frames to it are dropped from now on */
	GT_NEIGHBOUR_EVENT_SILENT, /* it has never answered yet: told once, after 3 questions, or at
				    * once if the interface has no own address of its family to ask
				    * from */
	GT_NEIGHBOUR_EVENT_CONFLICT, /* another station answers for an own address or a VIP; told at
				      * the first and then at most once a minute for each address */
};

struct gt_neighbour_hooks {
	/* A frame to be sent out of an interface: bytes are the callee's to copy. Called by the
	 * tick only. NULL: nothing is sent unasked, and so nothing ages: the tick does nothing
	 * (replay). */
	void (*emit)(void *ctx, uint8_t interface, const uint8_t *frame, size_t len);
	/* addr's neighbour changed. `mac` is its MAC now, with LOST the one it had, with CONFLICT
	 * the other station's, with SILENT NULL; `old_mac` is NULL but with CHANGED. Must not call
	 * functions that change the sets. Never NULL. */
	void (*event)(void *ctx, enum gt_neighbour_event event, uint8_t interface,
		      const struct gt_addr *addr, const struct gt_mac *mac,
		      const struct gt_mac *old_mac);
	void *ctx;
};

struct gt_neighbours; /* one for the node */

/* NULL: no memory. Main, like all below. */
struct gt_neighbours *gt_neighbours_create(const struct gt_neighbour_hooks *hooks);
void gt_neighbours_destroy(struct gt_neighbours *n);

/*
 * An interface's MAC and tag (0: none), before anything else of it is added. Again: changes it, and
 * its addresses are announced again.
 */
void gt_neighbours_interface(struct gt_neighbours *n, uint8_t interface, const struct gt_mac *mac,
			     uint16_t vlan);

/*
 * The interface's link came back. Whatever is behind it may be another switch, which knows none of
 * our MACs, or other stations: its addresses of ours are announced again, and its neighbours asked
 * at once, all who hear it; the MACs that are known stay in use meanwhile.
 */
void gt_neighbours_link_up(struct gt_neighbours *n, uint8_t interface);

/*
 * An address of ours on an interface: an own one, with its prefix (it then is the source of
 * questions about that subnet; where no prefix holds the target, the first own address of its
 * family is), or a VIP. It is announced (gratuitous ARP, RFC 5227 3; unsolicited NA, RFC
 * 4861 7.2.6) at the next tick and 1 s and 3 s later, and others that answer for it are looked for:
 * a VIP is asked for 1 s after the last announcement and then every 60 s. At most 100 of these
 * frames leave in a tick, and 1000 in a second. Adding it twice counts. 0, -ENOMEM, -EINVAL (the
 * interface was not told of). Remove it with what it was added with; what is not there is ignored.
 */
int gt_neighbours_add_own(struct gt_neighbours *n, uint8_t interface,
			  const struct gt_prefix *prefix, bool vip);
void gt_neighbours_remove_own(struct gt_neighbours *n, uint8_t interface,
			      const struct gt_prefix *prefix, bool vip);

/*
 * While an address of ours is withdrawn it is not announced, not answered for and not looked for,
 * and who else has it is no conflict: another node may serve it. It is announced again when it is
 * back. What is not there is ignored.
 */
void gt_neighbours_withdraw(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
			    bool withdrawn);

/*
 * A neighbour whose MAC is wanted, or told if mac is not NULL (static: never asked, never changed
 * by what is heard). Counted: each add needs a remove, with a mac if it had one (which does not
 * matter). So a new configuration is added before the old one is removed, and no MAC is lost. While
 * one of its references is static it is static, with the MAC that was told last; when the last such
 * one goes, the MAC is kept and asked for at once. No events come of this. 0, -ENOMEM, -EINVAL (the
 * interface was not told of).
 */
int gt_neighbours_add(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
		      const struct gt_mac *mac);
void gt_neighbours_remove(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr,
			  const struct gt_mac *mac);

/*
 * Lets stations of the own subnets become known that nobody added: clients, whose MACs the way back
 * of `nat` and `snat` needs. At most so many; 0, as at birth, ends it. They are learned from what
 * asks for an address of ours, refreshed like others, and forgotten when they no longer answer.
 */
void gt_neighbours_guests(struct gt_neighbours *n, uint32_t most);

/* Asks for a guest that is not known yet, if its address lies in an own subnet and there is room.
 */
void gt_neighbours_want(struct gt_neighbours *n, uint8_t interface, const struct gt_addr *addr);

/* The neighbour, or NULL. Valid until the next call that changes the set. */
const struct gt_neighbour *gt_neighbours_find(const struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr);

/*
 * An ARP or NDP frame that the pipeline punted. Sets frame->verdict: GT_ANSWER (rewritten in place
 * into the answer, out_if = in_if) or GT_DROP with NEIGHBOUR_BAD, NEIGHBOUR_OTHER or
 * NEIGHBOUR_TOLD. May call hooks.event. Nothing ages by it. The answer is frame->len bytes at
 * frame->data, and wire_len is the same: an ARP answer keeps the length, an NDP answer has its own
 * and may begin up to 8 bytes before the frame did, in the headroom. Frames that carry a MAC of
 * ours as the sender's (reflected ones) are TOLD and change nothing. A frame whose sender has an
 * address of ours with another MAC is a conflict: remembered, told, the address announced at the
 * next tick (RFC 5227 2.4 (c): at most every 10 s for each), never answered.
 */
void gt_neighbours_frame(struct gt_neighbours *n, struct gt_frame *frame, uint64_t now_ms);

/* Does what is due: questions, announcements, ageing. Call every 100 ms or so. */
void gt_neighbours_tick(struct gt_neighbours *n, uint64_t now_ms);

/* For reports: the i-th neighbour, or the i-th newest conflict; NULL behind the last. */
const struct gt_neighbour *gt_neighbours_at(const struct gt_neighbours *n, size_t i);
const struct gt_neighbour_conflict *gt_neighbours_conflict_at(const struct gt_neighbours *n,
							      size_t i);

#endif
