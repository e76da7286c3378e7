/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker remembers of SNAT: sessions, and which source port is whose. A reply is (server
 * address, port, protocol) to (source address, port): the first and the source address are a pair,
 * and a pair has 64512 ports of its own, so that clients of different servers share port numbers.
 * From pair and port the session is found by index, without a search.
 *
 * Ports are taken in order, and one that was used rests for 120 s, in which the server may hold it
 * in TIME_WAIT, behind all others that rest: the pair's rested ones come first, fresh ones next.
 * Of several workers, each uses the ports whose replies a NIC brings to it by receive-side scaling
 * under our key and table (base/toeplitz.h): of each pair, every port is one worker's. Elsewhere
 * the same hash tells the owner of a reply, to whom it is handed over.
 */
#ifndef GT_FLOW_SNAT_H
#define GT_FLOW_SNAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/memory.h"
#include "base/tick.h"
#include "base/toeplitz.h"

#define GT_SNAT_PORT_FIRST  1024U
#define GT_SNAT_PORTS	    64512U /* of a pair, over all workers */
#define GT_SNAT_PORT_KERNEL 32768U /* and above: net.ipv4.ip_local_port_range begins there */
#define GT_SNAT_REST_TICKS  GT_TICKS(120)
#define GT_SNAT_PAIRS_MAX   16384 /* pairs in use at once, each worker */
#define GT_SNAT_NONE	    UINT32_MAX
/* A client repeats its SYN after a second: one that was silent for longer has given up, or never
 * was. */
#define GT_SNAT_YIELD_TICKS GT_TICKS(3)

struct gt_snat_session {
	struct gt_addr client;
	struct gt_addr vip;
	rte_be16_t client_port, vip_port;
	uint16_t server; /* number */
	uint16_t vip_number;
	uint32_t pair; /* index */
	uint16_t port; /* its source port, host order */
	uint8_t state; /* enum gt_flow_state, from both sides */
	bool live;     /* in use, not in the free list */
	bool answered; /* its server has sent something other than a RST */
	uint32_t tick; /* last packet of either side */
	uint32_t next; /* of the free list */
	uint32_t reserved;
};
_Static_assert(sizeof(struct gt_snat_session) == 64, "a session is a cache line");

/* One end of the pair, as replies show it: the server's address and port, our source address. */
struct gt_snat_pair_key {
	struct gt_addr server, source;
	rte_be16_t port;
	uint8_t protocol;
	/* The host's kernel uses the source address too, with ports from GT_SNAT_PORT_KERNEL on: of
	 * a new pair. It does not tell pairs apart. */
	bool shared;
};

/* Slots of ports come in blocks, so that a pair with few connections takes little memory. */
#define GT_SNAT_BLOCK_PORTS 128
#define GT_SNAT_NO_BLOCK    0

/* A port: in use, resting, or fresh (all zero). */
struct gt_snat_slot {
	uint32_t session; /* index + 1 while in use, else 0 */
	uint16_t next;	  /* while resting: the port that began to rest next */
	uint16_t reserved;
	uint32_t since; /* while resting: tick */
};

struct gt_snat_pair {
	struct gt_snat_pair_key key;
	bool used;
	uint16_t rest_head, rest_tail; /* ports, 0: none rests */
	uint16_t rest_next;	       /* first of them that had not rested when it was looked at */
	uint32_t fresh;		       /* next port that was never used; 65536 and above: none */
	uint32_t live;
	uint32_t resting; /* ports from rest_next to the tail */
	uint32_t next;	  /* of the free list, index + 1 */
	uint32_t look;	  /* port where the search for a half-open session goes on */
	uint8_t entry;	  /* of the table, for a reply to port 0 */
	/* by port; number of the block, 0: not yet */
	uint32_t blocks[GT_SNAT_PORTS / GT_SNAT_BLOCK_PORTS];
};

struct gt_snat {
	struct gt_snat_session *sessions;
	uint32_t n_sessions, free_session, fresh_session; /* fresh: never used yet, from here on */
	struct gt_snat_pair *pairs;
	uint32_t *pair_table; /* open addressing: index + 1, 0 free */
	struct gt_snat_slot *blocks;
	uint32_t *block_next; /* free list */
	uint32_t n_blocks, free_block, fresh_block;
	uint32_t n_pairs, hand;
	uint32_t free_pair, fresh_pair; /* index + 1 of the free list's first; never used yet */
	uint32_t yield_hand;		/* of gt_snat_half_open */
	uint16_t worker, n_workers;
	/* What each value of a port's high and low byte adds to the table's entry of a reply, for
	 * IPv4 and IPv6 servers: the hash is linear. */
	uint8_t port_entry[2][2][256];
	uint32_t live;		/* sessions in use */
	uint64_t key[2];	/* random, odd */
	uint64_t pairs_changed; /* pairs made and freed: behind one, an index may be another's */
	struct gt_memory memory;
};

/* Takes memory for so many sessions of worker `worker` of `n_workers`. 0, -ENOMEM. Main. */
int gt_snat_create(struct gt_snat *s, uint32_t sessions, uint16_t worker, uint16_t n_workers,
		   const uint8_t random[16], const struct gt_memory *memory);
void gt_snat_destroy(struct gt_snat *s);
/* Bytes that gt_snat_create will take; the largest piece of them. Any caller. */
uint64_t gt_snat_bytes(uint32_t sessions, uint16_t n_workers);
uint64_t gt_snat_piece_bytes(uint32_t sessions, uint16_t n_workers);

/*
 * Opens a session with a port for the pair. Its pair, port and tick are filled in, the rest is zero
 * and the caller's. Index, or GT_SNAT_NONE: all ports of the pair are in use or resting, or there
 * is no room for another session or pair. Worker.
 */
uint32_t gt_snat_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick);

/* Ends a session: its port rests from now on. Worker. */
void gt_snat_close(struct gt_snat *s, uint32_t session, uint32_t tick);

/* Ends a session that its server never answered: its port may be used again at once, before all
 * others. Worker. */
void gt_snat_cancel(struct gt_snat *s, uint32_t session, uint32_t tick);

/*
 * A session in state GT_FLOW_SYN that was silent for GT_SNAT_YIELD_TICKS at least, and so may yield
 * to another connection: of this pair, or of any if `key` is NULL. Looks at a few and goes on from
 * there the next time: in a flood of SYNs most are of that kind. GT_SNAT_NONE: found none. Worker.
 */
uint32_t gt_snat_half_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick);

/* ---- pairs and ports, found ---- */

#define GT_SNAT_PAIR_BUCKETS (2 * GT_SNAT_PAIRS_MAX)

static inline bool gt_snat_same_pair(const struct gt_snat_pair_key *a,
				     const struct gt_snat_pair_key *b)
{
	return a->port == b->port && a->protocol == b->protocol &&
	       gt_addr_equal(&a->server, &b->server) && gt_addr_equal(&a->source, &b->source);
}

/*
 * Where the search for a pair begins. By a random key, as a client may choose the port. All else is
 * the configuration's, so that two multiplications are enough.
 */
static inline uint32_t gt_snat_pair_home(const struct gt_snat *s,
					 const struct gt_snat_pair_key *key)
{
	uint64_t w[4], h;

	memcpy(w, key->server.b, 16);
	memcpy(w + 2, key->source.b, 16);
	h = (w[0] ^ w[2]) + (w[1] ^ (w[3] << 32 | w[3] >> 32)) * s->key[0];
	h = ((h ^ h >> 32) + ((uint64_t)key->port << 8 | key->protocol)) * s->key[1];
	return (uint32_t)(h >> 40) & (GT_SNAT_PAIR_BUCKETS - 1);
}

/* The bucket that holds the pair, or the free one where it would go. Worker. */
static inline uint32_t gt_snat_find_bucket(const struct gt_snat *s,
					   const struct gt_snat_pair_key *key)
{
	uint32_t i = gt_snat_pair_home(s, key);

	while (s->pair_table[i] != 0 &&
	       !gt_snat_same_pair(&s->pairs[s->pair_table[i] - 1].key, key))
		i = (i + 1) & (GT_SNAT_PAIR_BUCKETS - 1);
	return i;
}

/* What is known of a pair's port (host order), or NULL: nobody ever had it. Worker. */
static inline struct gt_snat_slot *gt_snat_slot_of(const struct gt_snat *s,
						   const struct gt_snat_pair *p, uint16_t port)
{
	uint32_t i = (uint32_t)port - GT_SNAT_PORT_FIRST;
	uint32_t block =
		port < GT_SNAT_PORT_FIRST ? GT_SNAT_NO_BLOCK : p->blocks[i / GT_SNAT_BLOCK_PORTS];

	return block == GT_SNAT_NO_BLOCK
		       ? NULL
		       : &s->blocks[(size_t)block * GT_SNAT_BLOCK_PORTS + i % GT_SNAT_BLOCK_PORTS];
}

/* The pair that a session uses. Worker. */
static inline const struct gt_snat_pair_key *gt_snat_pair(const struct gt_snat *s, uint32_t session)
{
	return &s->pairs[s->sessions[session].pair].key;
}

/* The session of a reply to a source port (host order), or GT_SNAT_NONE. Worker. */
uint32_t gt_snat_find(const struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t port);

/*
 * How many ports of each pair are this worker's. Among 1024 ports in a row each entry of the table
 * comes eight times, of IPv4 and IPv6, so this is the same for all pairs. Any caller.
 */
uint32_t gt_snat_ports(const struct gt_snat *s);

/*
 * How far the fullest pair's ports are used up: those in use and those that rest, in percent of
 * what this worker has; 0 where there is no VIP of mode snat. *key is that pair's, if not NULL and
 * the result is not 0. While the worker goes on it is off by a few ports. Any caller.
 */
unsigned gt_snat_fullest_percent(const struct gt_snat *s, uint32_t tick,
				 struct gt_snat_pair_key *key);

#endif
