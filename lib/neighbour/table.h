/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the neighbour room: what its files share. Three sets: neighbours whose MAC is
 * wanted, addresses of ours, and the prefixes of own addresses, from which questions are asked. The
 * first two are dense arrays, so that a tick walks memory in order, each with a hash index by
 * (interface, address), because every ARP frame of the wire is looked up in both.
 */
#ifndef GT_NEIGHBOUR_TABLE_H
#define GT_NEIGHBOUR_TABLE_H

#include "neighbour/neighbour.h"

#define GT_NEIGHBOUR_NONE UINT32_MAX

/* Index of a dense array by (interface, address): open addressing, linear, at most half full. */
struct gt_neighbour_slot {
	struct gt_addr addr;
	uint32_t value; /* GT_NEIGHBOUR_NONE: empty */
	uint8_t interface;
};

struct gt_neighbour_map {
	struct gt_neighbour_slot *slots;
	uint32_t size; /* 0, or a power of two */
};

struct gt_neighbour_link {
	struct gt_mac mac;
	uint16_t vlan;
	bool known;
};

struct gt_neighbour_entry {
	struct gt_neighbour pub;
	uint32_t fixed; /* of its references: with a MAC from the configuration */
	bool guest;	/* nobody added it: see gt_neighbours_guests */
	bool told;	/* SILENT or LOST was told: not again until it has answered */
};

/* An address of ours. */
struct gt_neighbour_own {
	struct gt_addr addr;
	uint8_t interface;
	uint8_t announcements; /* still to be sent */
	bool defend;	       /* one more, because another station claimed it */
	bool withdrawn;	       /* not ours at the moment */
	bool silent;	       /* so it was at the last tick */
	uint32_t references;   /* as an own address or as a VIP */
	uint32_t vips;	       /* of these: as a VIP */
	uint64_t announce_ms;
	uint64_t look_ms; /* when others that answer for it are looked for, after all announcements
			   */
	uint64_t defend_after_ms, tell_after_ms; /* a conflict before that is only counted */
};

/* An own address with its prefix, in the order of their coming. */
struct gt_neighbour_source {
	struct gt_prefix prefix;
	uint8_t interface;
	uint32_t references;
};

/* How many frames may leave: filled by time, so that pacing does not depend on how often main
 * ticks. */
struct gt_neighbour_bucket {
	uint64_t filled_ms;
	uint32_t tokens;
};

struct gt_neighbours {
	struct gt_neighbour_hooks hooks;
	struct gt_neighbour_link links[GT_INTERFACES_MAX];
	uint64_t now_ms; /* the last time that was told */

	struct gt_neighbour_entry *entries;
	uint32_t n_entries, entries_room;
	struct gt_neighbour_map entries_map;
	uint32_t entries_next;		/* where the tick goes on */
	uint32_t guests_most, n_guests; /* entries without references */
	struct gt_neighbour_bucket questions;

	struct gt_neighbour_own *owns;
	uint32_t n_owns, owns_room;
	struct gt_neighbour_map owns_map;
	uint32_t owns_next;
	struct gt_neighbour_bucket claims;

	struct gt_neighbour_source *sources;
	uint32_t n_sources, sources_room;

	/* newest first */
	struct gt_neighbour_conflict conflicts[GT_NEIGHBOUR_CONFLICTS_MAX];
	uint32_t n_conflicts;
};

/* What a frame says of itself below ARP and IPv6. */
struct gt_neighbour_input {
	struct gt_frame *frame;
	uint32_t l3_off;
	struct gt_mac from;		      /* Ethernet source: unicast */
	const struct gt_neighbour_link *link; /* of the interface it came in by */
	uint64_t now_ms;
};

#define GT_NEIGHBOUR_TOKENS 100 /* frames of a kind in one tick, and in 100 ms */

/* map.c. Well spread and the same on every node; addresses come from the configuration. */
uint64_t gt_neighbour_hash(uint8_t interface, const struct gt_addr *addr);
/* Room for n keys: 0, -ENOMEM. */
int gt_neighbour_map_reserve(struct gt_neighbour_map *map, uint32_t n);
/* GT_NEIGHBOUR_NONE: not there. */
uint32_t gt_neighbour_map_find(const struct gt_neighbour_map *map, uint8_t interface,
			       const struct gt_addr *addr);
/* Adds a key for which there is room, or changes its value. */
void gt_neighbour_map_set(struct gt_neighbour_map *map, uint8_t interface,
			  const struct gt_addr *addr, uint32_t value);
void gt_neighbour_map_remove(struct gt_neighbour_map *map, uint8_t interface,
			     const struct gt_addr *addr);

/* neighbour.c. NULL: not there. */
struct gt_neighbour_entry *gt_neighbour_entry(const struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr);
struct gt_neighbour_own *gt_neighbour_own(const struct gt_neighbours *n, uint8_t interface,
					  const struct gt_addr *addr);
/* It is announced at the next tick and twice more. */
void gt_neighbour_announce_again(struct gt_neighbour_own *own);
/* Is it one that we answer for? */
bool gt_neighbour_answers(const struct gt_neighbours *n, uint8_t interface,
			  const struct gt_addr *addr);
/* A new guest, or NULL: there may be none more, or not there. */
struct gt_neighbour_entry *gt_neighbour_guest(struct gt_neighbours *n, uint8_t interface,
					      const struct gt_addr *addr);
/* Takes an entry without references out: the last one of the array takes its place. */
void gt_neighbour_forget(struct gt_neighbours *n, struct gt_neighbour_entry *e);
/* The own address from which to ask for a target. NULL: there is none of its family. */
const struct gt_addr *gt_neighbour_source(const struct gt_neighbours *n, uint8_t interface,
					  const struct gt_addr *target);
void gt_neighbour_set_state(struct gt_neighbour_entry *e, enum gt_neighbour_state state,
			    uint64_t now_ms);

/* timers.c. An entry is asked for at the next tick, by a question to all, and as if for the first
 * time. */
void gt_neighbour_ask_again(struct gt_neighbour_entry *e, uint64_t now_ms);

/* heard.c. What a frame's parser found out. */
static inline void gt_neighbour_drop(struct gt_frame *frame, enum gt_drop_reason reason)
{
	frame->verdict = GT_DROP;
	frame->reason = (uint8_t)reason;
}

/* Is it the MAC of one of our interfaces? */
bool gt_neighbour_mac_is_ours(const struct gt_neighbours *n, const struct gt_mac *mac);
/* If the address is ours on that interface, the station that uses it is a conflict: true. */
bool gt_neighbour_conflict(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			   const struct gt_addr *addr, const struct gt_mac *mac);
/* A station told its MAC. `override`: also where another one is known. */
void gt_neighbour_learn(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			const struct gt_addr *addr, const struct gt_mac *mac, bool override);
/* A station answered without its MAC: the known one is confirmed. */
void gt_neighbour_confirm(struct gt_neighbours *n, const struct gt_neighbour_input *in,
			  const struct gt_addr *addr);

/*
 * arp.c and ndp.c. A frame that came in gets its verdict. The makers write a whole frame of at most
 * GT_NEIGHBOUR_FRAME_MAX bytes and return its length. `to` is NULL, to ask all, or the MAC that is
 * asked whether it still is the target's.
 */
void gt_arp_frame(struct gt_neighbours *n, const struct gt_neighbour_input *in);
size_t gt_arp_question(uint8_t *out, const struct gt_neighbour_link *link,
		       const struct gt_addr *source, const struct gt_addr *target,
		       const struct gt_mac *to);
size_t gt_arp_announcement(uint8_t *out, const struct gt_neighbour_link *link,
			   const struct gt_addr *addr);
void gt_ndp_frame(struct gt_neighbours *n, const struct gt_neighbour_input *in);
size_t gt_ndp_question(uint8_t *out, const struct gt_neighbour_link *link,
		       const struct gt_addr *source, const struct gt_addr *target,
		       const struct gt_mac *to);
size_t gt_ndp_announcement(uint8_t *out, const struct gt_neighbour_link *link,
			   const struct gt_addr *addr);

/* heard.c: the Ethernet header and tag of a frame of ours; returns their length. */
size_t gt_neighbour_write_link(uint8_t *out, const struct gt_neighbour_link *link,
			       const struct gt_mac *to, uint16_t ether_type);

#endif
