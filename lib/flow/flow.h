/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection table of one worker. A bucket is one cache line of four slots of 16 bytes. The VIP
 * look-up comes first, so that (client address, client port, service) is the whole key: 8 bytes in
 * IPv4, exact, never a signature. An IPv6 connection, or one of a VIP whose service does not tell
 * the port
 * (`port = any`), is wide: two neighbouring slots of one bucket.
 *
 * A key has two buckets. It is inserted in the second only when the first is full, and then the
 * first is marked as spilled; so a look-up reads one line unless that mark is there. When both are
 * full, what yields is said at gt_flow_insert.
 *
 * Time is counted in ticks of 250 ms, 24 bits of them: 48 days around. Entries expire when they are
 * met and by gt_flow_sweep, which must pass each bucket more often than that (it does every 10 s).
 *
 * Slot                 0       4    6        8       10     12            16
 *   narrow             client  port service | value         meta
 *   wide, first        client bytes 0-7     | port service  dst_port  tag
 *   wide, second       client bytes 8-15    | value         meta
 * meta: bits 31-30 what the slot is, 29 the bucket spilled (in slot 0), 28-26 state, 23-0 tick.
 * The top bits of tag lie where those of meta lie.
 */
#ifndef GT_FLOW_FLOW_H
#define GT_FLOW_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_prefetch.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/tick.h"

enum gt_flow_state {
	GT_FLOW_SYN,	     /* TCP: only SYNs seen */
	GT_FLOW_ESTABLISHED, /* TCP: an ACK was seen */
	GT_FLOW_FIN,	     /* TCP: a FIN was seen */
	GT_FLOW_CLOSED,	     /* TCP: a RST was seen */
	GT_FLOW_UDP,
	/* not connections: which server a client address keeps (persistence) */
	GT_FLOW_SOURCE,
	GT_FLOW_SOURCE_NEW, /* only a SYN has asked for it: as short-lived as one */
	GT_FLOW_STATES
};

static inline bool gt_flow_is_source(enum gt_flow_state state)
{
	return state == GT_FLOW_SOURCE || state == GT_FLOW_SOURCE_NEW;
}

struct gt_flow_slot {
	uint64_t key;
	union {
		struct {
			uint32_t value; /* the caller's: a server's number, or a SNAT session */
			uint32_t meta;
		};
		struct {
			rte_be16_t port;
			uint16_t service;
			rte_be16_t dst_port;
			uint16_t tag;
		};
	};
};
_Static_assert(sizeof(struct gt_flow_slot) == 16, "four slots are a cache line");

#define GT_FLOW_BUCKET_SLOTS 4

struct gt_flow_bucket {
	struct gt_flow_slot slots[GT_FLOW_BUCKET_SLOTS];
} __attribute__((aligned(64)));

/* A key ready to be hashed and compared. Its first 16 bytes are a block of the hash. */
struct gt_flow_key {
	uint64_t lo; /* narrow: the whole key; wide: client bytes 0-7 */
	uint64_t hi; /* wide: client bytes 8-15 */
	/* as in a slot */
	rte_be16_t port;
	uint16_t service;
	rte_be16_t dst_port;
	bool wide; /* of a narrow key, a look-up reads nothing but this and lo */
};
_Static_assert(sizeof(struct gt_flow_key) == 24, "a wide key's rest is a word");

static inline void gt_flow_key_narrow(struct gt_flow_key *k, rte_be32_t client, rte_be16_t port,
				      uint16_t service)
{
	*k = (struct gt_flow_key){.lo = (uint64_t)client | (uint64_t)port << 32 |
					(uint64_t)service << 48,
				  .service = service,
				  .port = port};
}

static inline void gt_flow_key_wide(struct gt_flow_key *k, const struct gt_addr *client,
				    rte_be16_t port, uint16_t service, rte_be16_t dst_port)
{
	*k = (struct gt_flow_key){
		.service = service, .port = port, .dst_port = dst_port, .wide = true};
	memcpy(&k->lo, client->b, 8);
	memcpy(&k->hi, client->b + 8, 8);
}

/* The client's address that a key names. */
static inline void gt_flow_client(const struct gt_flow_key *k, struct gt_addr *client)
{
	if (!k->wide) {
		*client = gt_addr_from_v4((rte_be32_t)k->lo);
	} else {
		memcpy(client->b, &k->lo, 8);
		memcpy(client->b + 8, &k->hi, 8);
	}
}

struct gt_flow_table {
	struct gt_flow_bucket *buckets;
	uint32_t n_buckets;
	uint32_t hand; /* of the sweep */
	struct gt_aeshash_key key;
	gt_aeshash_fn *hash;
	struct gt_memory memory;
	uint64_t changes; /* insertions and removals: behind one, slots that were found may be
			     others' */
	uint64_t entries; /* connections and source records; a wide one once */
	uint64_t slots_used;
};

/* An entry's state and age. */
struct gt_flow_view {
	enum gt_flow_state state;
	uint32_t idle;	  /* ticks since its last packet */
	uint32_t timeout; /* ticks of silence after which it is gone */
};

/* What the table must know to judge whether an entry lives and whether it may yield. */
struct gt_flow_judge {
	/* Fills view->timeout; makes idle less where the owner knows of a later packet. */
	void (*view)(const void *ctx, uint16_t service, uint32_t value, struct gt_flow_view *view);
	/* Would the scheduler send this connection, if it came as a new one, to the same server? */
	bool (*rehashes)(const void *ctx, const struct gt_flow_key *key, uint32_t value);
	/* The entry has gone: expired, or evicted to make room. */
	void (*gone)(void *ctx, uint16_t service, uint32_t value, enum gt_flow_state state,
		     bool evicted);
	void *ctx;
};

/* An entry found or made: where its changing half lies. */
struct gt_flow_ref {
	struct gt_flow_slot *slot; /* the narrow one, or the second of a wide one; NULL: none */
};

/*
 * Takes memory for `connections` of 16 bytes, or of 32 if wide, at five eighths load: 26 or 51
 * bytes for each; at 80 % use that is 32 and 64 bytes a connection. random: 16 bytes that nobody
 * can guess. 0, -ENOMEM. Main.
 */
int gt_flow_create(struct gt_flow_table *t, uint32_t connections, bool wide,
		   const uint8_t random[16], const struct gt_memory *memory);
void gt_flow_destroy(struct gt_flow_table *t);

/* Bytes that gt_flow_create will take. Any caller. */
uint64_t gt_flow_bytes(uint32_t connections, bool wide);

/* Hashes n keys at once; n at most GT_BURST_MAX. Worker. */
void gt_flow_hash(const struct gt_flow_table *t, const struct gt_flow_key *keys, uint64_t *hashes,
		  unsigned n);

/*
 * The hash of one key, as gt_flow_hash. A wide key is longer than a block: its rest goes through a
 * second one, chained. Folding it into the first would let a client trade address bits for port
 * bits at will. Worker.
 */
static inline uint64_t gt_flow_hash_block(const struct gt_flow_table *t, uint64_t lo, uint64_t hi)
{
#if defined(__AES__)
	return gt_aeshash_block(&t->key, _mm_set_epi64x((long long)hi, (long long)lo));
#else
	const uint64_t block[2] = {lo, hi};
	uint64_t hash;

	t->hash(&t->key, block, sizeof(block), &hash, 1);
	return hash;
#endif
}

static inline uint64_t gt_flow_hash_narrow(const struct gt_flow_table *t, uint64_t lo)
{
	return gt_flow_hash_block(t, lo, 0);
}

static inline uint64_t gt_flow_hash_wide(const struct gt_flow_table *t, const struct gt_flow_key *k)
{
	return gt_flow_hash_block(t, gt_flow_hash_block(t, k->lo, k->hi),
				  (uint64_t)k->port | (uint64_t)k->dst_port << 16 |
					  (uint64_t)k->service << 32 | 1ULL << 63);
}

static inline uint32_t gt_flow_bucket_first(const struct gt_flow_table *t, uint64_t hash)
{
	return (uint32_t)(((hash & 0xffffffff) * t->n_buckets) >> 32);
}

static inline uint32_t gt_flow_bucket_second(const struct gt_flow_table *t, uint64_t hash,
					     uint32_t first)
{
	uint32_t second = (uint32_t)(((hash >> 32) * t->n_buckets) >> 32);

	if (second == first)
		second = first + 1 < t->n_buckets ? first + 1 : 0;
	return second;
}

/*
 * Fetches a line from memory, one of many. Into the second cache: of fetches into the first that
 * come one behind the other many vanish (Zen 4; test/bench/fetches), and with a million connections
 * a frame took 52.6 ns then, not 48.9. Worker.
 */
static inline void gt_flow_fetch(const void *line)
{
	rte_prefetch1(line);
}

/* Fetches a key's first bucket, and gives it. Worker. */
static inline struct gt_flow_bucket *gt_flow_prefetch(const struct gt_flow_table *t, uint64_t hash)
{
	struct gt_flow_bucket *b = &t->buckets[gt_flow_bucket_first(t, hash)];

	gt_flow_fetch(b);
	return b;
}

/* The top bits of meta: what a slot is; that the bucket, whose first it is, has spilled. */
#define GT_FLOW_META_SPILLED	 (1U << 29)
#define GT_FLOW_TYPE_NARROW	 1U
#define GT_FLOW_TYPE_WIDE_FIRST	 2U
#define GT_FLOW_TYPE_WIDE_SECOND 3U

/* May some of its keys be in their second bucket? */
static inline bool gt_flow_is_spilled(const struct gt_flow_bucket *b)
{
	return (b->slots[0].meta & GT_FLOW_META_SPILLED) != 0;
}

/* Type and state of an entry in one byte, to be compared at once. */
static inline uint8_t gt_flow_make_kind(uint32_t type, enum gt_flow_state state)
{
	return (uint8_t)(type << 6 | (uint32_t)state << 2);
}

static inline uint8_t gt_flow_kind(uint32_t meta)
{
	return meta >> 24 & 0xdc;
}

/* Which of a bucket's slots begin with these 8 bytes. All are compared before the first branch:
 * which one it is nobody can predict. A bit for each, in the order of gt_flow_nth. */
static inline unsigned gt_flow_match(const struct gt_flow_bucket *b, uint64_t key)
{
	const struct gt_flow_slot *s = b->slots;

#if defined(__AVX2__)
	__m256i keys =
		_mm256_unpacklo_epi64(_mm256_load_si256((const __m256i *)(const void *)s),
				      _mm256_load_si256((const __m256i *)(const void *)(s + 2)));

	return (unsigned)_mm256_movemask_pd(
		_mm256_castsi256_pd(_mm256_cmpeq_epi64(keys, _mm256_set1_epi64x((long long)key))));
#else
	return (unsigned)(s[0].key == key) | (unsigned)(s[2].key == key) << 1 |
	       (unsigned)(s[1].key == key) << 2 | (unsigned)(s[3].key == key) << 3;
#endif
}

/* The slot of gt_flow_match's lowest bit: they come as AVX2 interleaves them, 0, 2, 1, 3. */
static inline struct gt_flow_slot *gt_flow_nth(struct gt_flow_bucket *b, unsigned bits)
{
	static const uint8_t at[16] = {0, 0, 32, 0, 16, 0, 32, 0, 48, 0, 32, 0, 16, 0, 32, 0};

	return (struct gt_flow_slot *)((uint8_t *)b + at[bits]);
}

/* A wide slot may have the same bytes in a narrow one's place. */
static inline struct gt_flow_slot *gt_flow_find_narrow(struct gt_flow_bucket *b, uint64_t key)
{
	for (unsigned hits = gt_flow_match(b, key); hits != 0; hits &= hits - 1) {
		struct gt_flow_slot *hit = gt_flow_nth(b, hits);

		if (__builtin_expect(hit->meta >> 30 == GT_FLOW_TYPE_NARROW, 1))
			return hit;
	}
	return NULL;
}

/* The second word of a wide key's first slot, not spilled. */
static inline uint64_t gt_flow_wide_rest(const struct gt_flow_key *key)
{
	return (uint64_t)key->port | (uint64_t)key->service << 16 | (uint64_t)key->dst_port << 32 |
	       (uint64_t)GT_FLOW_TYPE_WIDE_FIRST << 62;
}

#if defined(__AVX2__)
/* Do two slots hold this wide key? All of it at once: but for the mark of a spilled bucket, and
 * value and meta. */
static inline bool gt_flow_is_wide(const struct gt_flow_slot *s, __m256i wanted)
{
	const __m256i mask = _mm256_set_epi64x(0, -1, ~((long long)GT_FLOW_META_SPILLED << 32), -1);
	__m256i both = _mm256_load_si256((const __m256i *)(const void *)s);

	return _mm256_testz_si256(_mm256_xor_si256(both, wanted), mask) != 0;
}

/* The second of the two slots that hold a wide key, given as they are to be. */
static inline struct gt_flow_slot *gt_flow_find_words(struct gt_flow_bucket *b, __m256i wanted)
{
	struct gt_flow_slot *s = b->slots;
	/* Both are compared before the first branch, as in gt_flow_match. */
	unsigned first = gt_flow_is_wide(s, wanted), second = gt_flow_is_wide(s + 2, wanted);

	return (first | second) == 0 ? NULL : s + 1 + 2 * second;
}
#endif

/* The second of the two slots that hold a wide key. */
static inline struct gt_flow_slot *gt_flow_find_wide(struct gt_flow_bucket *b,
						     const struct gt_flow_key *key)
{
#if defined(__AVX2__)
	return gt_flow_find_words(b, _mm256_set_epi64x(0, (long long)key->hi,
						       (long long)gt_flow_wide_rest(key),
						       (long long)key->lo));
#else
	struct gt_flow_slot *s = b->slots;

	for (unsigned i = 0; i < GT_FLOW_BUCKET_SLOTS; i += 2, s += 2)
		if (s[0].key == key->lo && s[1].key == key->hi && s->port == key->port &&
		    s->service == key->service && s->dst_port == key->dst_port &&
		    s->meta >> 30 == GT_FLOW_TYPE_WIDE_FIRST)
			return s + 1;
	return NULL;
#endif
}

/* The changing half of a key's entry, if it is in this bucket; else NULL. Worker. */
static inline struct gt_flow_slot *gt_flow_find_in(struct gt_flow_bucket *b,
						   const struct gt_flow_key *key)
{
	return key->wide ? gt_flow_find_wide(b, key) : gt_flow_find_narrow(b, key->lo);
}

/* gt_flow_find for any key. Worker. */
struct gt_flow_ref gt_flow_search(const struct gt_flow_table *t, const struct gt_flow_key *key,
				  uint64_t hash);

/* Fetches the second bucket of a key that was not found in its first, if it may be there, or would
 * have to be inserted there. Worker. */
void gt_flow_prefetch_second(const struct gt_flow_table *t, const struct gt_flow_key *key,
			     uint64_t hash);

/*
 * Finds a key's entry, live or expired: the caller judges by gt_flow_expired. slot is NULL if there
 * is none. Worker.
 */
static inline struct gt_flow_ref gt_flow_find(const struct gt_flow_table *t,
					      const struct gt_flow_key *key, uint64_t hash)
{
	/* Most are narrow, and in their first bucket. */
	if (!key->wide) {
		struct gt_flow_bucket *b = &t->buckets[gt_flow_bucket_first(t, hash)];
		struct gt_flow_slot *s = gt_flow_find_narrow(b, key->lo);

		if (s != NULL || !gt_flow_is_spilled(b))
			return (struct gt_flow_ref){s};
	}
	return gt_flow_search(t, key, hash);
}

/* An established or UDP entry may yield to another connection once it was idle for so long. */
#define GT_FLOW_LONG_IDLE_TICKS GT_TICKS(60)

/*
 * Makes an entry for a key that has none. Takes the first free or expired place of the first
 * bucket, then of the second. Both full: another entry moves to its own other bucket, while not
 * more than three quarters of all slots are in use. Else the oldest SYN entry or new source record
 * yields, then the oldest closed one, then the oldest FIN, then the longest idle one whose server
 * the scheduler would find again; never another, and the last kind never to a SYN or a source
 * record, so that a flood of SYNs costs no established connection its entry. slot is NULL if none
 * yields: the caller forwards without an entry. Worker.
 */
struct gt_flow_ref gt_flow_insert(struct gt_flow_table *t, const struct gt_flow_key *key,
				  uint64_t hash, uint32_t value, enum gt_flow_state state,
				  uint32_t tick, const struct gt_flow_judge *judge);

/* Frees an entry without telling judge->gone. Worker. */
void gt_flow_remove(struct gt_flow_table *t, struct gt_flow_ref ref);

/* Frees the expired ones of the next n buckets. Worker. */
void gt_flow_sweep(struct gt_flow_table *t, uint32_t n, uint32_t tick,
		   const struct gt_flow_judge *judge);

static inline enum gt_flow_state gt_flow_state(struct gt_flow_ref ref)
{
	return (enum gt_flow_state)(ref.slot->meta >> 26 & 7);
}

/* Sets state and time. Worker. */
static inline void gt_flow_touch(struct gt_flow_ref ref, enum gt_flow_state state, uint32_t tick)
{
	ref.slot->meta =
		(ref.slot->meta & 0xe3000000U) | (uint32_t)state << 26 | (tick & GT_TICK_MASK);
}

/* Ticks since it was last touched. Any caller. */
static inline uint32_t gt_flow_idle(uint32_t meta, uint32_t tick)
{
	return (tick - meta) & GT_TICK_MASK;
}

/* One entry for people. */
struct gt_flow_entry {
	struct gt_addr client;
	rte_be16_t client_port;
	rte_be16_t dst_port; /* 0 unless wide: the service tells it */
	uint16_t service;
	uint32_t value;
	enum gt_flow_state state;
	uint32_t idle_ticks;
};

/*
 * Reads bucket `index` while the worker goes on: an entry that changes under the reader's eyes is
 * left out. Returns how many it put into out. Main.
 */
unsigned gt_flow_read(const struct gt_flow_table *t, uint32_t index, uint32_t tick,
		      struct gt_flow_entry out[GT_FLOW_BUCKET_SLOTS]);

#endif
