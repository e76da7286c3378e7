/* SPDX-License-Identifier: BSD-3-Clause */
/* SNAT sessions and ports; see snat.h. */
#include "flow/snat.h"

#include <errno.h>
#include <string.h>

#include <rte_prefetch.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/hash.h"
#include "flow/flow.h"

#define PAIR_BLOCKS (GT_SNAT_PORTS / GT_SNAT_BLOCK_PORTS_MIN)
#define NO_BLOCK    GT_SNAT_NO_BLOCK
/* How many pairs, or ports of a pair, are looked at for one that may be reclaimed; how many places
 * in a row. */
#define LOOKS	     64
#define LOOKS_PLACES 256
#define PAIR_BUCKETS GT_SNAT_PAIR_BUCKETS
/* Of a block's owner, which of the pair's blocks it is. */
#define OWNER_PLACE_BITS 9

_Static_assert(GT_SNAT_PORT_FIRST % 256 == 0 && GT_SNAT_PORTS % 256 == 0, "whole blocks");
_Static_assert((PAIR_BUCKETS & (PAIR_BUCKETS - 1)) == 0, "a power of two");
_Static_assert(GT_SNAT_PAIRS_MAX <= 1 << 14, "a session's name has 30 bits");
_Static_assert(PAIR_BLOCKS <= 1 << OWNER_PLACE_BITS, "a pair's blocks can be told apart");

/* ---- memory ---- */

static uint8_t block_shift(uint16_t n_workers)
{
	return n_workers == 1 ? 7 : 8;
}

/* Places in a block: of some workers one is as many too much as they have fewer entries. */
static uint32_t block_sessions(uint16_t n_workers)
{
	return (1U << block_shift(n_workers)) / GT_TOEPLITZ_TABLE_SIZE *
	       ((GT_TOEPLITZ_TABLE_SIZE + n_workers - 1U) / n_workers);
}

static uint8_t session_shift(bool v6)
{
	return v6 ? 5 : 4;
}

/* One for each pair, and twice what the sessions fill: as many ports as are in use may rest. */
static uint32_t count_blocks(uint32_t sessions, uint16_t n_workers)
{
	return (uint32_t)(2ULL * sessions / block_sessions(n_workers) + GT_SNAT_PAIRS_MAX);
}

/* Number 0 is no block. */
static uint64_t sessions_bytes(uint32_t sessions, bool v6, uint16_t n_workers)
{
	return (count_blocks(sessions, n_workers) + 1ULL) * block_sessions(n_workers)
	       << session_shift(v6);
}

uint64_t gt_snat_bytes(uint32_t sessions, bool v6, uint16_t n_workers)
{
	return sessions_bytes(sessions, v6, n_workers) +
	       GT_SNAT_PAIRS_MAX * sizeof(struct gt_snat_pair) +
	       PAIR_BUCKETS * sizeof(struct gt_snat_bucket) +
	       (count_blocks(sessions, n_workers) + 1ULL) * sizeof(uint32_t);
}

uint64_t gt_snat_piece_bytes(uint32_t sessions, bool v6, uint16_t n_workers)
{
	uint64_t pairs = GT_SNAT_PAIRS_MAX * sizeof(struct gt_snat_pair);
	uint64_t bytes = sessions_bytes(sessions, v6, n_workers);

	return bytes > pairs ? bytes : pairs;
}

/* ---- which port is whose, and where ---- */

/* The table's entries that each value of a port's bytes adds: the port is the last of what is
 * hashed. The ports of a block that have the same one are told apart in the order that they come.
 */
static void learn_codes(struct gt_snat *s, bool v6)
{
	uint8_t in[GT_TOEPLITZ_INPUT_MAX] = {0};
	bool seen[GT_TOEPLITZ_TABLE_SIZE] = {false};
	size_t len = v6 ? 36 : 12;

	for (unsigned value = 0; value < 256; value++) {
		uint8_t entry;

		in[len - 2] = (uint8_t)value;
		in[len - 1] = 0;
		s->port_code[v6][0][value] = gt_toeplitz_entry(gt_toeplitz(in, len));
		in[len - 2] = 0;
		in[len - 1] = (uint8_t)value;
		entry = gt_toeplitz_entry(gt_toeplitz(in, len));
		s->port_code[v6][1][value] =
			(uint8_t)(entry | (seen[entry] ? GT_TOEPLITZ_TABLE_SIZE : 0));
		seen[entry] = true;
	}
}

/* One worker has all ports, in their order: new connections go from place to place. */
static void learn_places(struct gt_snat *s)
{
	unsigned codes = 1U << s->block_shift, n = 0;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		if (s->n_workers > 1)
			learn_codes(s, v6);
		else
			for (unsigned value = 0; value < 256; value++)
				s->port_code[v6][1][value] = (uint8_t)(value % codes);
		for (unsigned low = 0; low < codes; low++)
			s->low_of[v6][s->port_code[v6][1][low]] = (uint8_t)low;
	}
	for (unsigned code = 0; code < codes; code++) {
		uint8_t entry = gt_toeplitz_entry(code);

		s->place[code] = GT_SNAT_NO_PLACE;
		if (gt_toeplitz_worker(entry, s->n_workers) != s->worker)
			continue;
		s->place[code] = (uint16_t)n;
		s->code_at[n++] = (uint8_t)code;
	}
}

/* The port whose place in a pair's block it is. */
static uint16_t port_at(const struct gt_snat *s, const struct gt_snat_pair *p, uint32_t nth,
			uint32_t place)
{
	uint32_t first = GT_SNAT_PORT_FIRST + (nth << s->block_shift);
	uint8_t code = s->code_at[place] ^ p->entry ^ s->port_code[p->v6][0][first >> 8];

	return (uint16_t)(first + s->low_of[p->v6][code]);
}

/* ---- birth and end ---- */

int gt_snat_create(struct gt_snat *s, uint32_t sessions, bool v6, uint16_t worker,
		   uint16_t n_workers, const uint8_t random[16], const struct gt_memory *m)
{
	struct gt_siphash_key seed;

	memset(s, 0, sizeof(*s));
	s->memory = *m;
	s->worker = worker;
	s->n_workers = n_workers;
	s->n_sessions = sessions;
	s->session_shift = session_shift(v6);
	s->block_shift = block_shift(n_workers);
	s->block_sessions = (uint16_t)block_sessions(n_workers);
	s->n_blocks = count_blocks(sessions, n_workers);
	s->pairs = m->alloc(m->ctx, GT_SNAT_PAIRS_MAX * sizeof(*s->pairs));
	s->pair_table = m->alloc(m->ctx, PAIR_BUCKETS * sizeof(*s->pair_table));
	s->sessions = m->alloc(m->ctx, sessions_bytes(sessions, v6, n_workers));
	s->block_owner = m->alloc(m->ctx, (s->n_blocks + 1ULL) * sizeof(*s->block_owner));
	if (s->pairs == NULL || s->pair_table == NULL || s->sessions == NULL ||
	    s->block_owner == NULL) {
		gt_snat_destroy(s);
		return -ENOMEM;
	}
	s->fresh_block = 1;
	learn_places(s);
	memcpy(&seed, random, sizeof(seed));
	for (uint64_t i = 0; i < 5; i++) {
		uint64_t odd = gt_siphash(&seed, &i, sizeof(i)) | 1;

		if (i < 2)
			s->key[i] = odd;
		else
			s->key_v4[i - 2] = (uint32_t)odd;
	}
	return 0;
}

void gt_snat_destroy(struct gt_snat *s)
{
	struct gt_memory m = s->memory;

	if (m.free == NULL)
		return;
	m.free(m.ctx, s->pairs);
	m.free(m.ctx, s->pair_table);
	m.free(m.ctx, s->sessions);
	m.free(m.ctx, s->block_owner);
	memset(s, 0, sizeof(*s));
}

/* ---- pairs ---- */

/* Takes a bucket out of the open addressing: what stands behind it moves up (Knuth 6.4, R). */
static void free_bucket(struct gt_snat *s, struct gt_snat_bucket *bucket)
{
	uint32_t hole = (uint32_t)(bucket - s->pair_table), i = hole;

	for (;;) {
		uint32_t home;

		i = (i + 1) & (PAIR_BUCKETS - 1);
		if (s->pair_table[i].pair == NULL)
			break;
		home = gt_snat_pair_home(s, &s->pair_table[i].ends);
		if (((i - home) & (PAIR_BUCKETS - 1)) < ((i - hole) & (PAIR_BUCKETS - 1)))
			continue;
		s->pair_table[hole] = s->pair_table[i];
		hole = i;
	}
	s->pair_table[hole] = (struct gt_snat_bucket){.pair = NULL};
}

static struct gt_snat_pair *find_pair(const struct gt_snat *s, const struct gt_snat_pair_key *key)
{
	const struct gt_snat_ends ends = gt_snat_ends(key);

	return gt_snat_find_bucket(s, &ends)->pair;
}

static bool has_rested(const struct gt_snat *s, const struct gt_snat_pair *p, uint16_t port,
		       uint32_t tick)
{
	return ((tick - gt_snat_port_of(s, p, port)->tick) & GT_TICK_MASK) >= GT_SNAT_REST_TICKS;
}

static void free_pair(struct gt_snat *s, struct gt_snat_pair *p)
{
	const struct gt_snat_ends ends = gt_snat_ends(&p->key);

	free_bucket(s, gt_snat_find_bucket(s, &ends));
	for (unsigned i = 0; i < PAIR_BLOCKS; i++) {
		if (p->blocks[i] == NO_BLOCK)
			continue;
		memset(gt_snat_session_at(s, p->blocks[i], 0), 0,
		       (size_t)s->block_sessions << s->session_shift);
		s->block_owner[p->blocks[i]] = s->free_block;
		s->free_block = p->blocks[i];
		p->blocks[i] = NO_BLOCK;
	}
	s->pairs_changed++;
	p->used = false;
	p->next = s->free_pair;
	s->free_pair = (uint32_t)(p - s->pairs) + 1;
	s->n_pairs--;
}

/* A pair without sessions whose last port has rested may go. Looks at a few; true if one went.
 * `but`: not this one. */
static bool reclaim_pair(struct gt_snat *s, const struct gt_snat_pair *but, uint32_t tick)
{
	for (unsigned tries = 0; tries < LOOKS; tries++) {
		struct gt_snat_pair *p = &s->pairs[s->hand];

		s->hand = s->hand + 1 < s->fresh_pair ? s->hand + 1 : 0;
		if (p->used && p != but && p->live == 0 &&
		    (p->rest_tail == 0 || has_rested(s, p, p->rest_tail, tick))) {
			free_pair(s, p);
			return true;
		}
	}
	return false;
}

/* What replies to a pair's port 0 have for an entry of the table; one worker does not ask. */
static uint8_t entry_of(const struct gt_snat *s, const struct gt_snat_pair_key *key)
{
	if (s->n_workers == 1)
		return 0;
	return gt_toeplitz_entry(gt_toeplitz_tuple(&key->server, &key->source, key->port, 0));
}

/* Of an IPv4 address the last four bytes are the packet's: what stands before them is 0xffff, which
 * adds nothing. */
static uint16_t sum_of(const struct gt_snat_pair_key *key)
{
	uint32_t sum = gt_checksum_add(0, key->server.b, sizeof(key->server.b));

	return (uint16_t)~gt_checksum_fold(
		gt_checksum_add(sum, key->source.b, sizeof(key->source.b)));
}

static struct gt_snat_pair *add_pair(struct gt_snat *s, const struct gt_snat_pair_key *key,
				     uint32_t tick)
{
	const struct gt_snat_ends ends = gt_snat_ends(key);
	uint32_t i = s->fresh_pair;

	if (s->n_pairs == GT_SNAT_PAIRS_MAX && !reclaim_pair(s, NULL, tick))
		return NULL;
	if (s->free_pair != 0) {
		i = s->free_pair - 1;
		s->free_pair = s->pairs[i].next;
	} else {
		s->fresh_pair++;
	}
	s->pairs[i] = (struct gt_snat_pair){
		.key = *key,
		.used = true,
		.fresh = GT_SNAT_PORT_FIRST,
		.look = GT_SNAT_PORT_FIRST,
		.v6 = gt_snat_is_v6(&ends),
		.entry = entry_of(s, key),
		.sum = sum_of(key),
		.ports = gt_bytes_ports(0, key->port),
	};
	s->n_pairs++;
	s->pairs_changed++;
	*gt_snat_find_bucket(s, &ends) = (struct gt_snat_bucket){.ends = ends,
								 .pair = &s->pairs[i],
								 .sum = s->pairs[i].sum,
								 .entry = s->pairs[i].entry};
	return &s->pairs[i];
}

/* ---- ports ---- */

/*
 * The first port from `port` on whose replies come to this worker; above UINT16_MAX: there is none.
 * About n_workers are looked at: with 4 workers that makes a new connection's port 4 ns dearer,
 * with 16 it is 30, and a port that has rested is the worker's anyway. rte_thash_adjust_tuple was
 * rejected: 70 to 200 ns each time, it changes 6 bytes of the key that all devices must have then,
 * and it does not know which ports are free.
 */
static uint32_t own_port(const struct gt_snat *s, const struct gt_snat_pair *p, uint32_t port)
{
	while (port <= UINT16_MAX &&
	       gt_snat_place(s, p->v6, p->entry, (uint16_t)port) == GT_SNAT_NO_PLACE)
		port++;
	return port;
}

uint32_t gt_snat_ports(const struct gt_snat *s)
{
	uint32_t entries = (GT_TOEPLITZ_TABLE_SIZE - s->worker + s->n_workers - 1U) / s->n_workers;

	return GT_SNAT_PORTS / GT_TOEPLITZ_TABLE_SIZE * entries;
}

/* Moves rest_next on behind what has rested by now; some at a time, but more than come to rest. */
static void ripen(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	for (unsigned i = 0; i < 4 && p->rest_next != 0 && has_rested(s, p, p->rest_next, tick);
	     i++) {
		p->rest_next = gt_snat_port_of(s, p, p->rest_next)->next;
		p->resting--;
	}
}

static uint16_t take_rested(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	uint16_t port = p->rest_head;

	ripen(s, p, tick);
	if (port == 0 || port == p->rest_next)
		return 0;
	p->rest_head = gt_snat_port_of(s, p, port)->next;
	if (p->rest_head == 0)
		p->rest_tail = 0;
	else
		rte_prefetch0(gt_snat_port_of(s, p, p->rest_head));
	return port;
}

/* A block of ports, all fresh; from a pair that nobody uses any more, if need be. 0: none. */
static uint32_t take_block(struct gt_snat *s, const struct gt_snat_pair *p, uint32_t tick)
{
	uint32_t block;

	if (s->free_block == NO_BLOCK && s->fresh_block > s->n_blocks && !reclaim_pair(s, p, tick))
		return NO_BLOCK;
	block = s->free_block;
	if (block != NO_BLOCK)
		s->free_block = s->block_owner[block];
	else if (s->fresh_block <= s->n_blocks)
		block = s->fresh_block++;
	return block;
}

/* Ports that are the pair's, over all workers. */
static uint32_t count_ports(const struct gt_snat_pair *p)
{
	return p->key.shared ? GT_SNAT_PORT_KERNEL - GT_SNAT_PORT_FIRST : GT_SNAT_PORTS;
}

static uint16_t take_fresh(struct gt_snat *s, struct gt_snat_pair *p, uint32_t tick)
{
	uint32_t port = own_port(s, p, p->fresh),
		 nth = (port - GT_SNAT_PORT_FIRST) >> s->block_shift;
	const struct gt_snat_session *next;

	p->fresh = port;
	if (port - GT_SNAT_PORT_FIRST >= count_ports(p))
		return 0;
	if (p->blocks[nth] == NO_BLOCK) {
		uint32_t block = take_block(s, p, tick);

		if (block == NO_BLOCK)
			return 0;
		p->blocks[nth] = block;
		s->block_owner[block] = (uint32_t)(p - s->pairs) << OWNER_PLACE_BITS | nth;
	}
	p->fresh = own_port(s, p, port + 1);
	/* Its line is read for the first time when it is taken. */
	next = p->fresh > UINT16_MAX ? NULL : gt_snat_port_of(s, p, (uint16_t)p->fresh);
	if (next != NULL)
		rte_prefetch0(next);
	return (uint16_t)port;
}

uint32_t gt_snat_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t server,
		      uint32_t tick)
{
	struct gt_snat_pair *p;
	uint16_t port;

	if (gt_snat_is_full(s))
		return GT_SNAT_NONE;
	p = find_pair(s, key);
	if (p == NULL)
		p = add_pair(s, key, tick);
	if (p == NULL)
		return GT_SNAT_NONE;
	port = take_rested(s, p, tick);
	if (port == 0)
		port = take_fresh(s, p, tick);
	if (port == 0)
		return GT_SNAT_NONE;
	*gt_snat_port_of(s, p, port) = (struct gt_snat_session){
		.live = true, .tick = tick & GT_TICK_MASK, .server = server};
	if (p->live == 0)
		p->server = server;
	p->live++;
	s->live++;
	return gt_snat_name((uint32_t)(p - s->pairs), port);
}

void gt_snat_close(struct gt_snat *s, uint32_t session, uint32_t tick)
{
	struct gt_snat_pair *p = &s->pairs[session >> 16];
	uint16_t port = gt_snat_port(session);

	ripen(s, p, tick);
	*gt_snat_port_of(s, p, port) = (struct gt_snat_session){.tick = tick & GT_TICK_MASK};
	if (p->rest_tail != 0)
		gt_snat_port_of(s, p, p->rest_tail)->next = port;
	else
		p->rest_head = port;
	p->rest_tail = port;
	if (p->rest_next == 0)
		p->rest_next = port;
	p->resting++;
	p->live--;
	s->live--;
}

void gt_snat_cancel(struct gt_snat *s, uint32_t session, uint32_t tick)
{
	struct gt_snat_pair *p = &s->pairs[session >> 16];
	uint16_t port = gt_snat_port(session);

	/* Like one that rested first of all. */
	*gt_snat_port_of(s, p, port) = (struct gt_snat_session){
		.tick = (tick - GT_SNAT_REST_TICKS) & GT_TICK_MASK, .next = p->rest_head};
	p->rest_head = port;
	if (p->rest_tail == 0)
		p->rest_tail = port;
	p->live--;
	s->live--;
}

static bool is_half_open(const struct gt_snat_session *session, uint32_t tick)
{
	return session->live && session->state == GT_FLOW_SYN &&
	       ((tick - session->tick) & GT_TICK_MASK) >= GT_SNAT_YIELD_TICKS;
}

/* Goes through all blocks that were ever in use. */
static uint32_t any_half_open(struct gt_snat *s, uint32_t tick)
{
	uint32_t n = s->block_sessions, end = s->fresh_block * n;

	for (unsigned i = 0; i < LOOKS_PLACES && end > n; i++) {
		uint32_t owner;

		/* Block 0 is none. */
		s->yield_hand =
			s->yield_hand < n || s->yield_hand + 1 >= end ? n : s->yield_hand + 1;
		if (!is_half_open(gt_snat_session_at(s, 0, s->yield_hand), tick))
			continue;
		owner = s->block_owner[s->yield_hand / n];
		return gt_snat_name(owner >> OWNER_PLACE_BITS,
				    port_at(s, &s->pairs[owner >> OWNER_PLACE_BITS],
					    owner & ((1U << OWNER_PLACE_BITS) - 1),
					    s->yield_hand % n));
	}
	return GT_SNAT_NONE;
}

uint32_t gt_snat_half_open(struct gt_snat *s, const struct gt_snat_pair_key *key, uint32_t tick)
{
	struct gt_snat_pair *p;

	if (key == NULL)
		return any_half_open(s, tick);
	p = find_pair(s, key);
	if (p == NULL)
		return GT_SNAT_NONE;
	for (unsigned i = 0; i < LOOKS; i++) {
		const struct gt_snat_session *session;

		p->look = own_port(s, p, p->look + 1);
		if (p->look > UINT16_MAX)
			p->look = own_port(s, p, GT_SNAT_PORT_FIRST);
		session = gt_snat_port_of(s, p, (uint16_t)p->look);
		if (session != NULL && is_half_open(session, tick))
			return gt_snat_name((uint32_t)(p - s->pairs), (uint16_t)p->look);
	}
	return GT_SNAT_NONE;
}

uint32_t gt_snat_find(const struct gt_snat *s, const struct gt_snat_pair_key *key, uint16_t port)
{
	const struct gt_snat_pair *p = find_pair(s, key);
	const struct gt_snat_session *session = p != NULL ? gt_snat_port_of(s, p, port) : NULL;

	if (session == NULL || !session->live)
		return GT_SNAT_NONE;
	return gt_snat_name((uint32_t)(p - s->pairs), port);
}

unsigned gt_snat_fullest_percent(const struct gt_snat *s, uint32_t tick,
				 struct gt_snat_pair_key *key)
{
	uint32_t most = 0;

	if (s->pairs == NULL)
		return 0;
	for (uint32_t i = 0; i < s->fresh_pair; i++) {
		const struct gt_snat_pair *p = &s->pairs[i];
		const struct gt_snat_session *tail = gt_snat_port_of(s, p, p->rest_tail);
		uint32_t n = p->live;

		if (!p->used)
			continue;
		/* A pair without traffic has nobody to count its ports ripe. */
		if (tail != NULL && ((tick - tail->tick) & GT_TICK_MASK) < GT_SNAT_REST_TICKS)
			n += p->resting;
		n = n * (GT_SNAT_PORTS / 1024) / (count_ports(p) / 1024);
		if (n > most && key != NULL)
			*key = p->key;
		if (n > most)
			most = n;
	}
	return (unsigned)(most * 100 / gt_snat_ports(s));
}
