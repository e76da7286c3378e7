/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker remembers of SNAT: sessions, and which source port is whose. A reply is (server
 * address, port, protocol) to (source address, port): the first and the source address are a pair,
 * and a pair has 64512 ports of its own, so that clients of different servers share port numbers.
 *
 * A session is what its port remembers: pair and port name it, and lead to its 16 bytes (32 where
 * clients may be IPv6) without a search. So a reply reads one cold line; a client's packet reads
 * none but its entry's, which names pair and port: all else that it needs the pair has, and a
 * worker's few pairs are at hand.
 *
 * Ports are taken in order, and one that was used rests for 120 s, in which the server may hold it
 * in TIME_WAIT, behind all others that rest: the pair's rested ones come first, fresh ones next.
 * Of several workers, each uses the ports whose replies a NIC brings to it by receive-side scaling
 * under our key and table (base/toeplitz.h): of each pair, every port is one worker's. Elsewhere
 * the same hash tells the owner of a reply, to whom it is handed over.
 *
 * Memory comes in blocks, so that a pair with few connections takes little: one for each 256 ports
 * in a row, with room for those of them that are the worker's. By the hash, which is linear, each
 * entry of the table comes twice among them, of IPv4 and IPv6, whichever they are. One worker alone
 * has all ports; its blocks are of 128.
 */
#ifndef GT_FLOW_SNAT_H
#define GT_FLOW_SNAT_H

#include <stdbool.h>
#include <stddef.h>
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

/* What is known of a port: it has a session (live), it rests, or it is fresh (all zero). */
struct gt_snat_session {
	uint32_t tick : 24; /* live: of the last packet of the server's side, or, while half-open
			       and once it ends, of either side; resting: since then */
	uint32_t state : 3; /* enum gt_flow_state, the same as in the entry of the table */
	uint32_t live : 1;
	uint32_t answered : 1; /* its server has sent something other than a RST */
	uint32_t by_port : 1;  /* the entry's key has the VIP's port: its service does not */
	uint32_t reserved : 2;
	rte_be32_t client;		  /* IPv4; else see gt_snat_session6 */
	rte_be16_t vip_port, client_port; /* as they are in a reply */
	uint16_t server;		  /* number */
	union {
		uint16_t service; /* number: tells the VIP */
		uint16_t next;	  /* while resting: the port that began to rest next */
	};
};
_Static_assert(sizeof(struct gt_snat_session) == 16, "four sessions are a cache line");

/* Where clients may be IPv6: the whole address, to be read at once. */
struct gt_snat_session6 {
	struct gt_snat_session session;
	struct gt_addr client;
};
_Static_assert(sizeof(struct gt_snat_session6) == 32, "two sessions are a cache line");

/* One end of the pair, as replies show it: the server's address and port, our source address. */
struct gt_snat_pair_key {
	struct gt_addr server, source;
	rte_be16_t port;
	uint8_t protocol;
	/* The host's kernel uses the source address too, with ports from GT_SNAT_PORT_KERNEL on: of
	 * a new pair. It does not tell pairs apart. */
	bool shared;
};

#define GT_SNAT_BLOCK_PORTS_MIN 128
#define GT_SNAT_NO_BLOCK	0

struct gt_snat_pair {
	/* What a packet reads comes first, in a line of its own. */
	struct gt_snat_pair_key key;
	uint16_t server; /* number: of all its sessions but those for which others are told */
	bool used;
	bool v6;		       /* the server's family */
	uint8_t entry;		       /* of the table, for a reply to port 0 */
	uint16_t sum;		       /* of its addresses as of a checksum, in network order */
	uint32_t ports;		       /* of a packet to the server, without ours */
	uint16_t rest_head, rest_tail; /* ports, 0: none rests */
	uint16_t rest_next;	       /* first of them that had not rested when it was looked at */
	uint32_t fresh;		       /* next port that was never used; 65536 and above: none */
	uint32_t live;
	uint32_t resting; /* ports from rest_next to the tail */
	uint32_t next;	  /* of the free list, index + 1 */
	uint32_t look;	  /* port where the search for a half-open session goes on */
	/* by port; number of the block, 0: not yet */
	uint32_t blocks[GT_SNAT_PORTS / GT_SNAT_BLOCK_PORTS_MIN];
} __attribute__((aligned(64)));

/* The addresses of a pair as they are compared and hashed. */
struct gt_snat_ends {
	uint64_t server[2], source[2];
	uint32_t end; /* gt_snat_end: of the server's port, and what else there is */
};

/* A pair in the table: all that a reply reads of it but for its block, in one line. */
struct gt_snat_bucket {
	struct gt_snat_ends ends;
	struct gt_snat_pair *pair; /* NULL: free, and all else is 0 */
	uint32_t checked; /* the caller's: when it last knew that the source is still its own */
	uint16_t sum;
	uint8_t entry;
	uint8_t reserved[9];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct gt_snat_bucket) == 64, "a bucket is a cache line");

/* No session of this worker's has such a port. */
#define GT_SNAT_NO_PLACE UINT16_MAX

struct gt_snat {
	uint32_t n_sessions;		   /* that may be in use */
	uint32_t live;			   /* that are */
	struct gt_snat_pair *pairs;	   /* NULL: no VIP of mode snat */
	struct gt_snat_bucket *pair_table; /* open addressing */
	uint8_t *sessions;		   /* block by block */
	uint8_t session_shift;		   /* bytes of one: 16 or 32 */
	uint8_t block_shift;		   /* ports of a block: 128 or 256 */
	uint16_t block_sessions;	   /* how many of them are a worker's */
	uint16_t worker, n_workers;
	/*
	 * Where in its block a port's session is: `place` of pair->entry ^ port_code[v6][0][high
	 * byte] ^ port_code[v6][1][low byte]. That is the table's entry of a reply, and a bit that
	 * tells the two ports of a block apart which have the same.
	 */
	uint8_t port_code[2][2][256];
	uint16_t place[256];
	/* And back: the code at each place, and the low bits of a port whose code that is. */
	uint8_t code_at[256];
	uint8_t low_of[2][256];
	/* Of a block in use pair and which of its blocks, else the next of the free list */
	uint32_t *block_owner;
	uint32_t n_blocks, free_block, fresh_block;
	uint32_t n_pairs, hand;
	uint32_t free_pair, fresh_pair; /* index + 1 of the free list's first; never used yet */
	uint32_t yield_hand;		/* where gt_snat_half_open goes on */
	uint64_t key[2];		/* random, odd */
	uint32_t key_v4[3];		/* the same */
	uint64_t pairs_changed; /* pairs made and freed: behind one, an index may be another's */
	struct gt_memory memory;
};

/* A session's name: its pair's index, and its port in host order. 30 bits. */
static inline uint32_t gt_snat_name(uint32_t pair, uint16_t port)
{
	return pair << 16 | port;
}

static inline uint16_t gt_snat_port(uint32_t session)
{
	return (uint16_t)session;
}

/* Takes memory for so many sessions of worker `worker` of `n_workers`; v6: clients may be IPv6. 0,
 * -ENOMEM. Main. */
int gt_snat_create(struct gt_snat *s, uint32_t sessions, bool v6, uint16_t worker,
		   uint16_t n_workers, const uint8_t random[16], const struct gt_memory *memory);
void gt_snat_destroy(struct gt_snat *s);
/* Bytes that gt_snat_create will take; the largest piece of them. Any caller. */
uint64_t gt_snat_bytes(uint32_t sessions, bool v6, uint16_t n_workers);
uint64_t gt_snat_piece_bytes(uint32_t sessions, bool v6, uint16_t n_workers);

/*
 * Opens a session to a server, by its number, with a port for the pair. Of the session live, tick
 * and server are filled in, the rest is zero and the caller's. Its name, or GT_SNAT_NONE: all ports
 * of the pair are in use or resting, or there is no room for another session or pair. A name is
 * valid until its session ends, and lasts no longer: the same may be another's then. Worker.
 */
uint32_t gt_snat_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t server,
		      uint32_t tick);

/* Ends a session: its port rests from now on. Worker. */
void gt_snat_close(struct gt_snat *s, uint32_t session, uint32_t tick);

/* Ends a session that its server never answered: its port may be used again at once, before all
 * others. Worker. */
void gt_snat_cancel(struct gt_snat *s, uint32_t session, uint32_t tick);

/* Are there as many sessions as there is room for? Worker. */
static inline bool gt_snat_is_full(const struct gt_snat *s)
{
	return s->live == s->n_sessions;
}

/*
 * A session in state GT_FLOW_SYN that was silent for GT_SNAT_YIELD_TICKS at least, and so may yield
 * to another connection: of this pair, or of any if `key` is NULL. Looks at a few and goes on from
 * there the next time: in a flood of SYNs most are of that kind. GT_SNAT_NONE: found none. Worker.
 */
uint32_t gt_snat_half_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick);

/* ---- pairs and ports, found ---- */

#define GT_SNAT_PAIR_BUCKETS (2 * GT_SNAT_PAIRS_MAX)
#define GT_SNAT_PAIR_SHIFT   17 /* of 32 bits to one of them */
_Static_assert(GT_SNAT_PAIR_BUCKETS == 1ULL << (32 - GT_SNAT_PAIR_SHIFT),
	       "the top bits are a bucket");

/* Port, protocol and family in one word: pieces that were written apart must be waited for where
 * they are read together. */
static inline uint32_t gt_snat_end(rte_be16_t port, uint8_t protocol, bool v6)
{
	return (uint32_t)port | (uint32_t)protocol << 16 | (uint32_t)v6 << 24;
}

static inline bool gt_snat_is_v6(const struct gt_snat_ends *e)
{
	return e->end >> 24 != 0;
}

static inline struct gt_snat_ends gt_snat_ends(const struct gt_snat_pair_key *key)
{
	struct gt_snat_ends e = {
		.end = gt_snat_end(key->port, key->protocol, !gt_addr_is_v4(&key->server))};

	memcpy(e.server, key->server.b, sizeof(e.server));
	memcpy(e.source, key->source.b, sizeof(e.source));
	return e;
}

/* Of two of IPv4 the first words are the same. */
static inline bool gt_snat_is_pair(const struct gt_snat_ends *k, const struct gt_snat_ends *e)
{
	uint64_t differ =
		(k->server[1] ^ e->server[1]) | (k->source[1] ^ e->source[1]) | (k->end ^ e->end);

	if (gt_snat_is_v6(e))
		differ |= (k->server[0] ^ e->server[0]) | (k->source[0] ^ e->source[0]);
	return differ == 0;
}

/* The same of IPv4, given as words. */
static inline bool gt_snat_is_pair_v4(const struct gt_snat_ends *k, rte_be32_t server,
				      rte_be32_t source, uint32_t end)
{
	return ((gt_addr_word_to_v4(k->server[1]) ^ server) |
		(gt_addr_word_to_v4(k->source[1]) ^ source) | (k->end ^ end)) == 0;
}

/*
 * Where the search for a pair begins. By a random key, as a client may choose the port. All else is
 * the configuration's, so that multiplications are enough: two of 64 bits, or of IPv4, where eight
 * may be made at once, three of 32. Addresses count in host order there: those of a site differ in
 * their last bytes, which reach all bits of a product.
 */
static inline uint32_t gt_snat_pair_home_v4(const struct gt_snat *s, rte_be32_t server,
					    rte_be32_t source, uint32_t end)
{
	uint32_t h = rte_be_to_cpu_32(server) * s->key_v4[0] +
		     rte_be_to_cpu_32(source) * s->key_v4[1] + end * s->key_v4[2];

	return h >> GT_SNAT_PAIR_SHIFT;
}

static inline uint32_t gt_snat_pair_home_v6(const struct gt_snat *s, const struct gt_snat_ends *e)
{
	uint64_t h = (e->server[0] ^ e->source[0]) +
		     (e->server[1] ^ (e->source[1] << 32 | e->source[1] >> 32)) * s->key[0];

	h = ((h ^ h >> 32) + e->end) * s->key[1];
	return (uint32_t)(h >> 40) & (GT_SNAT_PAIR_BUCKETS - 1);
}

static inline uint32_t gt_snat_pair_home(const struct gt_snat *s, const struct gt_snat_ends *e)
{
	return gt_snat_is_v6(e) ? gt_snat_pair_home_v6(s, e)
				: gt_snat_pair_home_v4(s, gt_addr_word_to_v4(e->server[1]),
						       gt_addr_word_to_v4(e->source[1]), e->end);
}

/* The bucket that holds the pair, or the free one where it would go. Worker. */
static inline struct gt_snat_bucket *gt_snat_find_bucket(const struct gt_snat *s,
							 const struct gt_snat_ends *e)
{
	for (uint32_t i = gt_snat_pair_home(s, e);; i = (i + 1) & (GT_SNAT_PAIR_BUCKETS - 1)) {
		struct gt_snat_bucket *b = &s->pair_table[i];

		if (b->pair == NULL || gt_snat_is_pair(&b->ends, e))
			return b;
	}
}

/* The bucket that holds the pair, or NULL. Worker. */
static inline struct gt_snat_bucket *gt_snat_known_bucket(const struct gt_snat *s,
							  const struct gt_snat_ends *e)
{
	struct gt_snat_bucket *b = gt_snat_find_bucket(s, e);

	return b->pair != NULL ? b : NULL;
}

/* Where in its block a port (host order) of such a pair is, or GT_SNAT_NO_PLACE: it is another
 * worker's. Worker. */
static inline uint16_t gt_snat_place(const struct gt_snat *s, bool v6, uint8_t entry, uint16_t port)
{
	const uint8_t(*code)[256] = s->port_code[v6];

	/* As the tables say, too: one worker has all ports, in their order. */
	if (s->n_workers == 1)
		return port & (GT_SNAT_BLOCK_PORTS_MIN - 1);
	return s->place[entry ^ code[0][port >> 8] ^ code[1][port & 0xff]];
}

/* The session at a place of a block. Worker. */
static inline struct gt_snat_session *gt_snat_session_at(const struct gt_snat *s, uint32_t block,
							 uint32_t place)
{
	size_t i = (size_t)block * s->block_sessions + place;

	return (struct gt_snat_session *)(void *)(s->sessions + (i << s->session_shift));
}

/* The session at a place that gt_snat_place gave, of the block of a pair's port; or NULL: nobody
 * ever had it. Worker. */
static inline struct gt_snat_session *
gt_snat_placed(const struct gt_snat *s, const struct gt_snat_pair *p, uint16_t port, uint16_t place)
{
	uint32_t block = port < GT_SNAT_PORT_FIRST
				 ? GT_SNAT_NO_BLOCK
				 : p->blocks[(port - GT_SNAT_PORT_FIRST) >> s->block_shift];

	return block == GT_SNAT_NO_BLOCK || place == GT_SNAT_NO_PLACE
		       ? NULL
		       : gt_snat_session_at(s, block, place);
}

/* What is known of a pair's port (host order), or NULL: nobody ever had it. Worker. */
static inline struct gt_snat_session *gt_snat_port_of(const struct gt_snat *s,
						      const struct gt_snat_pair *p, uint16_t port)
{
	return gt_snat_placed(s, p, port, gt_snat_place(s, p->v6, p->entry, port));
}

/* The same by the pair's bucket and family. Worker. */
static inline struct gt_snat_session *
gt_snat_bucket_port(const struct gt_snat *s, const struct gt_snat_bucket *b, bool v6, uint16_t port)
{
	return gt_snat_placed(s, b->pair, port, gt_snat_place(s, v6, b->entry, port));
}

/* The pair of a session. Worker. */
static inline const struct gt_snat_pair *gt_snat_pair(const struct gt_snat *s, uint32_t session)
{
	return &s->pairs[session >> 16];
}

/* The session of a name; one that ended is not live, or NULL. Worker. */
static inline struct gt_snat_session *gt_snat_session(const struct gt_snat *s, uint32_t session)
{
	return gt_snat_port_of(s, gt_snat_pair(s, session), gt_snat_port(session));
}

/* Does each session have room for an IPv6 client? Any caller. */
static inline bool gt_snat_is_wide(const struct gt_snat *s)
{
	return sizeof(struct gt_snat_session6) == 1ULL << s->session_shift;
}

/* Where that client's address is. Worker. */
static inline const struct gt_addr *gt_snat_client_v6(const struct gt_snat_session *session)
{
	return &((const struct gt_snat_session6 *)(const void *)session)->client;
}

/* Its client's address. Worker. */
static inline struct gt_addr gt_snat_client(const struct gt_snat *s,
					    const struct gt_snat_session *session)
{
	return gt_snat_is_wide(s) ? *gt_snat_client_v6(session) : gt_addr_from_v4(session->client);
}

/* False: there is no room for an IPv6 one. Worker. */
static inline bool gt_snat_set_client(const struct gt_snat *s, struct gt_snat_session *session,
				      const struct gt_addr *client)
{
	session->client = gt_addr_v4(client);
	if (!gt_snat_is_wide(s))
		return gt_addr_is_v4(client);
	((struct gt_snat_session6 *)session)->client = *client;
	return true;
}

/* The session of a reply to a source port (host order), or GT_SNAT_NONE. Worker. */
uint32_t gt_snat_find(const struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t port);

/*
 * How many ports of each pair are this worker's. Among 256 ports in a row each entry of the table
 * comes twice, of IPv4 and IPv6, so this is the same for all pairs. Any caller.
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
